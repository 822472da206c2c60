"""CodeDeploy's deployments of a function: which are under way, stopping one, and waiting for its end."""

from __future__ import annotations

from typing import Any

from stepladder.core.aws import error_code
from stepladder.core.clock import Clock
from stepladder.core.release_facts import ACTIVE

_ENDED = frozenset({"Succeeded", "Failed", "Stopped"})


def active(client: Any, application: str, group: str) -> list[str]:
    """Return the ids of the deployments under way; `client` is CodeDeploy's."""
    answer = client.list_deployments(
        applicationName=application, deploymentGroupName=group, includeOnlyStatuses=list(ACTIVE)
    )
    return [str(deployment) for deployment in answer["deployments"]]


def stop(client: Any, deployment: str) -> bool:
    """Stop a deployment, with the rollback that CodeDeploy makes of it; False when it had ended by itself."""
    try:
        client.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    except Exception as error:
        if error_code(error) != "DeploymentAlreadyCompletedException":
            raise
        return False
    return True


def wait_ended(client: Any, deployment: str, clock: Clock, *, seconds: float) -> str:
    """Wait until a deployment, and the one that undoes it, have ended; return the id of one that has not in time."""
    waiting = deployment
    for _ in clock.polls(seconds):
        info = client.get_deployment(deploymentId=waiting)["deploymentInfo"]
        if info["status"] in _ENDED:
            following = (info.get("rollbackInfo") or {}).get("rollbackDeploymentId")
            if not following or following == waiting:
                return ""
            waiting = following
    return waiting
