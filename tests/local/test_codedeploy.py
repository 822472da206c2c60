"""CodeDeploy deploys: hooks, shifting, alarms, stop, rollback as a second deployment."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stepladder.local import manager

pytestmark = [pytest.mark.cloud]
NUMBERS = itertools.count(1)
ROLLBACK = {
    "enabled": True,
    "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
}
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        ],
    }
)
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

    def wait(self, deployment: str, *statuses: str, seconds: float = 30) -> dict[str, Any]:
        return until(lambda: self.info(deployment), lambda i: i["status"] in statuses, seconds)

    def target(self, deployment: str) -> dict[str, Any]:
        (target,) = self.codedeploy.list_deployment_targets(deploymentId=deployment)["targetIds"]
        answer = self.codedeploy.get_deployment_target(deploymentId=deployment, targetId=target)
        found: dict[str, Any] = answer["deploymentTarget"]["lambdaTarget"]
        return found

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
        create(self.lambda_, name, HOOK, {"MODE": mode})
        return name


def until(read: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not wanted(value := read()):
        assert time.monotonic() < deadline, value
        time.sleep(0.02)
    return value


def create(client: Any, name: str, source: str, variables: dict[str, str]) -> None:
    client.create_function(
        FunctionName=name,
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Role="arn:aws:iam::123456789012:role/test-codedeploy",
        Handler="index.handler",
        Code={"ZipFile": zipped(source)},
        Timeout=20,
        Environment={"Variables": variables},
    )
    until(lambda: client.get_function(FunctionName=name)["Configuration"]["State"], lambda s: s == "Active")


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def furnish(cloud: Any, name: str) -> Rung:
    """Make a function with two versions, an alias on the first, an application and a group."""
    lambda_, codedeploy, iam = cloud.client("lambda"), cloud.client("codedeploy"), cloud.client("iam")
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="test-codedeploy", AssumeRolePolicyDocument=TRUST)
    create(lambda_, name, "def handler(event, context): return 1", {})
    lambda_.publish_version(FunctionName=name)
    found = Rung(cloud, name, lambda_, codedeploy)
    found.update("def handler(event, context): return 2")
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    codedeploy.create_application(applicationName=name, computePlatform="Lambda")
    codedeploy.create_deployment_group(
        applicationName=name,
        deploymentGroupName="live",
        serviceRoleArn="arn:aws:iam::123456789012:role/test-codedeploy",
        autoRollbackConfiguration=ROLLBACK,
        deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
    )
    return found


@pytest.fixture
def rung(cloud: Any) -> Iterator[Rung]:
    yield furnish(cloud, f"deployed-{next(NUMBERS)}")
    cloud.speed(1)


def test_all_at_once_moves_the_alias_and_leaves_no_weights(rung: Rung) -> None:
    deployment = rung.deploy("LambdaAllAtOnce")
    info = rung.wait(deployment, "Succeeded", "Failed")
    assert info["status"] == "Succeeded", info
    assert info["deploymentOverview"]["Succeeded"] == 1
    assert info["completeTime"] >= info["startTime"] >= info["createTime"]
    assert rung.alias() == ("2", {})
    target = rung.target(deployment)
    assert [e["lifecycleEventName"] for e in target["lifecycleEvents"]] == [
        "BeforeAllowTraffic",
        "AllowTraffic",
        "AfterAllowTraffic",
    ]
    assert target["lambdaFunctionInfo"]["targetVersionWeight"] == 1.0


def test_a_ten_minute_canary_takes_seconds_on_a_fast_clock(rung: Rung) -> None:
    deployment = rung.deploy("LambdaCanary10Percent10Minutes")
    until(rung.alias, lambda a: a == ("1", {"2": 0.1}))
    assert rung.info(deployment)["status"] == "InProgress"
    assert rung.target(deployment)["lambdaFunctionInfo"]["targetVersionWeight"] == 0.1
    rung.cloud.speed(600)
    rung.wait(deployment, "Succeeded")
    assert rung.alias() == ("2", {})


def test_a_linear_deployment_goes_up_step_by_step(rung: Rung) -> None:
    rung.codedeploy.create_deployment_config(
        deploymentConfigName=rung.name,
        computePlatform="Lambda",
        trafficRoutingConfig={
            "type": "TimeBasedLinear",
            "timeBasedLinear": {"linearPercentage": 40, "linearInterval": 5},
        },
    )
    rung.codedeploy.update_deployment_group(
        applicationName=rung.name, currentDeploymentGroupName="live", deploymentConfigName=rung.name
    )
    deployment = rung.codedeploy.create_deployment(
        applicationName=rung.name, deploymentGroupName="live", revision=rung.appspec()
    )["deploymentId"]
    seen: list[float] = []
    rung.cloud.speed(600)
    while rung.info(deployment)["status"] != "Succeeded":
        weight = rung.alias()[1].get("2")
        if weight and weight not in seen:
            seen.append(weight)
    assert seen == [0.4, 0.8]
    assert (
        code_of(lambda: rung.codedeploy.delete_deployment_config(deploymentConfigName=rung.name))
        == "DeploymentConfigInUseException"
    )


def test_hooks_that_report_success_let_the_traffic_through(rung: Rung) -> None:
    hook = rung.hook("Succeeded")
    deployment = rung.deploy("LambdaAllAtOnce", rung.appspec(BeforeAllowTraffic=hook, AfterAllowTraffic=hook))
    rung.wait(deployment, "Succeeded")
    assert rung.alias() == ("2", {})


def test_a_before_hook_that_reports_failure_stops_the_deployment_before_traffic_moves(rung: Rung) -> None:
    deployment = rung.deploy("LambdaAllAtOnce", rung.appspec(BeforeAllowTraffic=rung.hook("Failed")))
    info = rung.wait(deployment, "Failed")
    assert info["errorInformation"]["code"] == "HOOK_EXECUTION_FAILURE"
    states = {e["lifecycleEventName"]: e["status"] for e in rung.target(deployment)["lifecycleEvents"]}
    assert states == {"BeforeAllowTraffic": "Failed", "AllowTraffic": "Skipped", "AfterAllowTraffic": "Skipped"}
    rung.wait(rung.rollback_of(deployment), "Succeeded")
    assert rung.alias() == ("1", {})


def test_an_after_hook_that_fails_is_undone_by_a_second_deployment(rung: Rung) -> None:
    deployment = rung.deploy("LambdaAllAtOnce", rung.appspec(AfterAllowTraffic=rung.hook("Failed")))
    info = rung.wait(deployment, "Failed")
    rollback = rung.wait(info["rollbackInfo"]["rollbackDeploymentId"], "Succeeded")
    assert rollback["creator"] == "codeDeployRollback"
    assert rollback["rollbackInfo"]["rollbackTriggeringDeploymentId"] == deployment
    assert rung.alias() == ("1", {})


def test_a_hook_that_never_answers_fails_after_an_hour_of_the_clock(rung: Rung) -> None:
    deployment = rung.deploy("LambdaAllAtOnce", rung.appspec(BeforeAllowTraffic=rung.hook("silent")))
    until(lambda: rung.info(deployment)["status"], lambda s: s == "InProgress")
    rung.cloud.info.request("clock", "POST", {"advance": 3700})
    info = rung.wait(deployment, "Failed")
    assert "did not report" in info["errorInformation"]["message"]


def test_a_hook_that_is_not_there_fails_at_once(rung: Rung) -> None:
    deployment = rung.deploy("LambdaAllAtOnce", rung.appspec(BeforeAllowTraffic="no-such-function"))
    assert rung.wait(deployment, "Failed")["errorInformation"]["code"] == "HOOK_EXECUTION_FAILURE"


def watch(rung: Rung, alarm: str) -> None:
    rung.cloud.client("cloudwatch").put_metric_alarm(
        AlarmName=alarm,
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": rung.name}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    rung.codedeploy.update_deployment_group(
        applicationName=rung.name,
        currentDeploymentGroupName="live",
        alarmConfiguration={"enabled": True, "alarms": [{"name": alarm}]},
    )


def force(rung: Rung, alarm: str) -> None:
    rung.cloud.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")


def test_an_alarm_during_a_canary_stops_it_and_takes_the_traffic_back(rung: Rung) -> None:
    watch(rung, rung.name)
    deployment = rung.deploy("LambdaCanary10Percent10Minutes")
    until(rung.alias, lambda a: a == ("1", {"2": 0.1}))
    force(rung, rung.name)
    rung.cloud.speed(60)
    info = rung.wait(deployment, "Stopped")
    assert info["errorInformation"]["code"] == "ALARM_ACTIVE"
    assert rung.name in info["errorInformation"]["message"]
    rung.wait(rung.rollback_of(deployment), "Succeeded")
    assert rung.alias() == ("1", {})


def test_an_alarm_that_already_fires_stops_a_deployment_and_an_override_lets_it_through(rung: Rung) -> None:
    watch(rung, rung.name)
    force(rung, rung.name)
    stopped = rung.deploy("LambdaAllAtOnce")
    rung.wait(stopped, "Stopped")
    rung.wait(rung.rollback_of(stopped), "Succeeded")
    hotfix = rung.deploy("LambdaAllAtOnce", overrideAlarmConfiguration={"enabled": False})
    rung.wait(hotfix, "Succeeded")
    assert rung.alias() == ("2", {})


def test_a_stop_request_rolls_back_and_a_second_one_is_refused(rung: Rung) -> None:
    deployment = rung.deploy("LambdaCanary10Percent5Minutes")
    until(rung.alias, lambda a: a[1] == {"2": 0.1})
    rung.codedeploy.stop_deployment(deploymentId=deployment)
    assert rung.wait(deployment, "Stopped")["errorInformation"]["code"] == "MANUAL_STOP"
    rung.wait(rung.rollback_of(deployment), "Succeeded")
    assert rung.alias() == ("1", {})
    assert (
        code_of(lambda: rung.codedeploy.stop_deployment(deploymentId=deployment))
        == "DeploymentAlreadyCompletedException"
    )


@pytest.mark.contract
def test_a_stop_without_rollback_leaves_the_weights_and_later_deployments_fail(rung: Rung) -> None:
    """The trap that AWS's "Troubleshoot Lambda deployments" describes."""
    deployment = rung.deploy("LambdaCanary10Percent5Minutes")
    until(rung.alias, lambda a: a[1] == {"2": 0.1})
    rung.codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=False)
    assert "rollbackInfo" not in rung.wait(deployment, "Stopped")
    assert rung.alias() == ("1", {"2": 0.1})
    later = rung.deploy("LambdaAllAtOnce")
    assert rung.wait(later, "Failed")["errorInformation"]["code"] == "INVALID_LAMBDA_CONFIGURATION"


