"""`inv logs`: function, the pipeline's functions and the state machine of an environment in one time line."""

from __future__ import annotations

import contextlib
import heapq
import json
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Protocol

from stepladder.aws_lambda.log_group import LogGroup
from stepladder.aws_lambda.log_records import LogLine
from stepladder.core import interrupt
from stepladder.core import since as moments
from stepladder.core.clock import Clock
from stepladder.core.console import Console
from stepladder.core.display import harmless, one_line
from stepladder.core.errors import InterruptedRunError, NotReadyError
from stepladder.promotion.execution_log import ExecutionLog
from stepladder.promotion.executions import StateMachine
from stepladder.releases import restore
from stepladder.releases.rung import Rung
from stepladder.settings.functions import MAIN, given

DEFAULT_SINCE = "15m"
PIPELINE = ("validate", "verify", "rollback", "relay")
_EVERY = 2.0  # seconds between two reads with --follow
_COLOURS = ("cyan", "green", "yellow")
FUNCTION = "function"
_OTHERS = frozenset({"promotion", *PIPELINE})
_SOURCE = max(map(len, (FUNCTION, *_OTHERS)))
_ID = 8  # characters of a request's id that distinguish it
_LEVEL = 5
_SHORT = {"CRITICAL": "CRIT", "WARNING": "WARN"}


class LogSource(Protocol):
    """What has lines: those from `since` on (milliseconds) that it hasn't yielded yet, nearly in order."""

    def lines(self, since: int) -> Iterator[LogLine]:
        """Yield them."""
        ...


class TimeLine:
    """Several sources as one. Prints what it reads; `errors` only errors, `whole` also what Lambda itself wrote."""

    def __init__(
        self, sources: Sequence[LogSource], console: Console, *, errors: bool = False, whole: bool = False
    ) -> None:
        self._sources = sources
        self._console = console
        self._errors, self._whole = errors, whole

    def print_new(self, since: int) -> int:
        """Print the lines from `since` on that were not printed yet, and return how many."""
        count = 0
        with ThreadPoolExecutor(len(self._sources), thread_name_prefix="logs") as pool:
            begun = list(pool.map(lambda source: _begun(source.lines(since)), self._sources))
        for line in heapq.merge(*begun, key=lambda line: line.time):
            if self._is_wanted(line):
                self._print(line)
                count += 1
        return count

    def _is_wanted(self, line: LogLine) -> bool:
        if self._errors:
            return line.is_error
        return self._whole or not line.platform or bool(line.message)

    def _print(self, line: LogLine) -> None:
        if self._console.as_json:
            self._console.json_line({"time": _iso(line.time), **line.record()})
            return
        if self._whole and line.platform:
            line = replace(line, message=line.raw)
        for text in rendered(line, self._console):
            self._console.data(text)


def show(
    rung: Rung,
    functions: Sequence[str] = (),
    *,
    since: str = "",
    follow: bool = False,
    errors: bool = False,
    whole: bool = False,
) -> None:
    """Print what was logged `since` then, and with `follow` what comes, until a person ends it.

    `functions` are what `--function` says; without one it is the project's own.
    """
    began = int(moments.seconds(since or DEFAULT_SINCE, rung.clock.now()) * 1000)
    names = list(dict.fromkeys(given(rung.settings, flag) for flag in functions or [""]))
    rungs = [rung.of_function(name) for name in names]
    groups = [
        LogGroup(rung.aws.client("logs"), each.names.log_group, _source(name, names), clock=rung.clock)
        for name, each in zip(names, rungs, strict=True)
    ]
    for each, group in zip(rungs, groups, strict=True):
        _check(each, group)
    pipeline = [
        LogGroup(rung.aws.client("logs"), f"/aws/lambda/{rung.names.pipeline_function(verb)}", verb, clock=rung.clock)
        for verb in PIPELINE
    ]
    line = TimeLine([*groups, *pipeline, ExecutionLog(StateMachine(rung))], rung.console, errors=errors, whole=whole)
    if follow:
        _follow(line, began, rung.clock)
    elif not line.print_new(began) and not rung.console.as_json:
        what = "no errors" if errors else "nothing"
        where = ", ".join(each.target for each in rungs)
        rung.console.line(f"{what} since {_iso(began)} in {where}; `--since` begins earlier")


def _source(name: str, names: Sequence[str]) -> str:
    """Return what a function's lines are shown under: its name, where several are shown."""
    return name or MAIN if len(names) > 1 else FUNCTION


def _follow(line: TimeLine, began: int, clock: Clock) -> None:
    with interrupt.noted() as interrupted, contextlib.suppress(KeyboardInterrupt):
        while not interrupted.is_set():
            line.print_new(began)
            clock.sleep(_EVERY)
    raise InterruptedRunError("")  # how this ends: nothing needs to be explained


def _check(rung: Rung, group: LogGroup) -> None:
    """Refuse an environment that was never deployed, and one whose log group is gone."""
    if group.exists():
        return
    if rung.function.read() is None:
        raise restore.nothing_live(rung)
    raise NotReadyError(
        f"{rung.target} has no log group {group.name}",
        kind="log-group-missing",
        hint=f"deploying makes it: `inv deploy {rung.flags}`",
    )


def rendered(line: LogLine, console: Console) -> list[str]:
    """Return a line as a person reads it: time, source with its version, request, level, message; then the stack."""
    source = f"{line.source} {line.version}" if line.version and line.source not in _OTHERS else line.source
    head = [
        console.paint_data(_iso(line.time), "dim"),
        console.paint_data(f"{source:<{_SOURCE + 4}}", _colour(line)),
        console.paint_data(f"{_short_id(line) or '-':<{_ID}}", "dim"),
        console.paint_data(
            f"{_SHORT.get(line.level, one_line(line.level)[:_LEVEL]) or '-':<{_LEVEL}}", _colour_of(line)
        ),
    ]
    message, *more = harmless(line.message) or [""]
    extra = "" if line.platform else "  ".join(f"{key}={_short(value)}" for key, value in line.fields.items())
    text = f"{' '.join(head)} {message}" + (f"  {console.paint_data(extra, 'dim')}" if extra else "")
    stack = (text for each in line.stack for text in harmless(each))
    return [text.rstrip(), *(f"    {each}" for each in more), *(console.paint_data(f"    {s}", "dim") for s in stack)]


def _begun(lines: Iterator[LogLine]) -> Iterator[LogLine]:
    """Read the first line now, so that all sources are read at once."""
    first = next(lines, None)
    return iter(()) if first is None else chain([first], lines)


def _short_id(line: LogLine) -> str:
    """Return what distinguishes a request: the beginning of a UUID, the end of an execution's name."""
    text = one_line(line.request_id)
    return text[-_ID:] if line.source == "promotion" else text[:_ID]


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return one_line(text)


def _colour(line: LogLine) -> str:
    if line.source not in _OTHERS:
        return "bold"
    return "cyan" if line.source == "promotion" else _COLOURS[zlib.crc32(line.source.encode()) % len(_COLOURS)]


def _colour_of(line: LogLine) -> str:
    if line.is_error and line.level != "WARNING":
        return "red"
    return {"WARNING": "yellow", "WARN": "yellow", "DEBUG": "dim", "INFO": "green"}.get(line.level, "")


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
