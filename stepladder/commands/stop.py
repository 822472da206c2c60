"""`inv promote.stop`: stop a promotion, and report how it ended."""

from __future__ import annotations

from typing import Any

from stepladder.commands import promote
from stepladder.promotion import closing, outcome, stop
from stepladder.promotion.executions import Desk, Execution


def stopped(desk: Desk, execution: Execution, why: str) -> dict[str, Any]:
    """Stop a promotion and report it. A rollback is what was asked for; only one that failed is an error."""
    ended, judged = stop.stop(desk, execution, why)
    result = promote.record(ended, judged, "stopped", ended.input["digest"])
    if judged.outcome == "rollback_failed":
        failure = outcome.failure(desk, ended, judged)
        if failure:
            failure.record = result
            raise failure
    closing.show_undo(desk, closing.moved(desk, ended, judged))
    endings = {
        "promoted": "it had succeeded before it could be stopped",
        "rolled_back": "rolled back, and verified",
        "refused": "nothing had moved",
    }
    desk.console.line(f"promotion {ended.name} is stopped: {endings.get(judged.outcome, judged.outcome)}")
    return result