@pytest.mark.contract
def test_a_group_runs_one_deployment_at_a_time(rung: Rung) -> None:
    first = rung.deploy("LambdaCanary10Percent5Minutes")
    assert code_of(lambda: rung.deploy("LambdaAllAtOnce")) == "DeploymentLimitExceededException"
    rung.codedeploy.stop_deployment(deploymentId=first)
    rung.wait(first, "Stopped")


@pytest.mark.contract
@pytest.mark.parametrize(
    ("config", "current", "target", "status"),
    [
        ("LambdaCanary10Percent5Minutes", "1", "1", "Failed"),
        ("LambdaAllAtOnce", "1", "1", "Succeeded"),
        ("LambdaAllAtOnce", "2", "1", "Failed"),  # the alias is on 1
        ("LambdaAllAtOnce", "1", "99", "Failed"),
    ],
)
def test_versions_that_do_not_fit_fail_the_deployment(
    rung: Rung, config: str, current: str, target: str, status: str
) -> None:
    deployment = rung.deploy(config, rung.appspec(current, target))
    info = rung.wait(deployment, "Failed", "Succeeded")
    assert info["status"] == status
    if status == "Failed":
        assert info["errorInformation"]["code"].startswith("INVALID_LAMBDA")
    assert rung.alias()[0] == "1"


