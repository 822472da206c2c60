"""`inv promote.redrive`: resume a promotion that ended, and report it."""

from __future__ import annotations

from typing import Any

from stepladder.commands import promote
from stepladder.promotion import stop
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.watch import watch


def redriven(machine: StateMachine, execution: Execution, *, detach: bool) -> dict[str, Any]:
    """Resume a promotion and report it as `inv promote` does."""
    again = stop.redrive(machine, execution)
    verb = "goes on" if again.arn == execution.arn else "starts again"
    machine.console.line(f"the promotion {verb}: {again.name}")
    promote.show_link(machine, again.arn)
    if detach:
        return promote.record(again, None, "redriven", again.input["digest"])
    return promote.conclude(machine, *watch(machine, again), how="redriven")
