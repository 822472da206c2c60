"""What the commands around a climb report: a stopped one and one that was taken up."""

from __future__ import annotations

from typing import Any

from stepladder.commands import promote
from stepladder.promotion import closing, outcome, stop
from stepladder.promotion.executions import Desk, Execution
from stepladder.promotion.watch import watch


def stopped(desk: Desk, execution: Execution, why: str) -> dict[str, Any]:
    """Stop a climb and report it. A rollback is what was asked for; only one that failed is an error."""
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


def redriven(desk: Desk, execution: Execution, *, detach: bool) -> dict[str, Any]:
    """Take a climb up and report it as `inv promote` does."""
    again = stop.redrive(desk, execution)
    verb = "goes on" if again.arn == execution.arn else "starts again"
    desk.console.line(f"the promotion {verb}: {again.name}")
    promote.show_link(desk, again.arn)
    if detach:
        return promote.record(again, None, "redriven", again.input["digest"])
    return promote.conclude(desk, *watch(desk, again), how="redriven")
