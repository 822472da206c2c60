"""Read a promotion's history as the states that each target came to: which, when, and with what error.

Pure: events go in, oldest first. A Map Run's iterations are events of the same history (`merged_history`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from stepladder.promotion import definition, history
from stepladder.promotion.contract import ExecutionInput
from stepladder.promotion.history import LadderView, Path, Target
from stepladder.promotion.history_events import HistoryEvent
from stepladder.promotion.state_names import current
from stepladder.report.story import TargetPhase, Visit, Weight

TURNS = frozenset(
    {
        *("ChildCutOff", "ChildTimedOut", "DeploymentFailed", "DeploymentInFlight", "DeploymentTimedOut"),
        *("RecordingFailed", "RecoverRung", "RefuseRung", "Refused", "RestoreFailed", "RollBackTarget"),
        "ShiftTimedOut",
    }
)
"""States that a target comes to only when something before them failed."""
_SILENT = frozenset({"Choice", "Pass"})  # kinds of states in which nothing can fail
_WENT_WELL = ("TaskSucceeded", "LambdaFunctionSucceeded")
_IN_ITERATION = 2


class VisitReader:
    """The visits and the view of one execution's history. `key` is the target of a child execution."""

    def __init__(self, started_with: ExecutionInput, began: float = 0.0) -> None:
        self.view = LadderView.of(started_with, began)
        self.visits: list[Visit] = []
        self._open: dict[Path, int] = {}

    def read(self, events: Iterable[HistoryEvent]) -> None:
        """Take in events, oldest first."""
        for event in events:
            history.apply_events(self.view, [event])
            self._take(event, self.view.paths[event["id"]])

    def _take(self, event: HistoryEvent, path: Path) -> None:
        kind, when = event["type"], event["timestamp"].timestamp()
        if kind.endswith("StateEntered"):
            name = current(event["stateEnteredEventDetails"]["name"])
            self._open[path] = len(self.visits)
            self.visits.append(Visit(name, tuple(step[0] for step in path), self._key(path), when))
            return
        number = self._open.get(path)
        if number is None:
            return
        visit = self.visits[number]
        if kind.endswith("StateExited"):
            self.visits[number] = replace(visit, left=when)
        elif kind in _WENT_WELL:
            self.visits[number] = replace(visit, error="", cause="")
        elif kind == "TaskScheduled" and visit.error:
            self.visits[number] = replace(visit, tries=visit.tries + 1)
        elif (failure := _failure(event)) is not None:
            self.visits[number] = replace(visit, error=failure[0], cause=failure[1])

    def _key(self, path: Path) -> str:
        if len(path) < _IN_ITERATION:
            return ""
        targets = history.targets_at(self.view, path)
        return targets[0].environment if len(targets) == 1 else ""


def _failure(event: HistoryEvent) -> tuple[str, str] | None:
    """Return error and cause of an event that says that something failed."""
    if not event["type"].endswith(("Failed", "TimedOut")):
        return None
    details: Any = next((value for key, value in event.items() if key.endswith("EventDetails")), None) or {}
    error = str(details.get("error") or "")
    if not error and event["type"].endswith("TimedOut"):
        error = "States.Timeout"
    return error, str(details.get("cause") or "")


@functools.cache
def kinds() -> dict[tuple[tuple[str, ...], str], str]:
    """Return the kind of each state of the definition, by its scope and name."""
    return {(state.scope, state.name): state.kind for state in definition.states(definition.load())}


def failed(visits: Iterable[Visit]) -> Visit | None:
    """Return the state in which a target turned: the last one with work in it before it was refused or rolled back."""
    before: Visit | None = None
    for visit in visits:
        if visit.state in TURNS:
            return before
        if kinds().get((visit.scope, visit.state), "Task") not in _SILENT:
            before = visit
    return None


def open_states(visits: Iterable[Visit]) -> tuple[Visit, ...]:
    """Return the states that were never left, without the Maps around them: where an execution was when it ended."""
    left = [visit for visit in visits if not visit.left]
    around = {name for visit in left for name in visit.scope}
    return tuple(visit for visit in left if visit.state not in around)


def phases(target: Target, now: float) -> tuple[TargetPhase, ...]:
    """Return a target's phases, oldest first; the last one lasts until it ended, or until now."""
    at, result = target.began, []
    for phrase, seconds in target.past:
        result.append(TargetPhase(phrase, at, seconds))
        at += seconds
    if target.phase:
        result.append(TargetPhase(target.phase, target.since, max(0.0, (target.ended or now) - target.since)))
    return tuple(result)


def weights(target: Target, moves: Iterable[float]) -> tuple[Weight, ...]:
    """Return the new version's share over time, as the promotion set it.

    `moves` are the times at which the state machine itself moved it.
    """
    times = sorted(moves)
    began = {phase.phrase: phase.at for phase in reversed(phases(target, target.since))}
    whole = target.baked or began.get(history.VERIFYING, 0.0)
    steps: list[Weight] = []
    if times:
        steps = [Weight(at, width / 100) for at, (width, _) in zip(times, target.shift.widths, strict=False)]
    elif first := began.get(history.FIRST_MOVE):
        steps = [Weight(first, 1.0)]
    elif target.shifted:
        steps = _by_config(target, whole)
    end = began.get(history.ROLLING_BACK, 0.0)
    if steps and end:
        steps = [*(step for step in steps if step.at < end), Weight(end, 0.0)]
    return tuple(steps)


def _by_config(target: Target, whole: float) -> list[Weight]:
    """Return the steps of a CodeDeploy deployment up to when it had all traffic, or to where its history ends."""
    shift, first = target.shift, target.shifted
    every = shift.minutes * 60
    last = whole or target.turned or target.since
    if shift.kind == "canary":
        steps = [Weight(first, shift.percent / 100)]
        return [*steps, Weight(whole, 1.0)] if whole else steps
    if shift.kind == "linear" and every:
        count = min(100 // shift.percent, int((last - first) // every) + 1)
        steps = [
            Weight(first + number * every, min(1.0, (number + 1) * shift.percent / 100)) for number in range(count)
        ]
        return [*(step for step in steps if not whole or step.at < whole), *([Weight(whole, 1.0)] if whole else [])]
    return [Weight(first, 1.0)]
