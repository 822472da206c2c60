"""Start, find, end and restart a local cloud."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from asking import until

from localcloud import daemon, process_start
from stepladder.core.errors import NotReadyError, StepladderError


@pytest.mark.timing("a start is bounded to 30 s")
def test_up_is_ready_in_seconds_and_light_and_down_ends_it(tmp_path: Path) -> None:
    began = time.monotonic()
    info, started = daemon.up(tmp_path)
    took = time.monotonic() - began
    try:
        assert started
        assert took < 30, took  # a third of a second on an idle machine; benchmarks/ measures
        assert daemon.healthy(info)["pid"] == info.pid
        memory = Path(f"/proc/{info.pid}/status")
        if memory.exists():
            kilobytes = int(next(x for x in memory.read_text().splitlines() if x.startswith("VmRSS")).split()[1])
            assert kilobytes < 250_000
        again, started = daemon.up(tmp_path)
        assert (again, started) == (info, False)
    finally:
        daemon.down(tmp_path)
    assert daemon.find(tmp_path) is None
    assert daemon.down(tmp_path) is None
    with pytest.raises(NotReadyError):
        daemon.healthy(info)


def test_a_cloud_that_runs_for_a_block_ends_with_its_process_and_one_that_is_up_outlives_it(tmp_path: Path) -> None:
    held = "with daemon.running() as info: print(info.pid, info.started, flush=True); time.sleep(60)"
    left = f"info, _ = daemon.up(Path({str(tmp_path)!r})); print(info.pid, info.started, flush=True); time.sleep(60)"
    seen = []
    for code in (held, left):
        program = f"import time\nfrom pathlib import Path\nfrom localcloud import daemon\n{code}"
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout
            pid, began = parent.stdout.readline().split()
            parent.kill()
        seen.append((int(pid), began))
    try:
        (one, one_began), (other, other_began) = seen
        until(lambda: process_start.started_at(one), lambda began: began != one_began)
        time.sleep(0.3)
        assert process_start.started_at(other) == other_began
    finally:
        assert daemon.down(tmp_path)


def test_the_log_is_its_owners_to_read(tmp_path: Path) -> None:
    (tmp_path / "cloud.log").write_text("of a version that let others read it")
    info, _ = daemon.up(tmp_path)
    daemon.down(tmp_path)
    assert Path(info.log).stat().st_mode & 0o777 == 0o600


def test_a_taken_port_is_an_error_that_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(NotReadyError, match="in use"):
        daemon.up(tmp_path, port=taken.getsockname()[1])
    assert daemon.find(tmp_path) is None


def test_another_port_than_the_running_one_is_refused(tmp_path: Path) -> None:
    daemon.up(tmp_path)
    try:
        with pytest.raises(StepladderError, match="runs already"):
            daemon.up(tmp_path, port=1)
    finally:
        daemon.down(tmp_path)


def test_down_never_ends_a_process_that_only_has_the_number(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        record = {
            "url": "http://127.0.0.1:1",
            "pid": stranger.pid,
            "started": "1",
            "data": "",
            "log": "",
            "boot": process_start.boot_id(),
        }
        (tmp_path / "cloud.json").write_text(json.dumps(record))
        assert daemon.down(tmp_path) is None
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_killed_cloud_is_not_found_and_up_starts_another(tmp_path: Path) -> None:
    info, _ = daemon.up(tmp_path)
    os.kill(info.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while daemon.find(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    again, started = daemon.up(tmp_path)
    daemon.down(tmp_path)
    assert started
    assert again.pid != info.pid
    assert not {info.pid, again.pid} & set(daemon._children), "its exit status was never taken"


def test_a_crash_fault_ends_the_process_after_the_call(tmp_path: Path) -> None:
    import botocore.session
    from botocore.exceptions import EndpointConnectionError, HTTPClientError

    with daemon.running() as info:
        client = botocore.session.Session().create_client(
            "sqs",
            region_name="us-east-1",
            endpoint_url=info.url,
            aws_access_key_id=daemon.ACCOUNT,
            aws_secret_access_key="x",
            verify=False,
        )
        info.request("faults", "POST", {"service": "sqs", "action": "CreateQueue", "kind": "crash"})
        with pytest.raises((HTTPClientError, EndpointConnectionError)):
            client.create_queue(QueueName="last")
        with pytest.raises(NotReadyError):
            daemon.healthy(info)


def test_the_exports_can_be_evaluated_by_a_shell(tmp_path: Path) -> None:
    info = daemon.CloudInfo("http://127.0.0.1:9", 1, "1", "", "")
    script = daemon.export_lines(info, account="222222222222", region="eu-west-1") + "\nenv"
    done = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        env={"PATH": os.environ["PATH"], "AWS_PROFILE": "real", "AWS_SESSION_TOKEN": "real"},
    )
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:9" in done.stdout
    assert "AWS_ACCESS_KEY_ID=222222222222" in done.stdout
    assert "AWS_REGION=eu-west-1" in done.stdout
    assert "real" not in done.stdout


def client_of(info: daemon.CloudInfo, service: str) -> Any:
    import botocore.session

    return botocore.session.Session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=info.url,
        aws_access_key_id=daemon.ACCOUNT,
        aws_secret_access_key="x",
        verify=False,
    )


def fill(info: daemon.CloudInfo) -> None:
    client_of(info, "s3").create_bucket(Bucket="kept")
    client_of(info, "s3").put_object(Bucket="kept", Key="small", Body=b"small")
    client_of(info, "s3").put_object(Bucket="kept", Key="big", Body=b"b" * 12_000_000)
    client_of(info, "dynamodb").create_table(
        TableName="kept",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client_of(info, "dynamodb").put_item(TableName="kept", Item={"pk": {"S": "a"}, "n": {"N": "7"}})
    role = client_of(info, "iam").create_role(RoleName="kept", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client_of(info, "stepfunctions").create_state_machine(
        name="kept",
        roleArn=role,
        definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}),
    )
    client_of(info, "sqs").create_queue(QueueName="kept")
    client_of(info, "sns").create_topic(Name="kept")
    client_of(info, "logs").create_log_group(logGroupName="kept")
    client_of(info, "events").put_rule(Name="kept", ScheduleExpression="rate(1 hour)")
    client_of(info, "codedeploy").create_application(applicationName="kept", computePlatform="Lambda")
    client_of(info, "ecr").create_repository(repositoryName="kept")
    tags = [{"Key": "project", "Value": "kept"}]
    client_of(info, "ssm").put_parameter(Name="/kept", Value="kept", Type="SecureString", Tags=tags)
    client_of(info, "secretsmanager").create_secret(Name="kept", SecretBinary=b"\xffkept")
    client_of(info, "kms").create_key()


def check(info: daemon.CloudInfo) -> None:
    assert client_of(info, "s3").get_object(Bucket="kept", Key="small")["Body"].read() == b"small"
    assert len(client_of(info, "s3").get_object(Bucket="kept", Key="big")["Body"].read()) == 12_000_000
    item = client_of(info, "dynamodb").get_item(TableName="kept", Key={"pk": {"S": "a"}})["Item"]
    assert item["n"] == {"N": "7"}
    assert client_of(info, "iam").get_role(RoleName="kept")["Role"]["RoleName"] == "kept"
    machines = client_of(info, "stepfunctions").list_state_machines()["stateMachines"]
    assert [m["name"] for m in machines] == ["kept"]
    assert client_of(info, "sqs").list_queues()["QueueUrls"]
    assert client_of(info, "sns").list_topics()["Topics"]
    assert client_of(info, "logs").describe_log_groups()["logGroups"]
    assert client_of(info, "events").list_rules()["Rules"]
    assert client_of(info, "codedeploy").list_applications()["applications"] == ["kept"]
    assert client_of(info, "ecr").describe_repositories()["repositories"]
    parameters, manager = client_of(info, "ssm"), client_of(info, "secretsmanager")
    assert parameters.get_parameter(Name="/kept", WithDecryption=True)["Parameter"]["Value"] == "kept"
    tags = parameters.list_tags_for_resource(ResourceType="Parameter", ResourceId="/kept")["TagList"]
    assert tags == [{"Key": "project", "Value": "kept"}]
    parameters.put_parameter(Name=f"/{info.pid}", Value="another", Type="String", Tags=tags)
    assert manager.get_secret_value(SecretId="kept")["SecretBinary"] == b"\xffkept"
    assert client_of(info, "kms").list_keys()["Keys"]


def test_state_outlives_a_restart_and_a_kill(tmp_path: Path) -> None:
    with daemon.running(data=tmp_path) as info:
        fill(info)
        keys = info.request("oidc/example.com/.well-known/jwks")
    with daemon.running(data=tmp_path) as info:
        check(info)
        assert info.request("oidc/example.com/.well-known/jwks") == keys, "identity tokens of before are refused"
        client_of(info, "dynamodb").put_item(TableName="kept", Item={"pk": {"S": "b"}})
        assert info.request("save", "POST") == {"saved": []}
        os.kill(info.pid, signal.SIGKILL)
    with daemon.running(data=tmp_path) as info:
        check(info)
        assert client_of(info, "dynamodb").scan(TableName="kept")["Count"] == 2


def test_the_speed_outlives_a_kill_and_cloud_time_never_goes_back(tmp_path: Path) -> None:
    with daemon.running(data=tmp_path) as info:
        info.request("clock", "POST", {"advance": 86400})
        info.request("clock", "POST", {"speed": 50})
        before = info.request("clock")["now"]
        os.kill(info.pid, signal.SIGKILL)
    with daemon.running(data=tmp_path) as info:
        clock = info.request("clock")
        assert clock["speed"] == 50
        assert clock["now"] > before - 500, "what is saved would be of tomorrow"
        assert clock["now"] > time.time() + 80000


def test_state_of_another_version_is_refused(tmp_path: Path) -> None:
    with daemon.running(data=tmp_path):
        pass
    (tmp_path / "state" / "format").write_text("format 0\n")
    with pytest.raises(NotReadyError, match="was written by format 0"):
        daemon.up(tmp_path / "folder", data=tmp_path)
