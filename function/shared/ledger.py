"""The items of the ledger that the pipeline's functions read and write, as its schema defines them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any, TypeVar

from shared import aws
from stepladder.ledger import schema
from stepladder.ledger.schema import Current, Holder, HookNote, Item, ItemKind, ReleaseEntry, SentCommand

R = TypeVar("R")

CONDITION_FAILED = "ConditionalCheckFailedException"
_UNKNOWN_HOLDER = Holder("somebody", "", "", 0, "", "unknown", "just now", 0)


def table() -> str:
    """Return the table's name."""
    return os.environ["LEDGER_TABLE"]


def read(kind: ItemKind[R], **named: str) -> R | None:
    """Read the item of some names; None when it isn't there."""
    return schema.record(kind.record, _raw(kind.key(**named)))


def _raw(key: Item) -> Item | None:
    answer = aws.client("dynamodb").get_item(TableName=table(), Key=key, ConsistentRead=True)
    item: Item | None = answer.get("Item")
    return item


def lock(environment: str) -> Holder | None:
    """Return who holds an environment's lock; None when nobody does."""
    return read(schema.LOCK, environment=environment)


def is_held(environment: str, run_id: str) -> bool:
    """Say whether a run holds an environment's lock."""
    holder = lock(environment)
    return bool(holder and holder.run_id == run_id)


def take_lock(environment: str, holder: Holder) -> Holder | None:
    """Take an environment's lock, or renew it; return who holds it when another run does."""
    over = int(time.time()) - schema.CLOCK_SKEW
    condition = "attribute_not_exists(pk) OR run_id = :ours OR expires < :over"
    values = {":ours": {"S": holder.run_id}, ":over": {"N": str(over)}}
    if _put(schema.item(schema.LOCK.key(environment=environment), holder), condition, values):
        return None
    return lock(environment) or _UNKNOWN_HOLDER


def note(environment: str, run_id: str, **attributes: str) -> bool:
    """Write attributes into the lock that a run holds; say whether it still held it."""
    held = _raw(schema.LOCK.key(environment=environment))
    if not held or held.get("run_id", {}).get("S") != run_id:
        return False
    noted = held | {name: schema.write(value) for name, value in attributes.items()}
    return _put(noted, "run_id = :ours", {":ours": {"S": run_id}})


def give_lock_back(environment: str, run_id: str) -> None:
    """Delete an environment's lock if a run holds it."""
    try:
        aws.client("dynamodb").delete_item(
            TableName=table(),
            Key=schema.LOCK.key(environment=environment),
            ConditionExpression="run_id = :ours",
            ExpressionAttributeValues={":ours": {"S": run_id}},
        )
    except Exception as error:
        if aws.code(error) != CONDITION_FAILED:
            raise


def entry(environment: str, release_id: str, execution_arn: str) -> ReleaseEntry | None:
    """Return a release's entry if an execution wrote it."""
    release = read(schema.RELEASE, environment=environment, release_id=release_id)
    return release if release and release.execution_arn == execution_arn else None


def record(release: ReleaseEntry) -> None:
    """Write a release's entry unless another execution wrote it."""
    key = schema.RELEASE.key(environment=release.environment, release_id=release.release_id)
    condition = "attribute_not_exists(pk) OR execution_arn = :ours"
    _put(schema.item(key, release), condition, {":ours": {"S": release.execution_arn}})


def write_release(release: ReleaseEntry, current: Current, *, instead_of: Current | None) -> None:
    """Write a release that a command left unwritten, and what is current then; what was written since stays."""
    environment = release.environment
    key = schema.RELEASE.key(environment=environment, release_id=release.release_id)
    _put(schema.item(key, release), "attribute_not_exists(pk)", {})
    condition, values = "attribute_not_exists(pk)", {}
    if instead_of:
        condition, values = "release_id = :was", {":was": {"S": instead_of.release_id}}
    _put(schema.item(schema.CURRENT.key(environment=environment), current), condition, values)


def note_hook(deployment_id: str, why: str, error: str) -> None:
    """Note why a hook failed a deployment, and the error's name: CodeDeploy itself only says that it did."""
    written = HookNote(why, error, stamp(time.time()))
    item = schema.item(schema.HOOK.key(deployment=deployment_id), written)
    aws.client("dynamodb").put_item(TableName=table(), Item=item)


def write_command(environment: str, command: str, run: SentCommand, was: SentCommand | None) -> bool:
    """Write a run of a release command if `was` is still the last one; say whether it was."""
    key = schema.COMMAND.key(environment=environment, digest=run.digest, command=command)
    condition, values = schema.unchanged_run(was)
    return _put(schema.item(key, run), condition, values)


def _put(item: Item, condition: str, values: dict[str, dict[str, Any]]) -> bool:
    """Write an item under a condition; say whether it held."""
    compared = {"ExpressionAttributeValues": values} if values else {}
    try:
        aws.client("dynamodb").put_item(TableName=table(), Item=item, ConditionExpression=condition, **compared)
    except Exception as error:
        if aws.code(error) != CONDITION_FAILED:
            raise
        return False
    return True


def stamp(seconds: float) -> str:
    """Write a time as the ledger does."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
