"""How a climb ended: out of the execution's error and cause, or, when it was cut off, out of putting it in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from stepladder.display import shortened, unwrapped
from stepladder.errors import LockedError, RefusedError, RollbackFailedError, RolledBackError, StepladderError
from stepladder.promotion.desk import Desk, Execution
from stepladder.releases.clock import never_began, retrying

_OURS = {"RefusedBeforeTraffic": "refused", "RolledBack": "rolled_back", "RollbackFailed": "rollback_failed"}
_AGAIN = ("StillRollingBackError", "TransientError")
_WELL = {"succeeded", "unchanged", "untouched"}  # of a target that needed nothing, a climb elsewhere tells "unchanged"
_PIPELINE = "pipeline"  # stands for a target where the rollback function itself gave no answer
_PATIENCE = 900.0
_RUNS = 300.0  # seconds, the rollback function's timeout in terraform/modules/delivery


@dataclass(frozen=True)
class Verdict:
    """The end of a climb: promoted, refused, rolled_back or rollback_failed, and each target's part in it."""

    outcome: str
    targets: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def cause(self) -> str:
        """The first cause of the worst kind, in a sentence."""
        order = ("rollback_failed", "rolled_back", "failed", "refused")
        told = [(order.index(t["outcome"]), t) for t in self.targets if t.get("outcome") in order]
        # a sibling that was put back with its rung tells nothing of why
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
    """Judge an execution that has ended; one that was cut off is put in order first."""
    if execution.status == "SUCCEEDED":
        return Verdict("promoted", tuple(target for rung in execution.output or () for target in rung["targets"]))
    if execution.status == "FAILED" and execution.error in _OURS:
        return Verdict(_OURS[execution.error], tuple(_settled(execution.cause)))
    return settle(desk, execution)


def settle(desk: Desk, execution: Execution) -> Verdict:
    """Have the rollback function put back what a cut-off execution left; any number of times, by anybody."""
    client = desk.rung.aws.client("lambda", lasting=_RUNS)  # sent once: a slow settling must not run beside itself
    function = desk.rung.names.pipeline_function("rollback")
    payload = json.dumps({"action": "settle", "execution_arn": execution.arn}).encode()
    for _ in desk.rung.clock.polls(_PATIENCE):
        answer = retrying(
            lambda: client.invoke(FunctionName=function, Payload=payload),
            desk.rung.clock,
            timeout=60,
            passes=never_began,
        )
        body = json.loads(answer["Payload"].read() or b"null")
        if not answer.get("FunctionError"):
            if body["settled"]:
                return _sum_up(tuple(body["settled"]))
            # DescribeExecution is eventually consistent: there the execution is running still, and nothing was done
            error, cause = "StillRollingBackError", "the execution does not end"
            continue
        error, cause = str(body.get("errorType", "")), str(body.get("errorMessage", ""))
        if error not in _AGAIN:
            break
    return Verdict(
        "rollback_failed",
        ({"environment": _PIPELINE, "outcome": "rollback_failed", "error": error, "cause": cause},),
    )


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
        return RolledBackError(f"the climb was rolled back: {verdict.cause}", hint=f"{back}; {watch}")
    if verdict.outcome == "rollback_failed":
        return RollbackFailedError(
            f"the climb failed and so did its rollback: {verdict.cause}",
            hint=f"look now{_at(desk, execution)}; {_by_hand(verdict)}",
        )
    if verdict.is_locked:
        return LockedError(
            f"the climb was refused before any traffic moved: {verdict.cause}",
            hint=f"run `inv promote` again when that has ended; {watch}",
        )
    return RefusedError(
        f"the climb was refused before any traffic moved: {verdict.cause}",
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


def _sum_up(targets: tuple[Mapping[str, str], ...]) -> Verdict:
    """Sum up what was found of an execution that was cut off."""
    outcomes = {target["outcome"] for target in targets}
    for outcome in ("rollback_failed", "rolled_back"):
        if outcome in outcomes:
            return Verdict(outcome, targets)
    if outcomes <= _WELL and targets and targets[-1]["outcome"] != "untouched":
        return Verdict("promoted", targets)
    if outcomes <= _WELL:
        stopped = {"environment": "climb", "outcome": "failed", "error": "Stopped", "cause": "it was cut off"}
        return Verdict("refused", (*targets, stopped))
    return Verdict("refused", targets)
