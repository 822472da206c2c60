"""What services send by themselves: an event to a function, a queue, a topic, a bus, a state machine, a log group.

Every delivery names its caller. `deliver` is the one place where a delivery becomes a call.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from localcloud.callers import ServiceCaller
from localcloud.cloud import Cloud, ServiceError

ATTEMPTS = 185
MAX_AGE = 86_400  # seconds
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 900.0
_SERVER_ERROR = 500
_EVENTS = "events.amazonaws.com"
_ANY_ACTION = "aws-sdk:"
_BOTOCORE = {"states": "stepfunctions", "sfn": "stepfunctions", "eventbridge": "events", "cloudwatchlogs": "logs"}


@dataclass(frozen=True)
class Delivery:
    """One text on its way to a target.

    `attributes` are message attributes of a queue or a topic, `group` the message group of a FIFO one, `subject` a
    topic's, `source` and `kind` those of an event on a bus.
    """

    caller: ServiceCaller
    arn: str
    body: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    subject: str = ""
    source: str = ""
    kind: str = ""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long a delivery is tried, and where it goes then."""

    attempts: int = ATTEMPTS
    max_age: float = MAX_AGE
    dead_letter: str = ""

    @classmethod
    def of(cls, target: Mapping[str, Any]) -> RetryPolicy:
        """Read a target's RetryPolicy and DeadLetterConfig."""
        policy = target.get("RetryPolicy") or {}
        return cls(
            int(policy.get("MaximumRetryAttempts", ATTEMPTS)),
            float(policy.get("MaximumEventAgeInSeconds", MAX_AGE)),
            str((target.get("DeadLetterConfig") or {}).get("Arn") or ""),
        )


def deliver(cloud: Cloud, delivery: Delivery) -> None:
    """Deliver once. Raises `ServiceError` for what the target, or a policy, refuses."""
    _, _, service, region, account, name = delivery.arn.split(":", 5)
    if service == "lambda":
        cloud.functions.send(delivery.caller, delivery.arn, delivery.body.encode())
        return
    if name.startswith(_ANY_ACTION):
        _call_any(cloud, delivery, name.removeprefix(_ANY_ACTION))
        return
    call = _call_of(cloud, delivery, service, name, region, account)
    if call is None:
        raise ServiceError("NotOfferedByLocalCloud", f"the local cloud delivers nothing to {delivery.arn}", 400)
    action, params = call
    where = {"region": region, "account": account}
    cloud.call_as(delivery.caller, _BOTOCORE.get(service, service), action, params, **where)


def _call_any(cloud: Cloud, delivery: Delivery, name: str) -> None:
    """Make the call that a universal target of EventBridge Scheduler names: `sqs:sendMessage`.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
    """
    service, _, action = name.partition(":")
    where = {"region": delivery.caller.source_arn.split(":")[3], "account": delivery.caller.source_account}
    service, action = _BOTOCORE.get(service, service), action[:1].upper() + action[1:]
    cloud.call_as(delivery.caller, service, action, json.loads(delivery.body or "{}"), **where)


def _call_of(
    cloud: Cloud, delivery: Delivery, service: str, name: str, region: str, account: str
) -> tuple[str, dict[str, Any]] | None:
    attributes = {
        key: {"DataType": "String", "StringValue": value} for key, value in delivery.attributes.items() if value
    }
    group = {"MessageGroupId": delivery.group} if delivery.group else {}
    if service == "sqs":
        url = cloud.call("sqs", "GetQueueUrl", {"QueueName": name}, region=region, account=account)["QueueUrl"]
        message = {"QueueUrl": url, "MessageBody": delivery.body, "MessageAttributes": attributes}
        return "SendMessage", {**message, **group}
    if service == "sns":
        message = {"TopicArn": delivery.arn, "Message": delivery.body, "MessageAttributes": attributes}
        return "Publish", {**message, **group, **({"Subject": delivery.subject} if delivery.subject else {})}
    if service == "events" and name.startswith("event-bus/"):
        made = {"Source": delivery.source, "DetailType": delivery.kind, "Detail": delivery.body}
        return "PutEvents", {"Entries": [{**made, "EventBusName": name.removeprefix("event-bus/")}]}
    if service == "states":
        return "StartExecution", {"stateMachineArn": delivery.arn, "input": delivery.body, "name": str(uuid4())}
    if service == "logs":
        return _log_call(cloud, delivery.body, name, {"region": region, "account": account})
    return None


