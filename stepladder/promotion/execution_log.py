"""What a state machine's executions did, as lines of a log: each target's phases, each failure and each end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from stepladder.aws_lambda.log_records import LogLine
from stepladder.core import aws
from stepladder.core.clock import passes_or_unreachable, retrying
from stepladder.core.cloud_clock import ClockReader, ClockReading
from stepladder.core.display import plain_cause
from stepladder.promotion import history
from stepladder.promotion.executions import Execution, ListedExecution, StateMachine
from stepladder.promotion.history import LadderView

SOURCE = "promotion"
_LISTED = 200
_PAGE = 1000
_RETRY_SECONDS = 120.0
_FAILURES = ("TaskFailed", "TaskTimedOut", "LambdaFunctionFailed", "LambdaFunctionTimedOut")
_POLLS = frozenset({"ScanPendingError", "StillRollingBackError", "StillWaitingError", "TransientError"})
"""Errors by which the definition waits: it retries them, and no person has to know."""
T = TypeVar("T")
_ENDS = ("ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut")


class ExecutionLog:
    """The executions of one state machine. Each call of `lines` yields what no earlier one has yielded.

    A local cloud's clock may run fast, and its functions' logs have real times: the executions' times are converted.
    """

    def __init__(self, machine: StateMachine) -> None:
        self._machine = machine
        self._clock = ClockReader(aws.endpoint(), every=0)
        self._views: dict[str, LadderView] = {}
        self._ended: set[str] = set()

    def lines(self, since: int) -> Iterator[LogLine]:
        """Yield the lines from `since` on (milliseconds), oldest first; none while there is no state machine."""
        clock = self._clock.read()
        lines = [line for listed in self._listed(since, clock) for line in self._lines(listed["executionArn"])]
        timed = (replace(line, time=_real(line.time, clock)) for line in lines)
        return iter(sorted((line for line in timed if line.time >= since), key=lambda line: line.time))

    def _listed(self, since: int, clock: ClockReading | None) -> list[ListedExecution]:
        """Return those that were under way at `since` or later and aren't known to the end."""
        listed = self._read(lambda: self._machine.executions(limit=_LISTED, may_be_missing=True))
        return [one for one in listed if one["executionArn"] not in self._ended and _stopped(one, clock) >= since]

    def _lines(self, arn: str) -> Iterator[LogLine]:
        if arn not in self._views:
            execution = self._read(lambda: self._machine.describe(arn))
            if execution is None:
                return
            self._views[arn] = _view(execution)
        view = self._views[arn]
        name = arn.rpartition(":")[2]
        for event in self._events(arn, view.seen):
            yield from _read(view, event, name)
            if view.end:
                self._ended.add(arn)

    def _events(self, arn: str, known: int) -> Iterator[Any]:
        """Yield the events after the one with the id `known`. They are read backwards, as most were read before."""
        request: dict[str, Any] = {"executionArn": arn, "includeExecutionData": False, "maxResults": _PAGE}
        fresh: list[Any] = []
        while True:
            page = self._read(lambda: self._machine.sfn.get_execution_history(reverseOrder=True, **request))
            fresh += [event for event in page["events"] if event["id"] > known]
            if not page.get("nextToken") or page["events"][-1]["id"] <= known + 1:
                break
            request["nextToken"] = page["nextToken"]
        return iter(sorted(fresh, key=lambda event: int(event["id"])))

    def _read(self, call: Callable[[], T]) -> T:
        """Read, and again while Step Functions is throttled or out of reach: whoever follows a log waits for it."""
        return retrying(call, self._machine.rung.clock, timeout=_RETRY_SECONDS, passes=passes_or_unreachable)


def _stopped(listed: Any, clock: ClockReading | None) -> float:
    stopped = listed.get("stopDate")
    return _real(int(stopped.timestamp() * 1000), clock) if stopped else float("inf")


def _real(milliseconds: int, clock: ClockReading | None) -> int:
    """Return the real time of a moment of the executions' clock."""
    if clock is None or clock.speed <= 0:
        return milliseconds
    return int((time.time() - (clock.now - milliseconds / 1000) / clock.speed) * 1000)


def _view(execution: Execution) -> LadderView:
    try:
        return LadderView.of(execution.input, execution.started)
    except (LookupError, TypeError, ValueError, AttributeError):  # a person may start one with any input
        return LadderView([])


def _read(view: LadderView, event: Any, name: str) -> Iterator[LogLine]:
    before = [target.phase for target in view.targets]
    history.apply_events(view, [event])
    kind = str(event["type"])
    details = next((value for key, value in event.items() if key.endswith("EventDetails")), None) or {}
    if kind == "ExecutionStarted":
        yield _line(event, name, f"started: {', '.join(target.environment for target in view.targets) or name}")
    for target, phase in zip(view.targets, before, strict=True):
        if target.phase != phase:
            failed = target.phase in history.FAILED
            yield _line(event, name, f"{target.environment}: {target.phase}", "ERROR" if failed else "INFO")
    if kind in _FAILURES and details.get("error") not in _POLLS:
        where = ", ".join(target.environment for target in history.targets_at(view, view.paths.get(event["id"], ())))
        yield _line(event, name, f"{where or 'promotion'}: {_cause(details)}", "WARNING", is_error=True)
    if kind in _ENDS:
        ended = kind.removeprefix("Execution").lower().replace("timedout", "timed out")
        cause = _cause(details)
        yield _line(event, name, f"{ended}: {cause}" if cause else ended, "ERROR")
    elif kind == "ExecutionSucceeded":
        yield _line(event, name, "ended")


def _cause(details: Any) -> str:
    parts = (str(details.get("error") or ""), plain_cause(str(details.get("cause") or "")))
    return ": ".join(part for part in parts if part)


def _line(event: Any, name: str, text: str, level: str = "INFO", *, is_error: bool = False) -> LogLine:
    origin = {"event_type": str(event["type"]), "event_id": f"{name}/{event['id']}"}
    moment = int(event["timestamp"].timestamp() * 1000)
    return LogLine(moment, SOURCE, text, level, (), name, is_error=is_error or level == "ERROR", origin=origin)