@pytest.mark.contract
def test_what_is_not_there_has_the_documented_code(rung: Rung) -> None:
    client = rung.codedeploy
    good = {"applicationName": rung.name, "deploymentGroupName": "live"}
    for call, code in [
        (lambda: client.get_application(applicationName="none"), "ApplicationDoesNotExistException"),
        (
            lambda: client.get_deployment_group(applicationName=rung.name, deploymentGroupName="none"),
            "DeploymentGroupDoesNotExistException",
        ),
        (lambda: client.get_deployment(deploymentId="d-NOTHERE12"), "DeploymentDoesNotExistException"),
        (lambda: client.get_deployment_config(deploymentConfigName="none"), "DeploymentConfigDoesNotExistException"),
        (lambda: client.create_deployment(**good), "RevisionRequiredException"),
        (
            lambda: client.create_deployment(
                **good, revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": "{}", "sha256": "0"}}
            ),
            "InvalidRevisionException",
        ),
        (
            lambda: client.create_application(applicationName=rung.name, computePlatform="Lambda"),
            "ApplicationAlreadyExistsException",
        ),
        (lambda: client.list_deployments(applicationName=rung.name), "DeploymentGroupNameRequiredException"),
    ]:
        assert code_of(call) == code


def test_a_yaml_appspec_is_read_too(rung: Rung) -> None:
    content = f"""
version: 0.0
Resources:
  - fn:
      Type: AWS::Lambda::Function
      Properties: {{Name: {rung.name}, Alias: live, CurrentVersion: 1, TargetVersion: 2}}
"""
    deployment = rung.deploy(
        "LambdaAllAtOnce", {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}
    )
    rung.wait(deployment, "Succeeded")
    listed = rung.codedeploy.list_deployments(
        applicationName=rung.name, deploymentGroupName="live", includeOnlyStatuses=["Succeeded"]
    )
    assert listed["deployments"] == [deployment]
    batch = rung.codedeploy.batch_get_deployments(deploymentIds=[deployment])["deploymentsInfo"]
    assert [d["status"] for d in batch] == ["Succeeded"]
    group = rung.codedeploy.get_deployment_group(applicationName=rung.name, deploymentGroupName="live")
    assert group["deploymentGroupInfo"]["lastSuccessfulDeployment"]["deploymentId"] == deployment


