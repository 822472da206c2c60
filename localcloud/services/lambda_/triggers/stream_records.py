"""What an event source mapping makes of a stream's records: the records of an event, and what failed in the end.

The shapes were recorded on AWS by LocalStack's tests (tests/aws/services/lambda_/event_source_mapping,
test_lambda_integration_dynamodbstreams.py).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from localcloud.services.lambda_.execution.engine import Invoked
from localcloud.services.lambda_.triggers.source_mapping import SourceMapping
from localcloud.services.lambda_.triggers.sqs_records import failures


def records(kept: list[Any], mapping: SourceMapping) -> list[dict[str, Any]]:
    """Write Moto's stream records as a function gets them."""
    return [_record(json.loads(json.dumps(each.to_json(), default=_plain)), mapping) for each in kept]


def _record(record: dict[str, Any], mapping: SourceMapping) -> dict[str, Any]:
    data = dict(record["dynamodb"])
    images = [data.get(name) or {} for name in ("Keys", "NewImage", "OldImage")]
    data["SizeBytes"] = sum(_item_size(image) for image in images)
    return {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": mapping.region,
        "dynamodb": data,
        "eventSourceARN": mapping.arn,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return float(int(moment.timestamp()))
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.to_json()


def _item_size(attributes: Mapping[str, Any]) -> int:
    return sum(len(name.encode()) + _size(value) for name, value in attributes.items())


def _size(value: Mapping[str, Any]) -> int:
    """Return the bytes of a value, as AWS counts them.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "B":
        return len(base64.b64decode(content))
    if kind == "N":
        return (len(content.lstrip("-").replace(".", "").strip("0")) + 1) // 2 + 1
    if kind == "L":
        return 3 + sum(1 + _size(each) for each in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in content.items())
    return sum(_size({kind[0]: each}) for each in content) if kind in ("SS", "NS", "BS") else 1


def sequence(record: Mapping[str, Any]) -> str:
    """Return a record's sequence number."""
    return str(record["dynamodb"]["SequenceNumber"])


def first_failed(payload: bytes, batch: list[dict[str, Any]]) -> int | None:
    """Return the place of the first record that a function reported as failed, or None: all succeeded."""
    numbers = [sequence(record) for record in batch]
    failed = failures(payload, set(numbers))
    return min((numbers.index(number) for number in failed), default=None)


def age(record: Mapping[str, Any], now: float) -> float:
    """Return how old a record is, in seconds."""
    return now - float(record["dynamodb"]["ApproximateCreationDateTime"])


def failure(
    mapping: SourceMapping, shard: str, batch: list[dict[str, Any]], condition: str, attempts: int, done: Invoked | None
) -> dict[str, Any]:
    """Write what the on-failure destination gets of a batch that is given up."""
    record: dict[str, Any] = {
        "requestContext": {
            "requestId": done.request_id if done else "",
            "functionArn": mapping.config["FunctionArn"],
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "version": "1.0",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "DDBStreamBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": sequence(batch[0]),
            "endSequenceNumber": sequence(batch[-1]),
            "approximateArrivalOfFirstRecord": _arrival(batch[0]),
            "approximateArrivalOfLastRecord": _arrival(batch[-1]),
            "batchSize": len(batch),
            "streamArn": mapping.arn,
        },
    }
    if done:
        error = done.outcome.error or None
        record["responseContext"] = {"statusCode": 200, "executedVersion": done.version, "functionError": error}
    return record


def _arrival(record: Mapping[str, Any]) -> str:
    moment = datetime.fromtimestamp(float(record["dynamodb"]["ApproximateCreationDateTime"]), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
