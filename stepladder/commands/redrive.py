"""`inv promote.redrive`: resume a promotion that ended, and report it."""

from __future__ import annotations

from stepladder.commands import promote
from stepladder.promotion import infra, stop
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.held import check_free, check_secrets
from stepladder.promotion.subjects import promoted
from stepladder.promotion.watch import watch


def redriven(machine: StateMachine, execution: Execution, *, detach: bool) -> promote.PromotionRecord:
    """Resume a promotion and report it as `inv promote` does."""
    if stop.may_resume(machine, execution):
        again, verb = _resumed(machine, execution), "goes on"
    else:
        again, verb = _restarted(machine, execution), "starts again"
    machine.console.line(f"the promotion {verb}: {again.name}")
    promote.show_link(machine, again.arn)
    if detach:
        return promote.record(again, None, "redriven", again.input["digest"])
    return promote.conclude(machine, *watch(machine, again), how="redriven")


def _resumed(machine: StateMachine, execution: Execution) -> Execution:
    """Go on where the promotion was cut off. No change of the pipeline can reach it, so that is said."""
    if infra.is_pipeline_behind(machine):
        machine.console.warn(
            "the state machine or its functions have changes that were not applied, and a promotion that goes on keeps "
            "those that it began with"
        )
        machine.console.hint("to start again with the changes: `inv promote.stop`, then `inv promote`")
    return stop.resume(machine, execution)


def _restarted(machine: StateMachine, execution: Execution) -> Execution:
    """Start from the beginning, with a changed pipeline applied first, as `inv promote` does."""
    digests = promoted(execution.input)
    check_free(machine, tuple(digests))
    check_secrets(machine, tuple(digests))
    infra.prepare(machine, (), digests)
    return stop.restart(machine, execution)
