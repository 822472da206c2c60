"""Functions that print the events that they get, and queues beside them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import roles

PRINT = "import json\ndef handler(event, context):\n    print('GOT ' + json.dumps(event))\n"


def until(read: Callable[[], Any], seconds: float = 60) -> Any:
    """Read until there is something; return that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := read():
            return value
        time.sleep(0.05)
    raise AssertionError("nothing came")


def got(functions: Any, name: str) -> list[Any]:
    """Return the events that a function has printed."""
    lines = functions.log(name)
    return [json.loads(line.removeprefix("GOT ")) for line in lines if line.startswith("GOT ")]


def queue(functions: Any, **attributes: str) -> tuple[Any, str, str]:
    """Make a queue that services may send to; return a client, its URL and its ARN."""
    sqs = functions.cloud.client("sqs")
    url = sqs.create_queue(QueueName=functions.name(), Attributes={"VisibilityTimeout": "30", **attributes})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    roles.let_services_send(sqs, url, arn)
    return sqs, url, arn


def left(sqs: Any, url: str) -> int:
    """Return how many messages a queue has, waiting or in work."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def printer(functions: Any) -> tuple[str, str]:
    """Make a function that prints its event; return its name, and its alias's ARN."""
    name = functions.create(PRINT)
    version = functions.publish(name)
    return name, functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)["AliasArn"]
