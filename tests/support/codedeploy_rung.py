"""A function with two versions, its alias, and the CodeDeploy application that moves it."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from dataclasses import dataclass
from typing import Any

from asking import until

ROLLBACK = {
    "enabled": True,
    "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
}
HOOK = """
import json, os, boto3

def handler(event, context):
    mode = os.environ["MODE"]
    if mode == "silent":
        return
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=mode,
    )
"""


def zipped(source: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("index.py", source)
    return data.getvalue()


@dataclass
class Rung:
    """A function with versions 1 and 2, its alias on 1, an application and a group."""

    cloud: Any
    name: str
    lambda_: Any
    codedeploy: Any

    def appspec(self, current: str = "1", target: str = "2", **hooks: str) -> dict[str, Any]:
        content = json.dumps(
            {
                "version": 0.0,
                "Resources": [
                    {
                        "fn": {
                            "Type": "AWS::Lambda::Function",
                            "Properties": {
                                "Name": self.name,
                                "Alias": "live",
                                "CurrentVersion": current,
                                "TargetVersion": target,
                            },
                        }
                    }
                ],
                "Hooks": [{name: function} for name, function in hooks.items()],
            }
        )
        digest = hashlib.sha256(content.encode()).hexdigest()
        return {"revisionType": "AppSpecContent", "appSpecContent": {"content": content, "sha256": digest}}

    def deploy(self, config: str, revision: dict[str, Any] | None = None, **more: Any) -> str:
        return str(
            self.codedeploy.create_deployment(
                applicationName=self.name,
                deploymentGroupName="live",
                deploymentConfigName=f"CodeDeployDefault.{config}",
                revision=revision or self.appspec(),
                **more,
            )["deploymentId"]
        )

    def info(self, deployment: str) -> dict[str, Any]:
        info: dict[str, Any] = self.codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]
        return info

    def alias(self) -> tuple[str, dict[str, float]]:
        alias = self.lambda_.get_alias(FunctionName=self.name, Name="live")
        return alias["FunctionVersion"], (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}

    def wait(self, deployment: str, *statuses: str, seconds: float | None = None) -> dict[str, Any]:
        return until(lambda: self.info(deployment), lambda i: i["status"] in statuses, seconds)

    def target(self, deployment: str) -> dict[str, Any]:
        (target,) = self.codedeploy.list_deployment_targets(deploymentId=deployment)["targetIds"]
        answer = self.codedeploy.get_deployment_target(deploymentId=deployment, targetId=target)
        target: dict[str, Any] = answer["deploymentTarget"]["lambdaTarget"]
        return target

    def rollback_of(self, deployment: str) -> str:
        return str(self.info(deployment)["rollbackInfo"]["rollbackDeploymentId"])

    def update(self, source: str) -> str:
        """Publish another version and return it."""
        self.lambda_.update_function_code(FunctionName=self.name, ZipFile=zipped(source))
        until(
            lambda: self.lambda_.get_function(FunctionName=self.name)["Configuration"]["LastUpdateStatus"],
            lambda status: status == "Successful",
        )
        return str(self.lambda_.publish_version(FunctionName=self.name)["Version"])

    def hook(self, mode: str) -> str:
        name = f"{self.name}-hook-{mode.lower()}"
        create(self.cloud, name, HOOK, {"MODE": mode})
        return name


def create(cloud: Any, name: str, source: str, variables: dict[str, str]) -> None:
    client = cloud.client("lambda")
    client.create_function(
        FunctionName=name,
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Role=cloud.role,
        Handler="index.handler",
        Code={"ZipFile": zipped(source)},
        Timeout=20,
        Environment={"Variables": variables},
    )
    until(lambda: client.get_function(FunctionName=name)["Configuration"]["State"], lambda s: s == "Active")


def furnish(cloud: Any, name: str) -> Rung:
    """Make a function with two versions, an alias on the first, an application and a group."""
    lambda_, codedeploy = cloud.client("lambda"), cloud.client("codedeploy")
    create(cloud, name, "def handler(event, context): return 1", {})
    lambda_.publish_version(FunctionName=name)
    rung = Rung(cloud, name, lambda_, codedeploy)
    rung.update("def handler(event, context): return 2")
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    codedeploy.create_application(applicationName=name, computePlatform="Lambda")
    codedeploy.create_deployment_group(
        applicationName=name,
        deploymentGroupName="live",
        serviceRoleArn=cloud.role,
        autoRollbackConfiguration=ROLLBACK,
        deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
    )
    return rung
