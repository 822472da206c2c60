"""The outcome of a promotion, from its execution's error and cause, or from its recovery if it was cut off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from stepladder.core.aws import error_code
from stepladder.core.display import shortened, unwrapped
from stepladder.core.errors import LockedError, RefusedError, RollbackFailedError, RolledBackError, StepladderError
from stepladder.core.names import flags_of
from stepladder.promotion.contract import ENDS
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.releases.ended_promotion import recover

# A child execution says "unchanged" of a target that needed nothing.
_UNHARMED = {"succeeded", "unchanged", "untouched"}
_SHOWN = 5  # commands of a hint
_PIPELINE = "pipeline"  # stands for a target where the rollback function itself gave no answer
_EXECUTION = "climb"  # stands for the promotion itself: the name that `--json` has had since 0.1.0


@dataclass(frozen=True)
class PromotionOutcome:
    """How a promotion ended. `outcome` is promoted, refused, rolled_back or rollback_failed.

    Each of `targets` has the keys environment, outcome, error and cause.
    """

    outcome: str
    targets: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def cause(self) -> str:
        """The first cause of the worst outcome, as a sentence."""
        order = ("rollback_failed", "rolled_back", "failed", "refused")
        causes = [(order.index(t["outcome"]), t) for t in self.targets if t.get("outcome") in order]
        # a sibling that was restored with its rung is not the cause
        causes = [pair for pair in causes if pair[1].get("error") != "SiblingFailed"] or causes
        if not causes:
            return "no cause was recorded"
        worst = min(causes, key=lambda pair: pair[0])[1]
        subject = "promotion" if worst["environment"] == _EXECUTION else worst["environment"]
        return f"{subject}: {shortened(sentence(worst.get('error', ''), worst.get('cause', '')))}"

    @property
    def is_locked(self) -> bool:
        """Whether a lock that somebody else holds is the only reason of a refusal."""
        errors = {t.get("error", "") for t in self.targets if t.get("outcome") in {"refused", "failed"}}
        return self.outcome == "refused" and errors - {"SiblingFailed"} == {"LockedError"}


def read_end(machine: StateMachine, execution: Execution) -> PromotionOutcome:
    """Return the outcome of an execution that has ended. One that was cut off is recovered first."""
    if execution.status == "SUCCEEDED":
        return PromotionOutcome("promoted", targets_of(execution))
    if execution.status == "FAILED" and execution.error in ENDS:
        return PromotionOutcome(ENDS[execution.error], targets_of(execution))
    return recover_cut_off(machine, execution)


def targets_of(execution: Execution) -> tuple[Mapping[str, str], ...]:
    """Return how targets ended, as an execution that has ended itself says it: of one that failed, of its last rung."""
    if execution.status == "SUCCEEDED":
        released = (target for rung in execution.output or () for target in rung["targets"])
        return tuple({key: str(value) for key, value in target.items()} for target in released)
    return tuple(_targets_of(execution.cause)) if execution.error in ENDS else ()


def recover_cut_off(machine: StateMachine, execution: Execution) -> PromotionOutcome:
    """Recover what a cut-off execution left, by the rollback function.

    Safe to repeat and to run at the same time as others.
    """
    rung = machine.rung
    recovery = recover(rung.aws, rung.names.pipeline_function("rollback"), execution.arn, rung.clock)
    if not recovery.error:
        return _sum_up(recovery.targets, execution.error, execution.cause)
    stuck = {"environment": _PIPELINE, "outcome": "rollback_failed", "error": recovery.error, "cause": recovery.cause}
    return PromotionOutcome("rollback_failed", (stuck,))


def free_locks(machine: StateMachine, execution: Execution) -> None:
    """Recover the locks that an ended execution still holds.

    An error of AWS becomes a warning, since the promotion's own outcome matters more.
    """
    try:
        held = machine.snapshots([target["environment"] for target in execution.targets])
        for key, snapshot in held.items():
            holder = snapshot.lock
            # what recovers it is in its own location; all locks of an execution are recovered at once
            if holder and holder.run_id == execution.arn:
                machine.at(key).recover(holder)
                return
    except Exception as error:
        if not error_code(error):
            raise
        machine.console.warn(f"whether the promotion gave its locks back can't be seen ({error_code(error)})")


def failure(machine: StateMachine, execution: Execution, end: PromotionOutcome) -> StepladderError | None:
    """Return the error for an outcome, with its exit code; None for promoted."""
    watch = f"how it went: `inv promote.watch --name {execution.name}`"
    if end.outcome == "promoted":
        return None
    if end.outcome == "rolled_back":
        kept = [target["environment"] for target in end.targets if target.get("outcome") == "succeeded"]
        back = "every target of the rung is verified to serve what it did before"
        if kept:  # its release was recorded before another's record failed
            back = f"{', '.join(kept)} keeps the release; every other target of the rung serves what it did before"
        return RolledBackError(f"the promotion was rolled back: {end.cause}", hint=f"{back}; {watch}")
    if end.outcome == "rollback_failed":
        return RollbackFailedError(
            f"the promotion failed and so did its rollback: {end.cause}",
            hint=f"act now{_at(machine, execution)}; {_by_hand(end)}",
        )
    if end.is_locked:
        return LockedError(
            f"the promotion was refused before any traffic moved: {end.cause}",
            kind="promotion-refused",
            hint=f"run `inv promote` again when that has ended; {watch}",
        )
    return RefusedError(
        f"the promotion was refused before any traffic moved: {end.cause}",
        kind="promotion-refused",
        hint=f"fix that, then run `inv promote` again; {watch}",
    )


def _at(machine: StateMachine, execution: Execution) -> str:
    link = machine.link(execution.arn)
    return f": {link}" if link else f": `inv status`, `inv promote.watch --name {execution.name}`"


def _by_hand(end: PromotionOutcome) -> str:
    """Name the command that restores each alias whose rollback failed."""
    stuck = [t["environment"] for t in end.targets if t.get("outcome") == "rollback_failed"]
    commands = [f"`inv rollback {flags_of(key)}`" for key in stuck if key != _PIPELINE]
    more = f" and so on, for {len(commands)} functions," if len(commands) > _SHOWN else ""
    named = f"{' and '.join(commands[:_SHOWN]) or '`inv rollback`'}{more}"
    return f"{named} puts {'them' if len(commands) > 1 else 'an alias'} back by hand"


def sentence(error: str, cause: str) -> str:
    """Return a cause as a sentence, with the error's name unless the cause contains it."""
    text = unwrapped(cause)
    return f"{text} ({error})" if error and error not in text else text or error


def _targets_of(cause: str) -> list[Mapping[str, str]]:
    try:
        targets = json.loads(cause)
    except ValueError:
        return [{"environment": _EXECUTION, "outcome": "failed", "error": "", "cause": cause}]
    return [target for target in targets if isinstance(target, dict)]


def _sum_up(targets: tuple[Mapping[str, str], ...], error: str = "", cause: str = "") -> PromotionOutcome:
    """Return the outcome of a cut-off execution from its recovered targets, and its own error and cause."""
    outcomes = {target["outcome"] for target in targets}
    for outcome in ("rollback_failed", "rolled_back"):
        if outcome in outcomes:
            return PromotionOutcome(outcome, targets)
    if outcomes <= _UNHARMED and targets and targets[-1]["outcome"] != "untouched":
        return PromotionOutcome("promoted", targets)
    if outcomes <= _UNHARMED:
        stopped = {"environment": _EXECUTION, "outcome": "failed", "error": error or "Stopped"}
        stopped["cause"] = cause or "it was cut off"
        return PromotionOutcome("refused", (*targets, stopped))
    return PromotionOutcome("refused", targets)
