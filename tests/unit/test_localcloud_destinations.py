"""Where the local cloud sends the record of an asynchronous call, and in what shape."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from localcloud.launchers.runtime_api import InvocationOutcome
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution import destinations
from localcloud.services.lambda_.model import FunctionKey

KEY = FunctionKey("123456789012", "eu-west-1", "orders")
FAILED = InvocationOutcome(b'{"errorType": "ValueError"}', "Unhandled", "ValueError")


class CalledCloud:
    """Takes every call, and keeps it."""

    def __init__(self, error: ServiceError | None = None) -> None:
        self.calls: list[tuple[str, str, dict[str, Any], str, str]] = []
        self.error = error
        self.cloud = self

    def role_session(self, _key: FunctionKey) -> None:
        return None

    def call_as(self, _caller: None, *call: Any, **where: str) -> Any:
        return self.call(*call, **where)

    def call(self, service: str, action: str, params: dict[str, Any], *, region: str, account: str) -> Any:
        self.calls.append((service, action, params, region, account))
        if self.error:
            raise self.error
        return {"QueueUrl": "http://queue"}


def made(condition: str = destinations.RETRIES_EXHAUSTED, outcome: InvocationOutcome | None = FAILED) -> dict[str, Any]:
    return destinations.record(
        KEY, "live", "r-1", b'{"n": 1}', condition=condition, attempts=3, outcome=outcome, version="7"
    )


def sent(arn: str, record: dict[str, Any]) -> list[tuple[str, str, dict[str, Any], str, str]]:
    cloud = CalledCloud()
    destinations.Destinations(cloud).send(KEY, "live", arn, record)  # type: ignore[arg-type] - all it calls
    return cloud.calls


def test_a_record_says_what_was_called_what_came_of_it_and_how_often() -> None:
    record = made()
    assert re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", record.pop("timestamp"))
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": "r-1",
            "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:orders:live",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "7", "functionError": "Unhandled"},
        "responsePayload": {"errorType": "ValueError"},
    }


def test_a_record_of_what_never_ran_has_no_response() -> None:
    record = made(destinations.EVENT_AGE_EXCEEDED, None)
    assert "responseContext" not in record
    assert "responsePayload" not in record


def test_a_queue_in_another_account_gets_a_message_there() -> None:
    record = made()
    *_, last = sent("arn:aws:sqs:eu-west-1:210987654321:failures", record)
    assert last[:2] == ("sqs", "SendMessage")
    assert json.loads(last[2]["MessageBody"]) == record
    assert last[3:] == ("eu-west-1", "210987654321")


def test_a_topic_gets_a_notification() -> None:
    record = made()
    ((service, action, params, *_),) = sent("arn:aws:sns:eu-west-1:123456789012:failures", record)
    assert (service, action, json.loads(params["Message"])) == ("sns", "Publish", record)


def test_a_function_is_called_with_the_record_and_not_waited_for() -> None:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:clean-up:live"
    ((service, action, params, *_),) = sent(arn, made())
    assert (service, action, params["FunctionName"], params["InvocationType"]) == ("lambda", "Invoke", arn, "Event")


@pytest.mark.parametrize(
    ("condition", "outcome", "end"),
    [
        (destinations.SUCCESS, InvocationOutcome(b"1"), "Success"),
        (destinations.RETRIES_EXHAUSTED, FAILED, "Failure"),
        (destinations.EVENT_AGE_EXCEEDED, None, "Failure"),
    ],
)
def test_a_bus_gets_an_event_that_names_the_end_the_function_and_itself(condition, outcome, end) -> None:
    bus = "arn:aws:events:eu-west-1:123456789012:event-bus/default"
    ((service, action, params, *_),) = sent(bus, made(condition, outcome))
    (entry,) = params["Entries"]
    assert (service, action, entry["Source"]) == ("events", "PutEvents", "lambda")
    assert entry["DetailType"] == f"Lambda Function Invocation Result - {end}"
    assert entry["Resources"] == [bus, "arn:aws:lambda:eu-west-1:123456789012:function:orders:live"]
    assert entry["EventBusName"] == bus


def test_a_bucket_gets_an_object_below_the_functions_name() -> None:
    ((service, action, params, region, account),) = sent("arn:aws:s3:::failures", made())
    assert (service, action, params["Bucket"]) == ("s3", "PutObject", "failures")
    day = r"\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d"
    assert re.fullmatch(rf"aws/lambda/async/orders/{day}-[0-9a-f-]{{36}}", params["Key"])
    assert (region, account) == ("eu-west-1", "123456789012")


def test_a_destination_that_is_gone_loses_the_record_and_the_cloud_says_so(capsys) -> None:
    cloud = CalledCloud(ServiceError("NoSuchBucket", "The specified bucket does not exist"))
    destinations.Destinations(cloud).send(KEY, "live", "arn:aws:s3:::gone", made())  # type: ignore[arg-type]
    assert "orders: arn:aws:s3:::gone did not take the record" in capsys.readouterr().out
