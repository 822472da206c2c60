"""What an event source mapping makes of a queue's messages: the records of an event, and what failed in the end.

The shape is https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html. What the page leaves out was recorded on AWS by
LocalStack's tests (test_lambda_integration_sqs.py, test_message_body_and_attributes_passed_correctly, 2025-11-25).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any


def record(message: Mapping[str, Any], arn: str, region: str) -> dict[str, Any]:
    """Write a message as a record."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes") or {},
        "messageAttributes": {
            name: _attribute(value) for name, value in (message.get("MessageAttributes") or {}).items()
        },
        "md5OfMessageAttributes": message.get("MD5OfMessageAttributes"),
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if "StringValue" in value:
        written["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        written["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return {**written, "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}


def failures(payload: bytes, known: set[str]) -> set[str]:
    """Read batchItemFailures: nothing or an empty list means all succeeded, nonsense that all failed."""
    try:
        value = json.loads(payload)
        items = (value or {}).get("batchItemFailures") or []
        failed = {str(item["itemIdentifier"]) for item in items}
    except (ValueError, TypeError, KeyError, AttributeError):
        return known
    return failed if failed <= known else known  # noqa: FURB136 - sets: `min` would compare sizes, not contents