def test_errors_that_callers_meet_during_a_canary_take_the_traffic_back(rung: Rung) -> None:
    """Nobody forces anything: invocations through the alias make metrics, the alarm evaluates them."""
    broken = rung.update("def handler(event, context): raise RuntimeError('broken')")
    cloudwatch = rung.cloud.client("cloudwatch")
    dimensions = [
        {"Name": "FunctionName", "Value": rung.name},
        {"Name": "Resource", "Value": f"{rung.name}:live"},
    ]

    def metric(name: str) -> dict[str, Any]:
        described = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions}
        stat = {"Metric": described, "Period": 60, "Stat": "Sum"}
        return {"Id": name.lower(), "ReturnData": False, "MetricStat": stat}

    cloudwatch.put_metric_alarm(
        AlarmName=f"{rung.name}-errors",
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        EvaluationPeriods=1,
        Threshold=5,
        TreatMissingData="notBreaching",
        Metrics=[
            {"Id": "rate", "Expression": "IF(invocations >= 3, 100 * errors / invocations, 0)"},
            metric("Errors"),
            metric("Invocations"),
        ],
    )
    rung.codedeploy.create_deployment_config(
        deploymentConfigName=f"{rung.name}-half",
        computePlatform="Lambda",
        trafficRoutingConfig={
            "type": "TimeBasedCanary",
            "timeBasedCanary": {"canaryPercentage": 50, "canaryInterval": 30},
        },
    )
    rung.codedeploy.update_deployment_group(
        applicationName=rung.name,
        currentDeploymentGroupName="live",
        deploymentConfigName=f"{rung.name}-half",
        alarmConfiguration={"enabled": True, "alarms": [{"name": f"{rung.name}-errors"}]},
    )
    rung.cloud.speed(30)
    deployment = rung.codedeploy.create_deployment(
        applicationName=rung.name, deploymentGroupName="live", revision=rung.appspec("1", broken)
    )["deploymentId"]
    until(rung.alias, lambda a: a == ("1", {broken: 0.5}))
    deadline = time.monotonic() + 40
    while rung.info(deployment)["status"] == "InProgress":
        assert time.monotonic() < deadline
        rung.lambda_.invoke(FunctionName=rung.name, Qualifier="live", Payload=b"{}")
    info = rung.wait(deployment, "Stopped")
    assert info["errorInformation"]["code"] == "ALARM_ACTIVE"
    rung.wait(rung.rollback_of(deployment), "Succeeded")
    assert rung.alias() == ("1", {})


def test_a_deployment_that_a_restart_interrupts_is_rolled_back(tmp_path: Path, cloud_of: Any) -> None:
    with manager.running(data=tmp_path) as info:
        rung = furnish(cloud_of(info), "restarted")
        deployment = rung.deploy("LambdaCanary10Percent10Minutes")
        until(rung.alias, lambda a: a == ("1", {"2": 0.1}))
    with manager.running(data=tmp_path) as info:
        again = cloud_of(info)
        rung = Rung(again, "restarted", again.client("lambda"), again.client("codedeploy"))
        assert rung.info(deployment)["errorInformation"]["code"] == "INTERNAL_ERROR"
        rung.wait(rung.rollback_of(deployment), "Succeeded")
        assert rung.alias() == ("1", {})
