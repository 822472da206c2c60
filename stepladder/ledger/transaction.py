"""Writes to DynamoDB that happen together or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stepladder.core.aws import error_code
from stepladder.core.clock import Clock

TRANSACTION_CANCELLED = "TransactionCanceledException"
_PASSING = frozenset({"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_TRANSACTION = 30.0  # seconds that a transaction is tried again

Action = Mapping[str, Mapping[str, object]]
"""One action of TransactWriteItems: `Put`, `Delete` or `ConditionCheck` with its request."""


def transact(client: Any, clock: Clock, actions: Sequence[Action]) -> list[int]:
    """Write all or nothing; return the indices of the conditions that didn't hold, none when it was written.

    What passes by itself (a conflict with a renewal of the lock, a throttle) is tried again; anything else is
    raised. Reasons: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html.
    """
    last_error: Exception | None = None
    for _ in clock.polls(_TRANSACTION):
        try:
            client.transact_write_items(TransactItems=actions)
        except Exception as error:
            if error_code(error) != TRANSACTION_CANCELLED:
                raise
            reasons = [r.get("Code") for r in getattr(error, "response", {}).get("CancellationReasons", [])]
            failed = [index for index, reason in enumerate(reasons) if reason == "ConditionalCheckFailed"]
            if failed:
                return failed
            if not _PASSING.issuperset(reasons):
                raise
            last_error = error
        else:
            return []
    raise last_error or AssertionError("a loop of polls makes one turn at least")
