"""`inv promote.stop`: stop a promotion, and report how it ended."""

from __future__ import annotations

from stepladder.commands import promote
from stepladder.promotion import closing, outcome, stop
from stepladder.promotion.executions import Execution, StateMachine


def stopped(machine: StateMachine, execution: Execution, why: str) -> promote.PromotionRecord:
    """Stop a promotion and report it. A rollback is what was asked for; only one that failed is an error."""
    ended, end = stop.stop(machine, execution, why)
    result = promote.record(ended, end, "stopped", ended.input["digest"])
    if end.outcome == "rollback_failed":
        failure = outcome.failure(machine, ended, end)
        if failure:
            failure.record = dict(result)
            raise failure
    closing.show_undo(machine, closing.moved(machine, ended, end))
    endings = {
        "promoted": "it had succeeded before it could be stopped",
        "rolled_back": "rolled back, and verified",
        "refused": "nothing had moved",
    }
    machine.console.line(f"promotion {ended.name} is stopped: {endings.get(end.outcome, end.outcome)}")
    return result
