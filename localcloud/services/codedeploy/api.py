"""CodeDeploy for Lambda, all of it: Moto keeps deployments in `Created` for ever."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from localcloud.callers import ServiceCaller
from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.services.codedeploy.engine import DeploymentEngine, is_active
from localcloud.services.codedeploy.groups import Groups
from localcloud.services.codedeploy.model import Deployment, content_of, new_id
from stepladder.core.names import partition_of


class CodeDeploy(Groups):
    """The handlers. They are the engine's store too."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._engine = DeploymentEngine(cloud, self)
        cloud.register("codedeploy", self)
        cloud.on_ready(self._end_interrupted)

    def _end_interrupted(self) -> None:
        for region in self._regions:
            for deployment in list(region.deployments.values()):
                if is_active(deployment):
                    self._engine.fail_interrupted(deployment)

    # -- what the engine asks

    def group(self, deployment: Deployment) -> dict[str, Any]:
        """Return the deployment's group, or an empty one when it is gone."""
        region = self._regions.of(deployment.account, deployment.region)
        return region.groups.get((deployment.application, deployment.group), {})

    def caller(self, deployment: Deployment) -> ServiceCaller | None:
        """Return the service role with which CodeDeploy calls, or None when the group is gone."""
        role = str(self.group(deployment).get("serviceRoleArn") or "")
        where = f"arn:{partition_of(deployment.region)}:codedeploy:{deployment.region}:{deployment.account}"
        source = f"{where}:deploymentgroup:{deployment.application}/{deployment.group}"
        return ServiceCaller("codedeploy.amazonaws.com", source, deployment.account, role) if role else None

    def route(self, deployment: Deployment) -> dict[str, Any]:
        """Return the traffic routing of the deployment's configuration."""
        region = self._regions.of(deployment.account, deployment.region)
        routing: dict[str, Any] = region.config(deployment.config)["trafficRoutingConfig"]
        return routing

    def add(self, deployment: Deployment) -> None:
        """Keep a deployment."""
        self._regions.of(deployment.account, deployment.region).deployments[deployment.id] = deployment

    # -- deployments

    @handles
    def create_deployment(self, request: AwsRequest) -> dict[str, Any]:
        """Start a deployment. One group runs one at a time."""
        params, region = request.params, self._region(request)
        with self.lock:
            group = region.group(params.get("applicationName"), params.get("deploymentGroupName"))
            config = params.get("deploymentConfigName") or group["deploymentConfigName"]
            region.config(config)
            if "revision" not in params:
                raise ServiceError("RevisionRequiredException", "Revision is required")
            content_of(params["revision"])
            group_key = (group["applicationName"], group["deploymentGroupName"])
            active = next(
                (d for d in region.deployments.values() if (d.application, d.group) == group_key and is_active(d)), None
            )
            if active:
                raise ServiceError(
                    "DeploymentLimitExceededException",
                    f"The Deployment Group '{group_key[1]}' already has an active Deployment '{active.id}'",
                )
            deployment = Deployment(
                id=new_id(),
                account=request.account,
                region=request.region,
                application=group_key[0],
                group=group_key[1],
                config=config,
                revision=params["revision"],
                description=params.get("description", ""),
                creator="user",
                created=self._cloud.clock.utcnow(),
                auto_rollback=params.get("autoRollbackConfiguration"),
                override_alarms=params.get("overrideAlarmConfiguration"),
            )
            self.add(deployment)
        self._engine.start(deployment)
        return {"deploymentId": deployment.id}

    @handles
    def get_deployment(self, request: AwsRequest) -> dict[str, Any]:
        """Return a deployment."""
        return {"deploymentInfo": self._region(request).deployment(request.params.get("deploymentId")).describe()}

    @handles
    def batch_get_deployments(self, request: AwsRequest) -> dict[str, Any]:
        """Return several deployments. Those that aren't there are left out."""
        known = self._region(request).deployments
        return {"deploymentsInfo": [known[i].describe() for i in request.params["deploymentIds"] if i in known]}

    @handles
    def list_deployments(self, request: AwsRequest) -> dict[str, Any]:
        """List ids of deployments, newest first."""
        params, region = request.params, self._region(request)
        application, group = params.get("applicationName"), params.get("deploymentGroupName")
        if application and not group:
            raise ServiceError("DeploymentGroupNameRequiredException", "Deployment group name is required")
        if group:
            region.group(application, group)
        between = params.get("createTimeRange") or {}
        return {
            "deployments": [
                d.id
                for d in reversed(region.deployments.values())
                if (not group or (d.application, d.group) == (application, group))
                and (not params.get("includeOnlyStatuses") or d.status in params["includeOnlyStatuses"])
                and _inside(d.created, between)
            ]
        }

    @handles
    def stop_deployment(self, request: AwsRequest) -> dict[str, Any]:
        """Ask a deployment to stop. `autoRollbackEnabled` also takes the traffic back."""
        params = request.params
        with self.lock:
            deployment = self._region(request).deployment(params.get("deploymentId"))
            if not is_active(deployment):
                raise ServiceError("DeploymentAlreadyCompletedException", f"{deployment.id} is already completed")
            deployment.stop_requested = True
            deployment.stop_rollback = params.get("autoRollbackEnabled")
            deployment.wake.set()
        return {"status": "Pending", "statusMessage": "The deployment will stop"}

    @handles
    def put_lifecycle_event_hook_execution_status(self, request: AwsRequest) -> dict[str, Any]:
        """Take a hook's result."""
        params = request.params
        deployment = self._region(request).deployment(params.get("deploymentId"))
        status = params.get("status")
        if status not in ("Succeeded", "Failed"):
            raise ServiceError("InvalidLifecycleEventHookExecutionStatusException", f"Invalid status: {status}")
        token = params.get("lifecycleEventHookExecutionId", "")
        with self.lock:
            self._engine.finish_hook(deployment, token, status)
        return {"lifecycleEventHookExecutionId": token}

    @handles
    def list_deployment_targets(self, request: AwsRequest) -> dict[str, Any]:
        """List the one target's id."""
        deployment = self._region(request).deployment(request.params.get("deploymentId"))
        return {"targetIds": [deployment.target_id] if deployment.target_id else []}

    @handles
    def get_deployment_target(self, request: AwsRequest) -> dict[str, Any]:
        """Return the one target."""
        return {"deploymentTarget": self._target(request, request.params.get("targetId"))}

    @handles
    def batch_get_deployment_targets(self, request: AwsRequest) -> dict[str, Any]:
        """Return targets of one deployment."""
        deployment = self._region(request).deployment(request.params.get("deploymentId"))
        target_ids = request.params.get("targetIds") or ([deployment.target_id] if deployment.target_id else [])
        return {"deploymentTargets": [self._target(request, target) for target in target_ids]}

    def _target(self, request: AwsRequest, target: str | None) -> dict[str, Any]:
        deployment = self._region(request).deployment(request.params.get("deploymentId"))
        if not target:
            raise ServiceError("DeploymentTargetIdRequiredException", "A deployment target ID was not provided")
        if target != deployment.target_id:
            raise ServiceError("DeploymentTargetDoesNotExistException", f"No target {target} in {deployment.id}")
        return deployment.describe_target()


def _inside(at: datetime, between: dict[str, datetime]) -> bool:
    start, end = (_aware(between.get(side)) for side in ("start", "end"))
    return (start is None or at >= start) and (end is None or at <= end)


def _aware(at: datetime | None) -> datetime | None:
    """Read a time without a zone, as the protocol's parser may give it, as UTC."""
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def install(cloud: Cloud) -> None:
    """Register the actions."""
    CodeDeploy(cloud)
