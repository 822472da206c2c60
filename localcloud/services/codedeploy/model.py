"""What CodeDeploy keeps: applications, groups, configurations, deployments. It also reads AppSpecs.

https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file.html
"""

from __future__ import annotations

import hashlib
import json
import secrets
import string
import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.cloud import ServiceError
from stepladder.core.names import partition_of

ACTIVE = ("Created", "Queued", "InProgress", "Baking", "Ready")
EVENTS = ("BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic")


@dataclass(frozen=True)
class AppSpec:
    """The one Lambda function of an AppSpec."""

    function: str
    alias: str
    current: str
    target: str
    hooks: dict[str, str]

    def reversed(self) -> AppSpec:
        """Return what takes the alias back. A rollback runs no hooks."""
        return AppSpec(self.function, self.alias, self.target, self.current, {})

    def revision(self) -> dict[str, Any]:
        """Return the revision that says this."""
        properties = {
            "Name": self.function,
            "Alias": self.alias,
            "CurrentVersion": self.current,
            "TargetVersion": self.target,
        }
        content = json.dumps(
            {
                "version": 0.0,
                "Resources": [{self.function: {"Type": "AWS::Lambda::Function", "Properties": properties}}],
                "Hooks": [{k: v} for k, v in self.hooks.items()],
            }
        )
        digest = hashlib.sha256(content.encode()).hexdigest()
        return {"revisionType": "AppSpecContent", "appSpecContent": {"content": content, "sha256": digest}}


class AppSpecError(ValueError):
    """The AppSpec can't be used. CodeDeploy finds out when the deployment runs."""


@dataclass
class LifecycleEvent:
    """One step of a deployment. `token` is the hook's execution id while it runs."""

    name: str
    status: str = "Pending"
    start: datetime | None = None
    end: datetime | None = None
    token: str = ""
    message: str = ""

    def describe(self) -> dict[str, Any]:
        """Return it as the API does."""
        shown: dict[str, Any] = {"lifecycleEventName": self.name, "status": self.status}
        shown |= {k: v for k, v in (("startTime", self.start), ("endTime", self.end)) if v}
        if self.message:
            shown["diagnostics"] = {"errorCode": "UnknownError", "message": self.message, "scriptName": ""}
        return shown


@dataclass
class Deployment:
    """One deployment. `begun`: its AppSpec fits the alias as it is, so that there is something to go back to."""

    id: str
    account: str
    region: str
    application: str
    group: str
    config: str
    revision: dict[str, Any]
    description: str
    creator: str
    created: datetime
    auto_rollback: dict[str, Any] | None = None
    override_alarms: dict[str, Any] | None = None
    spec: AppSpec | None = None
    status: str = "Created"
    started: datetime | None = None
    completed: datetime | None = None
    error: dict[str, str] | None = None
    rollback: dict[str, str] = field(default_factory=dict)
    weight: float = 0.0
    events: list[LifecycleEvent] = field(default_factory=lambda: [LifecycleEvent(name) for name in EVENTS])
    begun: bool = False
    stop_requested: bool = False
    stop_rollback: bool | None = None
    updated: datetime | None = None
    wake: threading.Event = field(default_factory=threading.Event)

    @property
    def target_id(self) -> str:
        """The one target: function and alias."""
        return f"{self.spec.function}:{self.spec.alias}" if self.spec else ""

    def describe(self) -> dict[str, Any]:
        """Return deploymentInfo."""
        overview = dict.fromkeys(("Pending", "InProgress", "Succeeded", "Failed", "Skipped", "Ready"), 0)
        overview[self.target_status] = 1
        shown = {
            "applicationName": self.application,
            "deploymentGroupName": self.group,
            "deploymentConfigName": self.config,
            "deploymentId": self.id,
            "revision": self.revision,
            "status": self.status,
            "createTime": self.created,
            "startTime": self.started,
            "completeTime": self.completed,
            "deploymentOverview": overview,
            "description": self.description or None,
            "creator": self.creator,
            "ignoreApplicationStopFailures": False,
            "autoRollbackConfiguration": self.auto_rollback,
            "updateOutdatedInstancesOnly": False,
            "rollbackInfo": self.rollback or None,
            "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
            "errorInformation": self.error,
            "computePlatform": "Lambda",
            "overrideAlarmConfiguration": self.override_alarms,
        }
        return {k: v for k, v in shown.items() if v is not None}

    @property
    def target_status(self) -> str:
        """The target's status, which knows no Stopped."""
        return {"Created": "Pending", "Queued": "Pending", "Stopped": "Failed"}.get(self.status, self.status)

    def describe_target(self) -> dict[str, Any]:
        """Return the deployment's lambdaTarget."""
        spec = self.spec or AppSpec("", "", "", "", {})
        functions = f"arn:{partition_of(self.region)}:lambda:{self.region}:{self.account}:function"
        return {
            "deploymentTargetType": "LambdaTarget",
            "lambdaTarget": {
                "deploymentId": self.id,
                "targetId": self.target_id,
                "targetArn": f"{functions}:{spec.function}:{spec.alias}",
                "status": self.target_status,
                "lastUpdatedAt": self.updated or self.created,
                "lifecycleEvents": [event.describe() for event in self.events],
                "lambdaFunctionInfo": {
                    "functionName": spec.function,
                    "functionAlias": spec.alias,
                    "currentVersion": spec.current,
                    "targetVersion": spec.target,
                    "targetVersionWeight": self.weight,
                },
            },
        }


