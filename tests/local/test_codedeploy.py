"""CodeDeploy deploys: all at once, canary, linear; hooks; what it is asked and how it answers."""

from __future__ import annotations

import pytest
from asking import code_of, until
from codedeploy_rung import Rung

pytestmark = [pytest.mark.cloud]


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


def test_provisioned_concurrency_takes_all_traffic_at_once_and_no_canary(rung: Rung) -> None:
    live = {"FunctionName": rung.name, "Qualifier": "live"}
    client = rung.cloud.client("lambda")
    client.put_provisioned_concurrency_config(**live, ProvisionedConcurrentExecutions=1)
    failed = rung.wait(rung.deploy("LambdaCanary10Percent10Minutes"), "Failed")
    assert "Provisioned Concurrency" in failed["errorInformation"]["message"]
    assert rung.alias() == ("1", {})
    rung.wait(rung.deploy("LambdaAllAtOnce"), "Succeeded")
    assert rung.alias() == ("2", {})
    until(lambda: client.get_provisioned_concurrency_config(**live)["Status"], "READY".__eq__)


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
