"""The first exception that a version raised, from the function's log: why an alarm or a smoke case stopped it.

Reading it needs `logs:FilterLogEvents`. Without the permission, the headline says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stepladder.core import aws
from stepladder.core.clock import seconds_of
from stepladder.core.display import one_line
from stepladder.promotion.executions import Execution, StateMachine

FRAMES = 2  # of the traceback, the last ones: where it was raised, and who called that
_PATTERN = '?ERROR ?Traceback ?errorType ?"Task timed out"'
_PAGES = 20  # of at most a megabyte; a log that has more is left
_MARGIN = 120.0  # seconds around the release: clocks differ
_WIDEST = 200
_NAMED = 80  # characters of an exception by which a cause names it
_TASK = r'File ".*?/var/task/'  # the user's own files need no more than their names in the project
_CANARY = frozenset({"rolled_back", "rollback_failed"})
_TESTED = "SmokeFailedError"
_MANY = 10  # targets of which each log is read


@dataclass(frozen=True)
class LoggedException:
    """An exception of a version: a headline, the exception itself and the last frames of its traceback."""

    environment: str
    version: str
    lines: tuple[str, ...]
    headline: str


def find(machine: StateMachine, execution: Execution, targets: tuple[Mapping[str, str], ...]) -> list[LoggedException]:
    """Read the log of each target whose version was rolled back, or failed its smoke cases before traffic.

    Of many targets the logs of the first that failed themselves are enough.
    """
    functions = {target["environment"]: target["function"] for target in execution.targets}
    blamed = [
        target["environment"]
        for target in targets
        if target.get("outcome") in _CANARY or target.get("error") == _TESTED
        if target["environment"] in functions
        if len(targets) <= _MANY or target.get("error") != "SiblingFailed"  # it was put back with its rung
    ]
    return [logged for key in blamed[:_MANY] for logged in _of(machine, execution, key, functions[key])]


def _of(machine: StateMachine, execution: Execution, environment: str, function: str) -> Iterator[LoggedException]:
    try:
        release = machine.at(environment).ledger.find(environment, execution.input["release_id"])
        if release is None or not release.version:
            return
        version = release.version
        logs = machine.at(environment).aws.client("logs")
        times = release.started_at, release.ended_at
        event = first(logs, f"/aws/lambda/{function}", version, *times, cause=release.cause)
    except Exception as error:
        explained = aws.explain(error)
        if explained is None:
            raise
        if aws.error_code(error) != "ResourceNotFoundException":  # there is no log before the first call
            yield LoggedException(
                environment, "", (), f"the log of {environment} could not be read: {explained.message}"
            )
        return
    if event is None:
        return
    raised, frames = read(event["message"])
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    headline = f"the first exception of version {version} on {environment}, at {at:%H:%M:%S} UTC:"
    yield LoggedException(environment, version, (raised, *frames), headline)


def _window(began: str, ended: str) -> dict[str, int]:
    """Return the time window that is searched; empty in a local cloud, and without an end that isn't known.

    A local cloud's releases may have simulated times while its log is in real time. The version alone decides then.
    """
    if aws.endpoint():
        return {}
    first_time, last_time = seconds_of(began), seconds_of(ended)
    window = {"startTime": int((first_time - _MARGIN) * 1000)} if first_time else {}
    return window | ({"endTime": int((last_time + _MARGIN) * 1000)} if last_time else {})


def first(
    client: Any, group: str, version: str, began: str, ended: str, *, cause: str = "", traffic: float = 0.0
) -> dict[str, Any] | None:
    """Return the event of a version that is the likeliest exception, between two times of the ledger; None without one.

    A smoke case may expect an exception, before traffic. So an exception that the `cause` names comes first, then what
    was raised since `traffic` began (seconds; 0 for unknown), then what was raised most often, and then the oldest. A
    local cloud's clock is another than its log's: there what was raised last is the likeliest of what had traffic.
    """
    kinds: dict[str, list[dict[str, Any]]] = {}
    for event in _events(client, group, version, _window(began, ended)):
        kinds.setdefault(read(event["message"])[0], []).append(event)
    is_local = bool(aws.endpoint())
    since = 0.0 if is_local else traffic * 1000

    def rank(raised: str) -> tuple[bool, bool, int, int, int]:
        times = [int(event["timestamp"]) for event in kinds[raised]]
        last = -max(times) if is_local and traffic else 0
        return raised[:_NAMED] not in cause, max(times) < since, last, -len(times), min(times)

    likeliest = min(kinds, key=rank, default=None)
    return None if likeliest is None else min(kinds[likeliest], key=lambda event: int(event["timestamp"]))


def _events(client: Any, group: str, version: str, window: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yield the events of a version that are exceptions. Its log streams have its number in brackets in their names."""
    request: dict[str, Any] = {"logGroupName": group, "filterPattern": _PATTERN, **window}
    for _ in range(_PAGES):
        answer = client.filter_log_events(**request)
        for event in answer["events"]:
            if f"[{version}]" in event["logStreamName"] and is_exception(event["message"]):
                yield event
        if not answer.get("nextToken"):
            return
        request["nextToken"] = answer["nextToken"]


def is_exception(message: str) -> bool:
    """Return whether a log line is what Lambda's runtime writes for a call that failed."""
    record = _json(message)
    if record:
        return bool(record.get("errorType") or record.get("stackTrace"))
    return message.lstrip().startswith("[ERROR]") or "Task timed out after" in message or "Traceback (" in message


def read(message: str) -> tuple[str, tuple[str, ...]]:
    """Return the exception and the last frames of its traceback, from a text or JSON line of Lambda's log."""
    record = _json(message)
    if record:
        stack = record.get("stackTrace") or []
        kind, text = str(record.get("errorType") or ""), str(record.get("errorMessage") or record.get("message") or "")
        raised = f"{kind}: {text}" if kind and text else kind or text
        lines = "\n".join(map(str, stack)).split("\n")
    else:
        lines = message.replace("\r", "\n").split("\n")
        raised = next((line for line in lines if line.strip()), "")
        if "Traceback (" in raised and len(lines) > 1:  # printed by the handler itself: the exception is the last line
            raised = next((line for line in reversed(lines) if line.strip()), raised)
        raised = raised.strip().removeprefix("[ERROR]").strip()
        if "Task timed out" in raised:
            raised = raised[raised.index("Task timed out") :]
    return _short(raised), tuple(_frames(lines))


def _frames(lines: list[str]) -> Iterator[str]:
    """Yield the last frames: each a line that names a file, and the code below it."""
    starts = [number for number, line in enumerate(lines) if line.lstrip().startswith('File "')]
    for number in starts[-FRAMES:]:
        yield _short(re.sub(_TASK, 'File "', lines[number].strip()))
        code = lines[number + 1] if number + 1 < len(lines) else ""
        if code[:1].isspace() and not code.lstrip().startswith(('File "', "^", "~")):
            yield f"  {_short(code.strip())}"


def _short(line: str) -> str:
    text = one_line(line)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _json(message: str) -> dict[str, Any]:
    if not message.lstrip().startswith("{"):
        return {}
    try:
        value = json.loads(message)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
