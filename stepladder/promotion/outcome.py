"""How a promotion ended: out of the execution's error and cause, or, when it was cut off, out of its recovery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from stepladder.core.aws import error_code
from stepladder.core.display import shortened, unwrapped
from stepladder.core.errors import LockedError, RefusedError, RollbackFailedError, RolledBackError, StepladderError
from stepladder.promotion.executions import Desk, Execution
from stepladder.releases.ended_promotion import recover

_OURS = {"RefusedBeforeTraffic": "refused", "RolledBack": "rolled_back", "RollbackFailed": "rollback_failed"}
_WELL = {"succeeded", "unchanged", "untouched"}  # of a target that needed nothing, a child execution says "unchanged"
_PIPELINE = "pipeline"  # stands for a target where the rollback function itself gave no answer


@dataclass(frozen=True)
class Verdict:
    """The end of a promotion: promoted, refused, rolled_back or rollback_failed, and each target's part in it."""

    outcome: str
    targets: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def cause(self) -> str:
        """The first cause of the worst kind, in a sentence."""
        order = ("rollback_failed", "rolled_back", "failed", "refused")
        told = [(order.index(t["outcome"]), t) for t in self.targets if t.get("outcome") in order]
        # a sibling that was restored with its rung does not say why
        told = [pair for pair in told if pair[1].get("error") != "SiblingFailed"] or told
        if not told:
            return "no cause was recorded"
        worst = min(told, key=lambda pair: pair[0])[1]
        return f"{worst['environment']}: {shortened(sentence(worst.get('error', ''), worst.get('cause', '')))}"

    @property
    def is_locked(self) -> bool:
        """Whether nothing but somebody else's lock stood in the way."""
        errors = {t.get("error", "") for t in self.targets if t.get("outcome") in {"refused", "failed"}}
        return self.outcome == "refused" and errors - {"SiblingFailed"} == {"LockedError"}


def judge(desk: Desk, execution: Execution) -> Verdict:
    """Judge an execution that has ended; one that was cut off is recovered first."""
    if execution.status == "SUCCEEDED":
        released = (target for rung in execution.output or () for target in rung["targets"])
        return Verdict("promoted", tuple({key: str(value) for key, value in target.items()} for target in released))
    if execution.status == "FAILED" and execution.error in _OURS:
        return Verdict(_OURS[execution.error], tuple(_settled(execution.cause)))
    return settle(desk, execution)


def settle(desk: Desk, execution: Execution) -> Verdict:
    """Have the rollback function recover what a cut-off execution left; any number of times, by anybody."""
    rung = desk.rung
    found = recover(rung.aws, rung.names.pipeline_function("rollback"), execution.arn, rung.clock)
    if not found.error:
        return _sum_up(found.targets, execution.error, execution.cause)
    stuck = {"environment": _PIPELINE, "outcome": "rollback_failed", "error": found.error, "cause": found.cause}
    return Verdict("rollback_failed", (stuck,))


def free_locks(desk: Desk, execution: Execution) -> None:
    """Have locks given back that an ended execution could not give back itself. What fails here hides no end."""
    try:
        for target in execution.targets:
            rung = desk.at(target["environment"])
            holder = rung.ledger.snapshot(rung.environment).lock
            if holder and holder.run_id == execution.arn and not rung.recover(holder):  # else one of its own place's
                return
    except Exception as error:
        if not error_code(error):
            raise
        desk.console.warn(f"whether the promotion gave its locks back can't be seen ({error_code(error)})")


def failure(desk: Desk, execution: Execution, verdict: Verdict) -> StepladderError | None:
    """Return the error that a verdict is, with its exit code; None for promoted."""
    watch = f"how it went: `inv promote.watch --name {execution.name}`"
    if verdict.outcome == "promoted":
        return None
    if verdict.outcome == "rolled_back":
        kept = [target["environment"] for target in verdict.targets if target.get("outcome") == "succeeded"]
        back = "every target of the rung is verified to serve what it did before"
        if kept:  # its release was recorded before another's failed at that
            back = f"{', '.join(kept)} keeps the release; every other target of the rung serves what it did before"
        return RolledBackError(f"the promotion was rolled back: {verdict.cause}", hint=f"{back}; {watch}")
    if verdict.outcome == "rollback_failed":
        return RollbackFailedError(
            f"the promotion failed and so did its rollback: {verdict.cause}",
            hint=f"act now{_at(desk, execution)}; {_by_hand(verdict)}",
        )
    if verdict.is_locked:
        return LockedError(
            f"the promotion was refused before any traffic moved: {verdict.cause}",
            kind="promotion-refused",
            hint=f"run `inv promote` again when that has ended; {watch}",
        )
    return RefusedError(
        f"the promotion was refused before any traffic moved: {verdict.cause}",
        kind="promotion-refused",
        hint=f"fix that, then run `inv promote` again; {watch}",
    )


def _at(desk: Desk, execution: Execution) -> str:
    link = desk.link(execution.arn)
    return f": {link}" if link else f": `inv status`, `inv promote.watch --name {execution.name}`"


def _by_hand(verdict: Verdict) -> str:
    """Name the command that puts each alias back that isn't known to be."""
    stuck = [t["environment"] for t in verdict.targets if t.get("outcome") == "rollback_failed"]
    commands = [f"`inv rollback --env {name}`" for name in stuck if name != _PIPELINE]
    return (
        f"{' and '.join(commands) or '`inv rollback`'} puts {'them' if len(commands) > 1 else 'an alias'} back by hand"
    )


def sentence(error: str, cause: str) -> str:
    """Return the sentence in a cause, with the error's name where it doesn't say that."""
    text = unwrapped(cause)
    return f"{text} ({error})" if error and error not in text else text or error


def _settled(cause: str) -> list[Mapping[str, str]]:
    try:
        told = json.loads(cause)
    except ValueError:
        return [{"environment": "climb", "outcome": "failed", "error": "", "cause": cause}]
    return [target for target in told if isinstance(target, dict)]


def _sum_up(targets: tuple[Mapping[str, str], ...], error: str = "", cause: str = "") -> Verdict:
    """Sum up what was found of an execution that was cut off, with the error and cause that it ended with."""
    outcomes = {target["outcome"] for target in targets}
    for outcome in ("rollback_failed", "rolled_back"):
        if outcome in outcomes:
            return Verdict(outcome, targets)
    if outcomes <= _WELL and targets and targets[-1]["outcome"] != "untouched":
        return Verdict("promoted", targets)
    if outcomes <= _WELL:
        stopped = {"environment": "climb", "outcome": "failed", "error": error or "Stopped"}
        stopped["cause"] = cause or "it was cut off"
        return Verdict("refused", (*targets, stopped))
    return Verdict("refused", targets)
