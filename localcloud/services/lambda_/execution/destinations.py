"""What becomes of an asynchronous call's record: a message, a notification, an event, an object, a call.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html. A destination that is gone loses the
record, as on AWS; the cloud's log says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from localcloud.launchers.runtime_api import InvocationOutcome
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.logs import iso
from localcloud.services.lambda_.model import LATEST, FunctionKey

if TYPE_CHECKING:
    from localcloud.services.lambda_.service import LambdaService

SUCCESS = "Success"
RETRIES_EXHAUSTED = "RetriesExhausted"
EVENT_AGE_EXCEEDED = "EventAgeExceeded"
Call = Callable[[str, str, dict[str, Any]], Any]


class Destinations:
    """Sends records and dead letters, in the account and region that the destination's ARN names."""

    def __init__(self, service: LambdaService) -> None:
        self._service = service

    def send(self, key: FunctionKey, qualifier: str, arn: str, record: Mapping[str, Any]) -> None:
        """Send a record."""
        service = arn.split(":")[2]
        body = json.dumps(record)
        call = self._caller(key, arn)
        try:
            if service == "events":
                success = record["requestContext"]["condition"] == SUCCESS
                call("events", "PutEvents", {"Entries": [_entry(key, qualifier, arn, body, success=success)]})
            elif service == "s3":
                moment = datetime.now(UTC)
                name = f"{moment:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid4()}"
                target = {"Bucket": arn.rpartition(":")[2], "Key": f"aws/lambda/async/{key.name}/{name}"}
                call("s3", "PutObject", {**target, "Body": body.encode()})
            elif service == "lambda":
                call("lambda", "Invoke", {"FunctionName": arn, "InvocationType": "Event", "Payload": body.encode()})
            else:
                _deliver(call, arn, body, {})
        except ServiceError as error:
            _lost(key, arn, error)

    def send_dead_letter(self, key: FunctionKey, arn: str, payload: str, attributes: Mapping[str, str]) -> None:
        """Send an event as it was, with what was wrong as attributes of the message."""
        written = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        try:
            _deliver(self._caller(key, arn), arn, payload, written)
        except ServiceError as error:
            _lost(key, arn, error)

    def _caller(self, key: FunctionKey, arn: str) -> Call:
        _, _, _, region, account, _ = arn.split(":", 5)

        def call(service: str, action: str, params: dict[str, Any]) -> Any:
            where = {"region": region or key.region, "account": account or key.account}
            caller = None if action == "GetQueueUrl" else self._service.role_session(key)
            return self._service.cloud.call_as(caller, service, action, params, **where)

        return call


def record(
    key: FunctionKey,
    qualifier: str,
    request_id: str,
    payload: bytes,
    *,
    condition: str,
    attempts: int,
    outcome: InvocationOutcome | None,
    version: str,
) -> dict[str, Any]:
    """Return an invocation record; without an `outcome` the function never ran."""
    made: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso(),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{key.arn}:{qualifier or LATEST}",
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": json.loads(payload or b"{}"),
    }
    if outcome:
        made["responseContext"] = {"statusCode": 200, "executedVersion": version}
        if outcome.error:
            made["responseContext"]["functionError"] = outcome.error
        made["responsePayload"] = json.loads(outcome.payload or b"null")
    return made


def _deliver(call: Call, arn: str, body: str, attributes: Mapping[str, Any]) -> None:
    """Send a text to a queue or a topic."""
    if arn.split(":")[2] == "sqs":
        url = call("sqs", "GetQueueUrl", {"QueueName": arn.rpartition(":")[2]})["QueueUrl"]
        call("sqs", "SendMessage", {"QueueUrl": url, "MessageBody": body, "MessageAttributes": attributes})
    else:
        call("sns", "Publish", {"TopicArn": arn, "Message": body, "MessageAttributes": attributes})


def _entry(key: FunctionKey, qualifier: str, bus: str, body: str, *, success: bool) -> dict[str, Any]:
    return {
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {'Success' if success else 'Failure'}",
        "Detail": body,
        "Resources": [bus, f"{key.arn}:{qualifier or LATEST}"],
        "EventBusName": bus,
    }


def _lost(key: FunctionKey, arn: str, error: ServiceError) -> None:
    print(f"{key.name}: {arn} did not take the record: {error}", flush=True)  # noqa: T201 - the cloud's log
