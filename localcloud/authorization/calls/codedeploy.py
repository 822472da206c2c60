"""CodeDeploy: a deployment is its group's, and to create one is to read its configuration and register its revision.

https://docs.aws.amazon.com/codedeploy/latest/userguide/security_iam_id-based-policy-examples.html
"""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.calls.resources import deployment_group
from localcloud.authorization.model import AccessRequest

ON_ALL_RESOURCES = frozenset(
    {
        "BatchGetDeploymentTargets",
        "ContinueDeployment",
        "GetDeploymentTarget",
        "ListDeploymentTargets",
        "PutLifecycleEventHookExecutionStatus",
        "StopDeployment",
    }
)
"""Actions that the service authorization reference gives no resource, and CodeDeploy's guide the deployment group."""


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call on deployments needs."""
    if call.action in ON_ALL_RESOURCES:
        return [calls.request(call, f"codedeploy:{call.action}", "*", None, _group_of_deployment(call))]
    if call.action == "CreateDeployment":
        return list(_created(call))
    return None


def _group_of_deployment(call: AwsCall) -> tuple[str, ...]:
    try:
        return tuple(deployment_group(call)) if call.text("deploymentId") else ()
    except UnknownAccessError:
        return ()


def _created(call: AwsCall) -> Iterable[AccessRequest]:
    application = call.arn("codedeploy", f"application:{call.text('applicationName')}")
    for group in deployment_group(call):
        yield calls.request(call, "codedeploy:CreateDeployment", group)
    yield calls.request(call, "codedeploy:GetApplicationRevision", application)
    if call.params.get("revision"):
        yield calls.request(call, "codedeploy:RegisterApplicationRevision", application)
    if configuration := call.text("deploymentConfigName") or _configuration_of_group(call):
        arn = call.arn("codedeploy", f"deploymentconfig:{configuration}")
        yield calls.request(call, "codedeploy:GetDeploymentConfig", arn)


def _configuration_of_group(call: AwsCall) -> str:
    try:
        names = {name: call.text(name) for name in ("applicationName", "deploymentGroupName")}
        return str(
            call.read("codedeploy", "GetDeploymentGroup", **names)["deploymentGroupInfo"]["deploymentConfigName"]
        )
    except (KeyError, UnknownAccessError):
        return ""