def _log_call(cloud: Cloud, body: str, name: str, where: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    group, stream = name.removeprefix("log-group:").removesuffix(":*"), uuid4().hex
    cloud.call("logs", "CreateLogStream", {"logGroupName": group, "logStreamName": stream}, **where)
    event = {"timestamp": int(time.time() * 1000), "message": body}
    return "PutLogEvents", {"logGroupName": group, "logStreamName": stream, "logEvents": [event]}


def deliver_persistently(
    cloud: Cloud, delivery: Delivery, policy: RetryPolicy, attributes: Mapping[str, str], payload: str = ""
) -> None:
    """Deliver, try again what may pass, and send what can't be delivered to the dead-letter queue.

    `attributes` say in the dead-letter queue what it was, `payload` is its body there if it isn't the delivery's.
    A target that is missing or refuses isn't tried again, as on AWS.
    """
    began, wait, attempts = cloud.clock.now(), _FIRST_WAIT, 0
    while True:
        try:
            deliver(cloud, delivery)
        except ServiceError as error:
            passing = error.status >= _SERVER_ERROR or "Throttl" in error.code or error.code.startswith("TooMany")
            left = attempts < policy.attempts and cloud.clock.now() + wait - began <= policy.max_age
            if passing and left:
                if not cloud.clock.sleep(wait, cancel=cloud.stopping):
                    return
                wait, attempts = min(wait * 2, _LONGEST_WAIT), attempts + 1
                continue
            exhausted = "MaximumRetryAttempts" if attempts >= policy.attempts else "MaximumEventAgeInSeconds"
            reasons = {
                "ERROR_CODE": error.code,
                "ERROR_MESSAGE": error.message[:1024],
                "RETRY_ATTEMPTS": str(attempts),
                **({"EXHAUSTED_RETRY_CONDITION": exhausted} if passing else {}),
            }
            _bury(cloud, delivery, policy.dead_letter, {**attributes, **reasons}, payload)
        return


def _bury(cloud: Cloud, delivery: Delivery, queue: str, attributes: Mapping[str, str], payload: str) -> None:
    message = f"{delivery.caller.source_arn or delivery.caller.service} could not deliver to {delivery.arn}"
    sys.stdout.write(f"{message}: {attributes['ERROR_CODE']}: {attributes['ERROR_MESSAGE']}\n")
    sys.stdout.flush()
    if queue:
        # a rule sends there in EventBridge's own name, whatever role it has for the target
        caller = replace(delivery.caller, role="") if delivery.caller.service == _EVENTS else delivery.caller
        try:
            deliver(cloud, Delivery(caller, queue, payload or delivery.body, attributes))
        except ServiceError as error:
            sys.stdout.write(f"{queue} did not take what could not be delivered: {error}\n")


@contextlib.contextmanager
def logged() -> Iterator[None]:
    """Log a fault and go on. A pool keeps it for a result that nobody reads, and a thread would end by it."""
    try:
        yield
    except Exception:  # noqa: BLE001 - a thread's last line of defence
        traceback.print_exc()


def event(source: str, kind: str, detail: Any, *, region: str, account: str, **more: Any) -> dict[str, Any]:
    """Make an event of EventBridge's shape. `more` are `resources` and `time` (ISO 8601)."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": kind,
        "source": source,
        "account": account,
        "time": more.get("time") or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": region,
        "resources": list(more.get("resources") or ()),
        "detail": detail,
    }


def compact(value: Any) -> str:
    """Write JSON as AWS's services do."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
