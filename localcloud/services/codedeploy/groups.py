"""CodeDeploy's applications, configurations, groups and tags."""

from __future__ import annotations

import uuid
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.scoped_store import ScopedStore
from localcloud.services.codedeploy.model import config_info, offered_configs
from localcloud.services.codedeploy.store import CodeDeployRegion

ALL_AT_ONCE = "CodeDeployDefault.LambdaAllAtOnce"
GROUP_FIELDS = (
    "deploymentConfigName",
    "serviceRoleArn",
    "triggerConfigurations",
    "alarmConfiguration",
    "autoRollbackConfiguration",
    "deploymentStyle",
    "blueGreenDeploymentConfiguration",
    "loadBalancerInfo",
    "ec2TagFilters",
    "onPremisesInstanceTagFilters",
    "autoScalingGroups",
    "outdatedInstancesStrategy",
    "ec2TagSet",
    "onPremisesTagSet",
    "ecsServices",
    "terminationHookEnabled",
)


class Groups:
    """The handlers of everything but deployments."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._regions = ScopedStore(cloud, "codedeploy", self._new_region)
        self.lock = self._regions.lock

    def _new_region(self, account: str, region: str) -> CodeDeployRegion:
        return CodeDeployRegion(account, region, configs=offered_configs(self._cloud.clock.utcnow()))

    def _region(self, request: AwsRequest) -> CodeDeployRegion:
        return self._regions.of(request.account, request.region)

    # -- applications

    @handles
    def create_application(self, request: AwsRequest) -> dict[str, Any]:
        """Make an application."""
        params, region = request.params, self._region(request)
        name = params["applicationName"]
        if params.get("computePlatform", "Server") != "Lambda":
            raise ServiceError("InvalidComputePlatformException", "the local cloud deploys Lambda functions only")
        with self.lock:
            if name in region.applications:
                raise ServiceError("ApplicationAlreadyExistsException", f"Application already exists: {name}")
            region.applications[name] = {
                "applicationId": str(uuid.uuid4()),
                "applicationName": name,
                "createTime": self._cloud.clock.utcnow(),
                "linkedToGitHub": False,
                "computePlatform": "Lambda",
            }
            self._tag(region, region.arn("application", name), params.get("tags"))
        return {"applicationId": region.applications[name]["applicationId"]}

    @handles
    def get_application(self, request: AwsRequest) -> dict[str, Any]:
        """Return an application."""
        return {"application": self._region(request).application(request.params.get("applicationName"))}

    @handles
    def batch_get_applications(self, request: AwsRequest) -> dict[str, Any]:
        """Return several applications."""
        region = self._region(request)
        return {"applicationsInfo": [region.application(name) for name in request.params["applicationNames"]]}

    @handles
    def list_applications(self, request: AwsRequest) -> dict[str, Any]:
        """List the applications' names."""
        return {"applications": sorted(self._region(request).applications)}

    @handles
    def update_application(self, request: AwsRequest) -> dict[str, Any]:
        """Rename an application."""
        params, region = request.params, self._region(request)
        with self.lock:
            application = region.application(params.get("applicationName"))
            new = params.get("newApplicationName") or application["applicationName"]
            if new != application["applicationName"] and new in region.applications:
                raise ServiceError("ApplicationAlreadyExistsException", f"Application already exists: {new}")
            old = application["applicationName"]
            region.applications[new] = region.applications.pop(old) | {"applicationName": new}
            for key in [k for k in region.groups if k[0] == old]:
                region.groups[new, key[1]] = region.groups.pop(key) | {"applicationName": new}
        return {}

    @handles
    def delete_application(self, request: AwsRequest) -> dict[str, Any]:
        """Delete an application with its groups. One that isn't there is no error."""
        region, name = self._region(request), request.params["applicationName"]
        with self.lock:
            region.applications.pop(name, None)
            for key in [k for k in region.groups if k[0] == name]:
                del region.groups[key]
        return {}

    # -- configurations

    @handles
    def create_deployment_config(self, request: AwsRequest) -> dict[str, Any]:
        """Make a configuration of our own."""
        params, region = request.params, self._region(request)
        name = params["deploymentConfigName"]
        routing = params.get("trafficRoutingConfig") or {"type": "AllAtOnce"}
        with self.lock:
            if name in region.configs:
                raise ServiceError("DeploymentConfigAlreadyExistsException", f"Configuration already exists: {name}")
            region.configs[name] = config_info(name, routing, self._cloud.clock.utcnow())
        return {"deploymentConfigId": region.configs[name]["deploymentConfigId"]}

    @handles
    def get_deployment_config(self, request: AwsRequest) -> dict[str, Any]:
        """Return a configuration."""
        return {"deploymentConfigInfo": self._region(request).config(request.params["deploymentConfigName"])}

    @handles
    def list_deployment_configs(self, request: AwsRequest) -> dict[str, Any]:
        """List the configurations' names."""
        return {"deploymentConfigsList": sorted(self._region(request).configs)}

    @handles
    def delete_deployment_config(self, request: AwsRequest) -> dict[str, Any]:
        """Delete a configuration that no group uses."""
        region, name = self._region(request), request.params["deploymentConfigName"]
        with self.lock:
            if name.startswith("CodeDeployDefault."):
                raise ServiceError("InvalidOperationException", "A configuration of CodeDeploy can't be deleted")
            if any(group["deploymentConfigName"] == name for group in region.groups.values()):
                raise ServiceError("DeploymentConfigInUseException", f"The configuration {name} is in use")
            region.configs.pop(name, None)
        return {}

    # -- groups

    @handles
    def create_deployment_group(self, request: AwsRequest) -> dict[str, Any]:
        """Make a group."""
        params, region = request.params, self._region(request)
        application, name = params["applicationName"], params["deploymentGroupName"]
        with self.lock:
            region.application(application)
            if (application, name) in region.groups:
                raise ServiceError("DeploymentGroupAlreadyExistsException", f"Deployment group exists: {name}")
            self._check_group(region, params)
            group = {
                "applicationName": application,
                "deploymentGroupId": str(uuid.uuid4()),
                "deploymentGroupName": name,
                "deploymentConfigName": ALL_AT_ONCE,
                "computePlatform": "Lambda",
                "outdatedInstancesStrategy": "UPDATE",
                "terminationHookEnabled": False,
            }
            region.groups[application, name] = group | {k: params[k] for k in GROUP_FIELDS if k in params}
            self._tag(region, region.arn("deploymentgroup", f"{application}/{name}"), params.get("tags"))
        return {"deploymentGroupId": group["deploymentGroupId"]}

    @staticmethod
    def _check_group(region: CodeDeployRegion, params: dict[str, Any]) -> None:
        if params.get("deploymentConfigName"):
            region.config(params["deploymentConfigName"])
        alarms = (params.get("alarmConfiguration") or {}).get("alarms") or ()
        if len(alarms) > 10:  # noqa: PLR2004 - CodeDeploy's limit
            raise ServiceError("AlarmsLimitExceededException", "A deployment group watches at most 10 alarms")

    @handles
    def get_deployment_group(self, request: AwsRequest) -> dict[str, Any]:
        """Return a group with its last deployments."""
        params, region = request.params, self._region(request)
        group = region.group(params.get("applicationName"), params.get("deploymentGroupName"))
        return {"deploymentGroupInfo": group | self._last(region, group)}

    @staticmethod
    def _last(region: CodeDeployRegion, group: dict[str, Any]) -> dict[str, Any]:
        key_of_group = (group["applicationName"], group["deploymentGroupName"])
        deployments_of_group = [d for d in region.deployments.values() if (d.application, d.group) == key_of_group]
        shown: dict[str, Any] = {}
        for key, deployments in (
            ("lastAttemptedDeployment", deployments_of_group),
            ("lastSuccessfulDeployment", [d for d in deployments_of_group if d.status == "Succeeded"]),
        ):
            if deployments:
                last = deployments[-1]
                shown[key] = {"deploymentId": last.id, "status": last.status, "createTime": last.created} | (
                    {"endTime": last.completed} if last.completed else {}
                )
        return shown

    @handles
    def batch_get_deployment_groups(self, request: AwsRequest) -> dict[str, Any]:
        """Return several groups of one application."""
        params, region = request.params, self._region(request)
        groups = [region.group(params["applicationName"], name) for name in params["deploymentGroupNames"]]
        return {"deploymentGroupsInfo": [group | self._last(region, group) for group in groups]}

    @handles
    def list_deployment_groups(self, request: AwsRequest) -> dict[str, Any]:
        """List the names of an application's groups."""
        region, name = self._region(request), request.params["applicationName"]
        region.application(name)
        return {"applicationName": name, "deploymentGroups": sorted(g for a, g in region.groups if a == name)}

    @handles
    def update_deployment_group(self, request: AwsRequest) -> dict[str, Any]:
        """Change a group."""
        params, region = request.params, self._region(request)
        application, name = params["applicationName"], params["currentDeploymentGroupName"]
        with self.lock:
            group = region.group(application, name)
            self._check_group(region, params)
            group.update({k: params[k] for k in GROUP_FIELDS if k in params})
            new = params.get("newDeploymentGroupName") or name
            if new != name:
                region.groups[application, new] = region.groups.pop((application, name))
                group["deploymentGroupName"] = new
        return {"hooksNotCleanedUp": []}

    @handles
    def delete_deployment_group(self, request: AwsRequest) -> dict[str, Any]:
        """Delete a group. One that isn't there is no error."""
        params = request.params
        with self.lock:
            self._region(request).groups.pop((params["applicationName"], params["deploymentGroupName"]), None)
        return {"hooksNotCleanedUp": []}

    # -- tags

    @staticmethod
    def _tag(region: CodeDeployRegion, arn: str, tags: list[dict[str, str]] | None) -> None:
        region.tags.setdefault(arn, {}).update({t["Key"]: t["Value"] for t in tags or ()})

    @handles
    def list_tags_for_resource(self, request: AwsRequest) -> dict[str, Any]:
        """List tags."""
        tags = self._region(request).tags.get(request.params["ResourceArn"], {})
        return {"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}

    @handles
    def tag_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Tag an application or a group."""
        self._tag(self._region(request), request.params["ResourceArn"], request.params["Tags"])
        return {}

    @handles
    def untag_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Untag an application or a group."""
        tags = self._region(request).tags.get(request.params["ResourceArn"], {})
        for key in request.params["TagKeys"]:
            tags.pop(key, None)
        return {}
