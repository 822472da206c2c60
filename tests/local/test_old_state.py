"""A folder that the cloud of v0.1.0 kept its state in is read by this one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from localcloud import daemon, state

pytestmark = pytest.mark.cloud

OLD = Path(__file__).with_name("data") / "state-v0.1.0.zip"
"""Made by the code of v0.1.0. Moto's own parts are left out: another Moto may not read them."""
ACCOUNT, REGION = "111122223333", "eu-west-1"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m2"


def test_what_the_cloud_of_v0_1_0_saved_is_there(tmp_path: Path, cloud_of) -> None:
    saved = tmp_path / "data" / "state"
    saved.mkdir(parents=True, mode=0o700)
    shutil.copyfile(OLD, saved / "state.zip")
    (saved / "state.zip").chmod(0o600)
    (saved / "format").write_text(state._stamp())
    with daemon.running(data=tmp_path / "data") as info:
        cloud = cloud_of(info)

        def client(service: str):
            return cloud.client(service, account=ACCOUNT, region=REGION)

        assert client("lambda").get_alias(FunctionName="kept", Name="live")["FunctionVersion"] == "2"
        assert [
            m["FunctionArn"].split(":")[-1]
            for m in client("lambda").list_event_source_mappings()["EventSourceMappings"]
        ] == ["kept"]
        assert [a["AlarmName"] for a in client("cloudwatch").describe_alarms()["MetricAlarms"]] == ["a"]
        assert [m["MetricName"] for m in client("cloudwatch").list_metrics(Namespace="N")["Metrics"]] == ["M"]
        deployments = client("codedeploy").list_deployments(applicationName="app", deploymentGroupName="g")[
            "deployments"
        ]
        found = client("codedeploy").get_deployment(deploymentId=deployments[0])["deploymentInfo"]
        assert (len(deployments), found["status"]) == (1, "Succeeded")
        executions = client("stepfunctions").list_executions(stateMachineArn=MACHINE)["executions"]
        assert [(e["name"], e["status"]) for e in executions] == [("ends", "SUCCEEDED")]
        events = client("stepfunctions").get_execution_history(executionArn=executions[0]["executionArn"])["events"]
        assert events[-1]["type"] == "ExecutionSucceeded"
        assert client("ecr").get_account_setting(name="BLOB_MOUNTING")["value"] == "ENABLED"
