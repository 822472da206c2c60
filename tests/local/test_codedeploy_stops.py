"""CodeDeploy stops: alarms, requests, versions that do not fit, a restart; what is put back and what is left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from asking import code_of, until
from codedeploy_rung import Rung, furnish

from localcloud import daemon

pytestmark = [pytest.mark.cloud]


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
    deadline = time.monotonic() + 180
    while rung.info(deployment)["status"] == "InProgress":
        assert time.monotonic() < deadline
        rung.lambda_.invoke(FunctionName=rung.name, Qualifier="live", Payload=b"{}")
    info = rung.wait(deployment, "Stopped")
    assert info["errorInformation"]["code"] == "ALARM_ACTIVE"
    rung.wait(rung.rollback_of(deployment), "Succeeded")
    assert rung.alias() == ("1", {})


def test_a_deployment_that_a_restart_interrupts_is_rolled_back(tmp_path: Path, cloud_of: Any) -> None:
    with daemon.running(data=tmp_path) as info:
        rung = furnish(cloud_of(info), "restarted")
        deployment = rung.deploy("LambdaCanary10Percent10Minutes")
        until(rung.alias, lambda a: a == ("1", {"2": 0.1}))
    with daemon.running(data=tmp_path) as info:
        again = cloud_of(info)
        rung = Rung(again, "restarted", again.client("lambda"), again.client("codedeploy"))
        assert rung.info(deployment)["errorInformation"]["code"] == "INTERNAL_ERROR"
        rung.wait(rung.rollback_of(deployment), "Succeeded")
        assert rung.alias() == ("1", {})
