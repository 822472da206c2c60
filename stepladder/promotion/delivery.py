"""The ledger's record of the delivery root: the state machine and its functions."""

from __future__ import annotations

from typing import Any

from stepladder.core.aws import error_code
from stepladder.core.clock import stamp
from stepladder.ledger import schema
from stepladder.ledger.items import CONDITION_FAILED
from stepladder.ledger.schema import InfraRecord
from stepladder.releases.rung import Rung

ROOT = "delivery"
_KEY = schema.ROOT.key(root=ROOT)


def read(rung: Rung) -> InfraRecord | None:
    """Return the record of the last apply; None before the first."""
    answer = rung.ledger.client.get_item(TableName=rung.ledger.table, Key=_KEY, ConsistentRead=True)
    return schema.record(InfraRecord, answer.get("Item"))


def record(rung: Rung, inputs_hash: str, plan_id: str, *, was: InfraRecord | None = None) -> None:
    """Record an apply, if the ledger still has the record that was read before it (`was`).

    Terraform's lock of its state is the only lock of the delivery root. When the record has changed, two applies ran at
    the same time, and either may have been the last. The record then gets an empty hash. So the next promotion plans.
    """
    infra = InfraRecord(input_hash=inputs_hash, plan_id=plan_id, applied_at=stamp(rung.clock.now()))
    condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
    if was:
        condition = {
            "ConditionExpression": "applied_at = :was",
            "ExpressionAttributeValues": {":was": {"S": was.applied_at}},
        }
    try:
        rung.ledger.client.put_item(TableName=rung.ledger.table, Item=schema.item(_KEY, infra), **condition)
    except Exception as error:
        if error_code(error) != CONDITION_FAILED:
            raise
        unknown = InfraRecord(input_hash="", plan_id=plan_id, applied_at=infra.applied_at)
        rung.ledger.client.put_item(TableName=rung.ledger.table, Item=schema.item(_KEY, unknown))
