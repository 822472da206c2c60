"""`inv promote.audit`: judge a promotion that has been, by each promise. Reads only."""

from __future__ import annotations

from typing import Any

from stepladder.core.display import plain
from stepladder.core.errors import NotReadyError, StepladderError
from stepladder.promotion.audit import HELD, UNKNOWN, VIOLATED, Judged, judge
from stepladder.promotion.evidence import Evidence, read
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.settings import previews

_MARKS = {HELD: ("✓", "green"), VIOLATED: ("✗", "red"), UNKNOWN: ("?", "yellow")}


def audit(machine: StateMachine, name: str = "", environment: str = "") -> dict[str, Any]:
    """Print one line for each promise and return the record; `name` is empty for the newest promotion.

    Raises `StepladderError` (1) when a promise is violated, `NotReadyError` (6) when none is and one is unknown, and
    `BadInputError` (2) for a promotion or an environment that there isn't.
    """
    if environment:
        previews.refuse(environment, "be part of a promotion")
        machine.rung.settings.environment(environment)
    execution = machine.pick(name)
    evidence = read(machine, execution, environment)
    judged = judge(evidence)
    record = _record(execution, evidence, judged)
    for one in judged:
        _show(machine, one)
    failure = _failure(execution, judged)
    if failure:
        failure.record = record
        raise failure
    return record


def _show(machine: StateMachine, one: Judged) -> None:
    mark, colour = _MARKS[one.state]
    machine.console.line(f"{machine.console.paint(mark, colour)} {one.invariant.number} {one.invariant.sentence}")
    for seen in (one.seen, *one.more):
        machine.console.line(
            machine.console.paint(f"    {one.state}: {plain(seen)}", "" if one.state == HELD else colour)
        )


def _failure(execution: Execution, judged: tuple[Judged, ...]) -> StepladderError | None:
    broken = [one for one in judged if one.state == VIOLATED]
    unknown = [one for one in judged if one.state == UNKNOWN]
    if broken:
        numbers = ", ".join(str(one.invariant.number) for one in broken)
        return StepladderError(
            f"promotion {execution.name} violated {len(broken)} of {len(judged)} promises: {numbers}",
            kind="promise-violated",
            hint="`inv status` shows what serves now; nothing was changed by this command",
        )
    if unknown:
        return NotReadyError(
            f"{len(unknown)} of {len(judged)} promises are unknown of promotion {execution.name}: {unknown[0].seen}",
            kind="promise-unknown",
            hint=f"run `inv promote.audit {execution.name}` again after that",
        )
    return None


def _record(execution: Execution, evidence: Evidence, judged: tuple[Judged, ...]) -> dict[str, Any]:
    return {
        "execution_arn": execution.arn,
        "name": execution.name,
        "release_id": evidence.execution.release_id,
        "end": evidence.end,
        "steps": evidence.steps,
        "environments": list(evidence.rungs),
        "promises": [
            {
                "number": one.invariant.number,
                "kind": one.invariant.kind,
                "sentence": one.invariant.sentence,
                "state": one.state,
                "seen": [one.seen, *one.more],
            }
            for one in judged
        ],
    }
