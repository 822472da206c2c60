"""That an environment is being destroyed, and the end of its items.

The record is written before anything is destroyed, in one write that also takes away what the ledger knew of the
applied service: so the next deploy applies all of it again. It is the last item of the environment that goes, and
whoever reads it before knows that a destroy was cut off.

The pipeline's functions know nothing of it, so it isn't in `schema.py`, which their packages carry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stepladder.core.aws import error_code
from stepladder.core.names import split_target
from stepladder.core.records import dataclass
from stepladder.ledger import environment_items
from stepladder.ledger.environment_items import ItemKind, attribute
from stepladder.ledger.items import NOT_FOUND, LedgerItems
from stepladder.ledger.snapshot import Holding
from stepladder.ledger.transaction import transact


@dataclass(frozen=True)
class Destruction:
    """That the destroying of an environment has begun."""

    owner: str = attribute("user and host who began it")
    since: str = attribute("when")
    command: str = attribute("what was typed, for a person")


DESTROY = ItemKind("that an environment is being destroyed", "env#{environment}", "destroy", Destruction)
_LAST = frozenset({"destroy", "lock"})
"""Sort keys of the items that go when everything else has gone."""


def begin(ledger: LedgerItems, environment: str, record: Destruction, holding: Holding) -> bool:
    """Record that the destroying begins, and forget what was applied; say whether the lock was still ours."""
    table = ledger.table
    held = {
        "TableName": table,
        "Key": environment_items.LOCK.key(environment=holding.environment),
        "ConditionExpression": "run_id = :mine",
        "ExpressionAttributeValues": {":mine": {"S": holding.run_id}},
    }
    return not transact(
        ledger.client,
        ledger.clock,
        [
            {"Put": {"TableName": table, "Item": environment_items.item(DESTROY.key(environment=environment), record)}},
            {"Delete": {"TableName": table, "Key": environment_items.SERVICE.key(environment=environment)}},
            {"ConditionCheck": held},
        ],
    )


def read(ledger: LedgerItems, environment: str) -> Destruction | None:
    """Return the record of a destroy that has begun and not ended; None without one, or without a table."""
    try:
        answer = ledger.client.get_item(
            TableName=ledger.table, Key=DESTROY.key(environment=environment), ConsistentRead=True
        )
    except Exception as error:
        if error_code(error) == NOT_FOUND:
            return None
        raise
    return environment_items.record(Destruction, answer.get("Item"))


def end(ledger: LedgerItems, environment: str) -> None:
    """Delete the record: the environment is gone, or is about to be made again."""
    ledger.client.delete_item(TableName=ledger.table, Key=DESTROY.key(environment=environment))


def items(ledger: LedgerItems, targets: Iterable[str]) -> Iterator[environment_items.Item]:
    """Yield every item of some targets of an environment: releases, what is current, runs of commands, locks."""
    for target in targets:
        for partition in (f"env#{target}", f"command#{target}"):
            yield from _partition(ledger, partition)


def delete(ledger: LedgerItems, targets: Iterable[str]) -> int:
    """Delete what `items` yields but for the lock and the record of the destroying; return how many."""
    deleted = 0
    for item in items(ledger, targets):
        if item["sk"]["S"] in _LAST:
            continue
        ledger.client.delete_item(TableName=ledger.table, Key={"pk": item["pk"], "sk": item["sk"]})
        deleted += 1
    return deleted


def targets(ledger: LedgerItems, environment: str) -> set[str]:
    """Return the keys of the functions of an environment that the ledger has an item of."""
    every = (partition.removeprefix("env#") for partition in ledger.partitions(f"env#{environment}"))
    return {each for each in every if split_target(each)[0] == environment}


def _partition(ledger: LedgerItems, partition: str) -> Iterator[environment_items.Item]:
    query = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": partition}}}
    for answer in ledger.pages("query", **query):
        yield from answer["Items"]
