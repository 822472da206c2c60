"""CodeDeploy's deployments of one group: which are active, which is a release's own, what it was for; stopping one.

CreateDeployment knows no idempotency token, so a promotion finds its deployment again by its description, which begins
with `rel=<release id>`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared import aws
from stepladder.core.release_facts import ACTIVE, belongs_to

_BATCH = 25
_OLDEST = timedelta(days=8)  # a promotion takes at most seven


@dataclass(frozen=True)
class AliasDeployment:
    """One deployment. Versions come from its AppSpec; `rollback` is the deployment that undoes it.

    `error` is CodeDeploy's code for its failure, `why` the code and the message.
    """

    id: str
    status: str
    description: str
    function: str
    alias: str
    current: str
    target: str
    creator: str
    rollback: str
    error: str
    why: str

    @property
    def is_active(self) -> bool:
        """Whether it may still move traffic."""
        return self.status in ACTIVE

    @property
    def is_rollback(self) -> bool:
        """Whether CodeDeploy made it to undo another one."""
        return self.creator == "codeDeployRollback"

    @property
    def smoke_key(self) -> str:
        """The key of the smoke cases that its description names."""
        return next((part[6:] for part in self.description.split() if part.startswith("smoke=")), "")

    def belongs_to(self, release_id: str) -> bool:
        """Say whether a release made it."""
        return belongs_to(self.description, release_id)


def get(deployment_id: str) -> AliasDeployment:
    """Read one deployment."""
    return _read(aws.client("codedeploy").get_deployment(deploymentId=deployment_id)["deploymentInfo"])


def active(application: str, group: str) -> list[AliasDeployment]:
    """Return the deployments that may still move traffic; CodeDeploy allows one."""
    answer = aws.client("codedeploy").list_deployments(
        applicationName=application, deploymentGroupName=group, includeOnlyStatuses=list(ACTIVE)
    )
    return [get(i) for i in answer["deployments"]]


def of_release(application: str, group: str, release_id: str) -> AliasDeployment | None:
    """Find the deployment that a release made, whatever became of it."""
    codedeploy = aws.client("codedeploy")
    request: dict[str, Any] = {
        "applicationName": application,
        "deploymentGroupName": group,
        "createTimeRange": {"start": datetime.now(UTC) - _OLDEST},
    }
    while True:
        answer = codedeploy.list_deployments(**request)
        ids = answer["deployments"]
        for start in range(0, len(ids), _BATCH):
            batch = codedeploy.batch_get_deployments(deploymentIds=ids[start : start + _BATCH])["deploymentsInfo"]
            for info in batch:
                deployment = _read(info)
                if deployment.belongs_to(release_id):
                    return deployment
        if not answer.get("nextToken"):
            return None
        request["nextToken"] = answer["nextToken"]


def stop(deployment_id: str, *, undo: bool = True) -> None:
    """Stop a deployment unless it has ended; `undo` has CodeDeploy put the alias back."""
    try:
        aws.client("codedeploy").stop_deployment(deploymentId=deployment_id, autoRollbackEnabled=undo)
    except Exception as error:
        if aws.code(error) != "DeploymentAlreadyCompletedException":
            raise


def has_shifted(deployment: AliasDeployment) -> bool:
    """Say whether a deployment got as far as moving traffic; true when CodeDeploy doesn't say."""
    codedeploy = aws.client("codedeploy")
    for target in codedeploy.list_deployment_targets(deploymentId=deployment.id).get("targetIds", []):
        answer = codedeploy.get_deployment_target(deploymentId=deployment.id, targetId=target)
        events = answer["deploymentTarget"].get("lambdaTarget", {}).get("lifecycleEvents", [])
        statuses = {event["lifecycleEventName"]: event.get("status", "Unknown") for event in events}
        if "AllowTraffic" in statuses:
            return statuses["AllowTraffic"] not in ("Pending", "Skipped")
    return True


def _read(info: dict[str, Any]) -> AliasDeployment:
    properties = _properties(info)
    error = info.get("errorInformation") or {}
    return AliasDeployment(
        id=info["deploymentId"],
        status=info["status"],
        description=info.get("description", ""),
        function=properties.get("Name", ""),
        alias=properties.get("Alias", ""),
        current=str(properties.get("CurrentVersion", "")),
        target=str(properties.get("TargetVersion", "")),
        creator=info.get("creator", ""),
        rollback=(info.get("rollbackInfo") or {}).get("rollbackDeploymentId", ""),
        error=error.get("code", ""),
        why=": ".join(part for part in (error.get("code", ""), error.get("message", "")) if part),
    )


def _properties(info: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of the AppSpec's one function; AWS shows its text under either name."""
    revision = info.get("revision") or {}
    content = (revision.get("appSpecContent") or revision.get("string") or {}).get("content", "")
    try:
        resources = json.loads(content)["Resources"]
        properties: dict[str, Any] = next(iter(resources[0].values()))["Properties"]
    except (ValueError, KeyError, IndexError, StopIteration, TypeError, AttributeError):
        return {}
    return properties
