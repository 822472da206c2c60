"""What the interpreter works with: tries of tasks, branches, checkpoints. And the small rules of states."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.services.stepfunctions.asl.errors import StateError, runtime_error
from localcloud.services.stepfunctions.asl.paths import Scope

DATA_LIMIT = 262_144  # bytes
_TOKEN_START = 64  # characters of 48 random bytes
NO_TIMEOUT = 99_999_999.5  # seconds: longer than the longest that a state may name
Where = tuple[str | int, ...]
"""The place of a branch: names of states and numbers of iterations, from the outside in."""


@dataclass
class Task:
    """One try of a Task state. `timeout` and `heartbeat` are cloud seconds."""

    name: str
    resource: str
    parameters: Any
    timeout: float
    heartbeat: float | None
    context: dict[str, Any]
    previous: int
    abort: threading.Event


@dataclass
class Checkpoint:
    """Where a branch is: at a state with its input, or done with an output."""

    state: str
    data: Any
    variables: dict[str, Any] = field(default_factory=dict)
    done: bool = False


@dataclass
class Branch:
    """One chain of states: the machine itself, a branch of a Parallel, an iteration of a Map."""

    where: Where
    machine: Mapping[str, Any]
    context: dict[str, Any]
    variables: dict[str, Any]
    abort: threading.Event
    previous: int = 0


class LinkedEvent(threading.Event):
    """Set when it is set itself or the outer one is."""

    def __init__(self, outer: threading.Event) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        """Say whether either is set."""
        return super().is_set() or self._outer.is_set()


def select(path: str | None, scope: Scope) -> Any:
    """Return what InputPath or OutputPath selects. Null selects an empty object."""
    if path is None:
        return {}
    return scope.data if path == "$" else scope.get(path)


def quantity(state: Mapping[str, Any], key: str, scope: Scope) -> float | None:
    """Return a number that a state gives itself or by a path (`<key>Path`). None when it gives none."""
    value = scope.get(state[f"{key}Path"]) if f"{key}Path" in state else state.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise runtime_error(f"{key} must be a number, not {value!r}")
    return None if value is None else float(value)


def matching(rules: list[Mapping[str, Any]] | None, error: StateError) -> int | None:
    """Return the number of the first retrier or catcher that an error is meant for."""
    for number, rule in enumerate(rules or ()):
        names = rule["ErrorEquals"]
        if error.error in names or ("States.ALL" in names and error.catchable_by_all):
            return number
        if "States.TaskFailed" in names and error.error != "States.Timeout" and error.catchable_by_all:
            return number
    return None


def delay(retrier: Mapping[str, Any], tries: int) -> float:
    """Return the cloud seconds to wait before the next try, after `tries` retries."""
    seconds: float = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** tries
    seconds = min(seconds, retrier.get("MaxDelaySeconds", seconds))
    return random.uniform(0, seconds) if retrier.get("JitterStrategy") == "FULL" else seconds  # noqa: S311 - no secret


def check_size(data: Any, name: str) -> None:
    """Raise States.DataLimitExceeded for a result of a state or a task that is too large."""
    if len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()) > DATA_LIMIT:
        reason = "returned a result with a size exceeding the maximum number of bytes service limit."
        raise StateError("States.DataLimitExceeded", f"The state/task '{name}' {reason}")


def new_token() -> str:
    """Return a task token. Its last part is a checksum, so that an invented token is recognised."""
    import secrets

    start = secrets.token_urlsafe(48)
    return start + _token_end(start)


def is_token(text: str) -> bool:
    """Say whether a token was ever given out, by this process or one before it."""
    start, end = text[:_TOKEN_START], text[_TOKEN_START:]
    return _token_end(start) == end


def _token_end(start: str) -> str:
    return hashlib.sha256(f"stepladder {start}".encode()).hexdigest()[:16]


def stamp(at: datetime) -> str:
    """Write a time as the context object does."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
