"""What Step Functions was recorded to answer, where an emulator easily differs.

Source: the snapshots of LocalStack's public test suite (localstack/localstack, tests/aws/services/stepfunctions/v2,
Apache-2.0). Each test names the snapshot and when AWS gave it.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from asking import code_of
from machines import Machines, catch, sdk

pytestmark = [pytest.mark.cloud, pytest.mark.contract]

WHOLE = {"truncated": False}


@pytest.fixture
def topic(cloud: Any) -> str:
    return str(cloud.client("sns").create_topic(Name="recorded")["TopicArn"])


def details(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [body for event in events for key, body in event.items() if key.endswith("EventDetails")]


def test_every_event_says_that_its_input_and_output_are_whole(machines: Machines, topic: str) -> None:
    """base/test_base.json::test_state_fail_path and all others, 2024-02-07 to 2025-11-06."""
    task = sdk("sns:publish", {"TopicArn": topic, "Message": "m"})
    execution = machines.start(machines.make({"T": task}))
    machines.end(execution)
    told = details(machines.events(execution))
    kinds = [event["type"] for event in machines.events(execution)]
    assert {"ExecutionStarted", "TaskStateEntered", "TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"} <= {
        *kinds
    }
    for body in told:
        for key in ("input", "output"):
            assert body.get(f"{key}Details") == (WHOLE if key in body else None), body


def test_a_task_without_a_timeout_is_scheduled_without_one(machines: Machines, topic: str) -> None:
    """services/test_aws_sdk_task_service.json, 2025-11-06."""

    def scheduled(**more: Any) -> dict[str, Any]:
        execution = machines.start(
            machines.make({"T": sdk("sns:publish", {"TopicArn": topic, "Message": "m"}, **more)})
        )
        machines.end(execution)
        (event,) = [e for e in machines.events(execution) if e["type"] == "TaskScheduled"]
        return dict(event["taskScheduledEventDetails"])

    assert "timeoutInSeconds" not in scheduled()
    assert scheduled(TimeoutSeconds=99_999_999)["timeoutInSeconds"] == 99_999_999


@pytest.mark.parametrize("given", [{}, {"Error": "E"}, {"Cause": "c"}, {"Error": "E", "Cause": "c"}], ids=str)
def test_a_fail_state_tells_what_it_names_and_nothing_else(machines: Machines, given: dict[str, str]) -> None:
    """base/test_base.json::test_state_fail and test_state_fail_empty, 2024-03-06."""
    execution = machines.start(machines.make({"F": {"Type": "Fail", **given}}))
    ended = machines.end(execution)
    wanted = {key.lower(): value for key, value in given.items()}
    assert {key: ended[key] for key in ("error", "cause") if key in ended} == wanted
    last = machines.events(execution)[-1]
    assert (last["type"], last["executionFailedEventDetails"]) == ("ExecutionFailed", wanted)


@pytest.mark.parametrize("action", ["sendTaskSuccess", "sendTaskFailure", "sendTaskHeartbeat"])
def test_a_token_that_was_never_given_out_is_invalid(machines: Machines, action: str) -> None:
    """services/test_aws_sdk_task_service.json::test_sfn_send_task_outcome_with_no_such_token, 2025-11-06."""
    invented = secrets.token_urlsafe(60)
    more = {"Output": "{}"} if action == "sendTaskSuccess" else {}
    ended = machines.run({"T": sdk(f"sfn:{action}", {"TaskToken": invented, **more})})
    assert ended["error"] == "Sfn.InvalidTokenException"
    assert ended["cause"].startswith("Invalid Token: 'Invalid token' (Service: Sfn, Status Code: 400")
    assert code_of(lambda: machines.client.send_task_heartbeat(taskToken=invented)) == "InvalidToken"


@pytest.mark.parametrize("call", ["describe_execution", "get_execution_history", "stop_execution"])
@pytest.mark.parametrize("end", ["no-arn-at-all", ":", ":more", "!no:execution"], ids=["text", "empty", "long", "kind"])
def test_an_arn_that_is_malformed_is_no_missing_execution(machines: Machines, call: str, end: str) -> None:
    """stepfunctions/v2/test_sfn_api.json::test_describe_execution_invalid_arn and others, 2024-03-08."""
    machine = machines.make({"P": {"Type": "Pass", "End": True}})
    good = machine.replace(":stateMachine:", ":execution:") + ":x"
    broken = {"no-arn-at-all": end, ":": good[:-1], ":more": good + end, "!no:execution": machine}[end]
    ask = getattr(machines.client, call)
    assert code_of(lambda: ask(executionArn=broken)) == "InvalidArn"
    assert code_of(lambda: ask(executionArn=good)) == "ExecutionDoesNotExist"


@pytest.mark.parametrize("arn", ["machine", "arn:aws:states:eu-west-1:123456789012:stateMachine:"])
def test_an_arn_that_is_malformed_is_no_missing_machine(machines: Machines, arn: str) -> None:
    """stepfunctions/v2/test_sfn_api.json::test_describe_execution_invalid_arn and others, 2024-03-08."""
    assert code_of(lambda: machines.client.describe_state_machine(stateMachineArn=arn)) == "InvalidArn"


def test_an_answer_above_256_kib_is_data_limit_exceeded_which_states_all_catches(
    machines: Machines, cloud: Any
) -> None:
    """error_handling/test_states_errors.json, 2024-03-21: States.ALL catches it, unlike the guide says."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="recorded-large", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="recorded-large", Key="k", Body=b"x" * 262_144)
    read = sdk("s3:getObject", {"Bucket": "recorded-large", "Key": "k"}, ResultSelector={"kept": 1})
    execution = machines.start(machines.make(catch(read)))
    ended = machines.end(execution)
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"])["Error"] == "States.DataLimitExceeded"
    (failed,) = [e for e in machines.events(execution) if e["type"] == "TaskFailed"]
    assert (
        "returned a result with a size exceeding the maximum number of bytes service limit."
        in (failed["taskFailedEventDetails"]["cause"])
    )


def test_letters_count_as_the_bytes_that_they_take(machines: Machines) -> None:
    """The quota is 256 KiB of UTF-8: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html."""

    def ended(times: int) -> dict[str, Any]:
        copies = {f"copy{number}.$": "$.a" for number in range(times)}
        return machines.run({"P": {"Type": "Pass", "Parameters": copies, "End": True}}, {"a": "é" * 40_000})

    assert ended(3)["status"] == "SUCCEEDED", "240 kB; written as escapes they would be 720"
    assert ended(4)["error"] == "States.DataLimitExceeded"
