"""The few items of the ledger that the pipeline's functions touch (docs/concepts/architecture.md, "The ledger")."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared import aws

CONDITION_FAILED = "ConditionalCheckFailedException"
SKEW = 30  # seconds by which two machines' clocks may differ before a lease is believed to have run out


def table() -> str:
    """Return the table's name."""
    return os.environ["LEDGER_TABLE"]


def get(pk: str, sk: str) -> dict[str, str]:
    """Read one item as texts; empty when it isn't there."""
    answer = aws.client("dynamodb").get_item(TableName=table(), Key=_key(pk, sk), ConsistentRead=True)
    return {name: str(next(iter(value.values()))) for name, value in answer.get("Item", {}).items()}


def take_lock(environment: str, run_id: str, fields: Mapping[str, str | int], seconds: int) -> dict[str, str]:
    """Take or keep an environment's lock for `seconds`; return the holder when another run has it."""
    now = int(time.time())
    item = {"run_id": run_id, "since": stamp(now), "expires": now + seconds, **fields}
    try:
        aws.client("dynamodb").put_item(
            TableName=table(),
            Item=_key(f"env#{environment}", "lock") | {name: _write(value) for name, value in item.items()},
            ConditionExpression="attribute_not_exists(pk) OR run_id = :ours OR expires < :over",
            ExpressionAttributeValues={":ours": {"S": run_id}, ":over": {"N": str(now - SKEW)}},
        )
    except Exception as error:
        if aws.code(error) != CONDITION_FAILED:
            raise
        return lock(environment) or {"owner": "somebody", "command": "unknown", "since": "just now", "run_id": ""}
    return {}


def lock(environment: str) -> dict[str, str]:
    """Return an environment's lock; empty when nobody holds it."""
    return get(f"env#{environment}", "lock")


def entry(environment: str, release_id: str, execution_arn: str) -> dict[str, str]:
    """Return a release's entry if this execution wrote it; empty otherwise."""
    item = get(f"env#{environment}", f"release#{release_id}")
    return item if item.get("execution_arn") == execution_arn else {}


def note(environment: str, run_id: str, **fields: str) -> bool:
    """Note in an environment's lock what its holder does; say whether the lock is still ours."""
    held = aws.client("dynamodb").get_item(
        TableName=table(), Key=_key(f"env#{environment}", "lock"), ConsistentRead=True
    )
    if held.get("Item", {}).get("run_id", {}).get("S") != run_id:
        return False
    try:
        aws.client("dynamodb").put_item(
            TableName=table(),
            Item=held["Item"] | {name: _write(value) for name, value in fields.items()},
            ConditionExpression="run_id = :ours",
            ExpressionAttributeValues={":ours": {"S": run_id}},
        )
    except Exception as error:
        if aws.code(error) != CONDITION_FAILED:
            raise
        return False
    return True


def give_lock_back(environment: str, run_id: str) -> None:
    """Delete an environment's lock if it is ours."""
    try:
        aws.client("dynamodb").delete_item(
            TableName=table(),
            Key=_key(f"env#{environment}", "lock"),
            ConditionExpression="run_id = :ours",
            ExpressionAttributeValues={":ours": {"S": run_id}},
        )
    except Exception as error:
        if aws.code(error) != CONDITION_FAILED:
            raise


def record(environment: str, release_id: str, fields: Mapping[str, Any]) -> None:
    """Write a release's entry unless another execution wrote it."""
    values = {"release_id": release_id, "environment": environment, **fields}
    try:
        aws.client("dynamodb").put_item(
            TableName=table(),
            Item=_key(f"env#{environment}", f"release#{release_id}")
            | {name: _write(value) for name, value in values.items() if value != ""},
            ConditionExpression="attribute_not_exists(pk) OR execution_arn = :ours",
            ExpressionAttributeValues={":ours": {"S": str(fields["execution_arn"])}},
        )
    except Exception as error:
        if aws.code(error) != CONDITION_FAILED:
            raise


def note_hook(deployment_id: str, why: str, error: str) -> None:
    """Note why a hook failed a deployment, and the error's name: CodeDeploy itself only says that it did."""
    aws.client("dynamodb").put_item(
        TableName=table(),
        Item=_key(f"deployment#{deployment_id}", "hook")
        | {"why": {"S": why}, "error": {"S": error}, "at": {"S": stamp(time.time())}},
    )


def stamp(seconds: float) -> str:
    """Write a time as the ledger does."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _key(pk: str, sk: str) -> dict[str, dict[str, Any]]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _write(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": str(value)}