def new_id() -> str:
    """Return a deployment id as CodeDeploy makes them."""
    return "d-" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(9))


def offered_configs(now: datetime) -> dict[str, dict[str, Any]]:
    """Return the configurations that CodeDeploy offers for Lambda.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html
    """
    routes: dict[str, dict[str, Any]] = {"LambdaAllAtOnce": {"type": "AllAtOnce"}}
    for minutes in (5, 10, 15, 30):
        canary = {"canaryPercentage": 10, "canaryInterval": minutes}
        routes[f"LambdaCanary10Percent{minutes}Minutes"] = {"type": "TimeBasedCanary", "timeBasedCanary": canary}
    for minutes in (1, 2, 3, 10):
        linear = {"linearPercentage": 10, "linearInterval": minutes}
        name = f"LambdaLinear10PercentEvery{minutes}Minute{'s' if minutes > 1 else ''}"
        routes[name] = {"type": "TimeBasedLinear", "timeBasedLinear": linear}
    return {
        f"CodeDeployDefault.{name}": config_info(f"CodeDeployDefault.{name}", route, now)
        for name, route in routes.items()
    }


def config_info(name: str, route: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return deploymentConfigInfo."""
    return {
        "deploymentConfigId": str(uuid.uuid4()),
        "deploymentConfigName": name,
        "createTime": now,
        "computePlatform": "Lambda",
        "trafficRoutingConfig": route,
    }


def steps_of(route: dict[str, Any]) -> list[tuple[float, float]]:
    """Return what a configuration does: (weight of the new version, cloud seconds until the next step).

    The last step is 1.0 with nothing to wait for.
    """
    if route["type"] == "TimeBasedCanary":
        canary = route["timeBasedCanary"]
        return [(canary["canaryPercentage"] / 100, canary["canaryInterval"] * 60.0), (1.0, 0.0)]
    if route["type"] == "TimeBasedLinear":
        linear = route["timeBasedLinear"]
        weights = range(linear["linearPercentage"], 100, linear["linearPercentage"])
        return [*((weight / 100, linear["linearInterval"] * 60.0) for weight in weights), (1.0, 0.0)]
    return [(1.0, 0.0)]


def content_of(revision: dict[str, Any]) -> str:
    """Return the AppSpec's text. A revision that holds none is refused at once."""
    kind = revision.get("revisionType") or ("String" if "string" in revision else "AppSpecContent")
    if kind not in ("AppSpecContent", "String"):
        raise ServiceError("InvalidRevisionException", f"the local cloud reads AppSpecs from content, not from {kind}")
    holder = revision.get("appSpecContent") or revision.get("string") or {}
    content = holder.get("content")
    if not content:
        raise ServiceError("RevisionRequiredException", "The revision's content is missing")
    digest = holder.get("sha256")
    if digest and hashlib.sha256(content.encode()).hexdigest() != digest:
        raise ServiceError("InvalidRevisionException", "The revision's sha256 is not that of its content")
    return str(content)


def read_appspec(content: str) -> AppSpec:
    """Read an AppSpec, JSON or YAML."""
    import yaml

    try:
        raw = yaml.safe_load(content)
        (resource,) = raw["Resources"]
        ((_, body),) = resource.items()
        properties = body["Properties"]
        hooks: dict[str, str] = {}
        for hook in raw.get("Hooks") or ():
            hooks.update(hook)
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AppSpecError("The AppSpec file is not well formed.") from error
    if body.get("Type") != "AWS::Lambda::Function":
        raise AppSpecError("The AppSpec file's resource must be of the type AWS::Lambda::Function.")
    absent = [key for key in ("Name", "Alias", "CurrentVersion", "TargetVersion") if not properties.get(key)]
    if absent:
        raise AppSpecError(f"The AppSpec file's properties lack {', '.join(absent)}.")
    unknown = sorted(set(hooks) - {"BeforeAllowTraffic", "AfterAllowTraffic"})
    if unknown:
        raise AppSpecError(f"The AppSpec file has unknown hooks: {', '.join(unknown)}.")
    return AppSpec(
        str(properties["Name"]),
        str(properties["Alias"]),
        str(properties["CurrentVersion"]),
        str(properties["TargetVersion"]),
        {k: str(v) for k, v in hooks.items() if v},
    )


class DeploymentFailure(Exception):  # noqa: N818 - an outcome
    """The deployment ends here: `status`, an error code, a message, and the rollback event that this is."""

    def __init__(self, status: str, code: str, message: str, event: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.event = status, code, message, event


def failed(code: str, message: str) -> DeploymentFailure:
    """Return the failure of a deployment that was not stopped by a person."""
    return DeploymentFailure("Failed", code, message, "DEPLOYMENT_FAILURE")
