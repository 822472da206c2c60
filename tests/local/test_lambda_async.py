"""Asynchronous invocations: accepted at once, retried by the cloud's clock, never lost in silence."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from asking import until

pytestmark = pytest.mark.cloud


def test_an_event_is_accepted_at_once_and_a_failing_one_ends_in_its_destination(functions: Any) -> None:
    sqs = functions.cloud.client("sqs")
    queue = sqs.create_queue(QueueName=functions.name())["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = functions.create("def handler(event, context):\n    print('tried')\n    raise ValueError('no')\n")
    functions.client.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    answer = functions.client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 1}')
    assert answer["StatusCode"] == 202
    record = json.loads(_receive(sqs, queue)["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestPayload"] == {"n": 1}
    assert record["responsePayload"]["errorType"] == "ValueError"
    assert functions.log(name).count("tried") == 1


def test_calls_of_an_alias_follow_its_own_settings_and_success_and_failure_go_apart(functions: Any) -> None:
    sqs, s3 = functions.cloud.client("sqs"), functions.cloud.client("s3")
    bucket, queue = functions.name(), sqs.create_queue(QueueName=functions.name())["QueueUrl"]
    where = {"LocationConstraint": functions.cloud.region}
    s3.create_bucket(
        Bucket=bucket, **({"CreateBucketConfiguration": where} if "us-east-1" not in where.values() else {})
    )
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = functions.create("def handler(event, context):\n    return 6 // event\n")
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=functions.publish(name))
    live = {"FunctionName": name, "Qualifier": "live"}
    functions.client.put_function_event_invoke_config(
        **live,
        MaximumRetryAttempts=2,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={
            "OnSuccess": {"Destination": arn},
            "OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"},
        },
    )
    functions.client.invoke(**live, InvocationType="Event", Payload=b"3")
    success = json.loads(_receive(sqs, queue)["Body"])
    assert (success["requestContext"]["condition"], success["responsePayload"]) == ("Success", 2)
    assert (success["requestContext"]["functionArn"][-5:], success["responseContext"]["executedVersion"]) == (
        ":live",
        "1",
    )
    functions.client.invoke(**live, InvocationType="Event", Payload=b"0")
    until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"], bool)
    (written,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    failure = json.loads(s3.get_object(Bucket=bucket, Key=written["Key"])["Body"].read())
    assert written["Key"].startswith(f"aws/lambda/async/{name}/")
    assert failure["requestContext"]["condition"] == "EventAgeExceeded", "the first retry comes after its minute"
    assert failure["requestContext"]["approximateInvokeCount"] == 1
    assert failure["responsePayload"]["errorType"] == "ZeroDivisionError"


@pytest.mark.parametrize("wrong", [{"MaximumRetryAttempts": 3}, {"MaximumEventAgeInSeconds": 21_601}])
def test_settings_of_asynchronous_calls_have_their_limits(functions: Any, code: Any, wrong: dict[str, int]) -> None:
    put = functions.client.put_function_event_invoke_config
    assert code(put, FunctionName="whatever", **wrong) == "ValidationException"


def _receive(sqs: Any, queue: str) -> dict[str, Any]:
    for _ in range(600):
        messages = sqs.receive_message(QueueUrl=queue).get("Messages")
        if messages:
            return messages[0]
        time.sleep(0.1)
    raise AssertionError("nothing came")


def test_a_failing_event_is_tried_three_times_by_the_clouds_clock_and_then_goes_to_the_dead_letters(
    functions: Any,
) -> None:
    sqs = functions.cloud.client("sqs")
    queue = sqs.create_queue(QueueName=functions.name())["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = functions.create(
        "def handler(event, context):\n    print('tried', context.aws_request_id)\n    raise ValueError('no')\n",
        DeadLetterConfig={"TargetArn": arn},
    )
    answer = functions.client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 1}')
    request_id = answer["ResponseMetadata"]["RequestId"]
    for count, seconds in ((1, 60), (2, 120)):
        _wait_for(functions, name, f"tried {request_id}", count)
        time.sleep(1)  # the next try is planned meanwhile
        assert functions.log(name).count(f"tried {request_id}") == count
        functions.cloud.info.request("clock", "POST", {"advance": seconds})
    message = _receive(sqs, queue)
    assert message["Body"] == '{"n": 1}'
    assert functions.log(name).count(f"tried {request_id}") == 3


def _wait_for(functions: Any, name: str, line: str, count: int) -> None:
    for _ in range(1200):
        if functions.log(name).count(line) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"{line} did not come {count} times")
