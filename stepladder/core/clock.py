"""Time, injected, so that tests of waits and deadlines take no time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from stepladder.core.aws import error_code, is_unreachable
from stepladder.core.records import dataclass

POLL_FIRST = 0.07  # seconds; botocore's waiters ask every 1 or 5 s, which dominates a release
POLL_MOST = 2.0
CONFLICTS = frozenset({"ResourceConflictException"})
THROTTLES = frozenset({"TooManyRequestsException", "ThrottlingException", "ThrottledException", "Throttling"})
_NOT_READY = frozenset({"EC2ThrottledException", "ResourceNotReadyException", "SnapStartNotReadyException"})
_SERVER_ERROR = 500

T = TypeVar("T")


@dataclass(frozen=True)
class Clock:
    """The monotonic clock, sleep and wall time. Tests pass their own functions."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random

    def polls(self, timeout: float) -> Iterator[int]:
        """Yield 0, 1, 2, ... with growing pauses between, until `timeout` seconds have passed.

        A loop over it that runs out has met its deadline; the last poll always comes after the last pause.
        """
        end = self.monotonic() + timeout
        pause = POLL_FIRST
        turn = 0
        while True:
            yield turn
            left = end - self.monotonic()
            if left <= 0:
                return
            self.sleep(min(pause, left))
            pause = min(pause * 1.5, POLL_MOST)
            turn += 1


def stamp(seconds: float) -> str:
    """Write a time (epoch seconds) as the ledger does: ISO 8601, UTC, whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(stamped: str) -> float:
    """Read a time of the ledger back to epoch seconds; 0 for an unreadable one."""
    try:
        return datetime.fromisoformat(stamped).timestamp()
    except ValueError:
        return 0.0


def ago(stamped: str, now: float) -> str:
    """Say how long ago a time of the ledger was: 42 s, 5 min, 3 h, 12 d."""
    passed = max(0.0, now - seconds_of(stamped))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if passed >= size:
            return f"{int(passed // size)} {unit}"
    return f"{int(passed)} s"


def passes(error: Exception) -> bool:
    """Say whether an error is one that goes away by waiting: a conflict, a throttle, a server error."""
    if error_code(error) in CONFLICTS | THROTTLES:
        return True
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return False
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return bool(status >= _SERVER_ERROR)


def is_throttled(error: Exception) -> bool:
    """Say whether a call was turned away because there were too many."""
    return error_code(error) in THROTTLES


def never_began(error: Exception) -> bool:
    """Say whether an invocation was turned away before the function ran, so that it may be sent again.

    A server error or a lost answer says nothing of that. Codes: Lambda's
    https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors.
    """
    return error_code(error) in CONFLICTS | THROTTLES | _NOT_READY or is_unreachable(error, unsent=True)


def passes_or_unreachable(error: Exception) -> bool:
    """Say whether a *read* is worth repeating: AWS out of reach counts too; a request to act may have got through."""
    return passes(error) or is_unreachable(error)


def retrying(call: Callable[[], T], clock: Clock, *, timeout: float, passes: Callable[[Exception], bool] = passes) -> T:
    """Call until it succeeds, retrying what `passes` says goes away by waiting to a deadline, with full jitter.

    Lambda answers 409 (ResourceConflictException) while another update is under way, the commonest failure of real
    deployments, and no SDK retries it. Only error codes decide. Raises the last error when `timeout` seconds are over.
    Backoff after https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    end = clock.monotonic() + timeout
    most = 0.2
    while True:
        try:
            return call()
        except Exception as error:
            if not passes(error) or clock.monotonic() >= end:
                raise
        clock.sleep(clock.jitter() * most)
        most = min(most * 2, 5.0)
