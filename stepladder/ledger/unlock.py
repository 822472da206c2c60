"""Remove an environment's lock: its holder gives it back, or a person takes it away from one that can't."""

from __future__ import annotations

from typing import Any

from stepladder.core.aws import error_code
from stepladder.ledger import schema
from stepladder.ledger.items import CONDITION_FAILED
from stepladder.ledger.table import Ledger


def remove(ledger: Ledger, environment: str, run_id: str, *, keep: bool) -> bool:
    """Remove exactly this run's lock; say whether it was still its.

    `keep` is for a lock that names a version which the ledger may not know: it stays for whoever comes next, and holds
    nobody up. A holder that lives finds its lock lost before its next change.
    """
    request: dict[str, Any] = {
        "TableName": ledger.table,
        "Key": schema.LOCK.key(environment=environment),
        "ConditionExpression": "run_id = :mine",
        "ExpressionAttributeValues": {":mine": {"S": run_id}},
    }
    try:
        if keep:
            request["ExpressionAttributeValues"] |= {":ended": {"N": "0"}}
            ledger.client.update_item(UpdateExpression="SET expires = :ended", **request)
        else:
            ledger.client.delete_item(**request)
    except Exception as error:
        if error_code(error) != CONDITION_FAILED:
            raise
        return False
    return True
