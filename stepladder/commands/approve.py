"""`inv promote.approve`: the approval at once, or as a CI job gives it, which waits before and afterwards."""

from __future__ import annotations

from stepladder.commands.promote import conclude
from stepladder.core.names import target_key
from stepladder.promotion.approval import await_request, decide
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.subjects import promoted
from stepladder.promotion.watch import watch


def approve(machine: StateMachine, name: str, rung: str, why: str) -> None:
    """Approve what waits now."""
    _approve(machine, machine.pick(name, running=True), rung, why)


def approve_and_watch(machine: StateMachine, name: str, rung: str, why: str) -> None:
    """Wait until a promotion asks, approve, and watch it to its end; raise what isn't success.

    People may let a job go on before the promotion asks, or long after it has ended. Without a name, an ended promotion
    counts only if it was of what the lowest rung runs now: otherwise nothing was started for this commit, because there
    was nothing to promote.
    """
    execution = machine.pick(name)
    if not execution.is_running and not name and not _is_current(machine, execution):
        machine.console.line("nothing waits for approval: no promotion of what the lowest rung runs was needed")
        return
    if execution.is_running and await_request(machine, execution, rung):
        _approve(machine, execution, rung, why)
    conclude(machine, *watch(machine, execution))


def _approve(machine: StateMachine, execution: Execution, rung: str, why: str) -> None:
    question = decide(machine, execution, rung, why, approve=True)
    machine.console.line(f"approved {question.rung} as {question.decided_by}; watch it: `inv promote.watch`")


def _is_current(machine: StateMachine, execution: Execution) -> bool:
    lowest = machine.settings.rungs[0][0]
    digests = {target_key(lowest, name): digest for name, digest in promoted(execution.input).items()}
    currents = {key: snapshot.current for key, snapshot in machine.snapshots(tuple(digests)).items()}
    return all(current and current.digest == digests[key] for key, current in currents.items())
