"""How many calls of the function under test go out at once, so that our own traffic takes nobody's place.

A new account has a concurrency of 10 for all its functions together, and a function may have less reserved
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). A call that Lambda turns away never ran: it
says nothing of the version, but the alias's alarm counts it. So a fifth of what there is is used, and after a call that
was turned away the others go one by one.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from shared import aws

T = TypeVar("T")

MOST = 8
_LEAST_KNOWN = 10  # a new account's concurrency, assumed of one that doesn't say
_SHARE = 5
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds
_SERVER_ERROR = 500


class Limiter:
    """Lets so many calls through at once as the function has room for; sends again what never ran."""

    def __init__(self, function: str) -> None:
        self._width, self._busy = width(function), 0
        self._free = threading.Condition()
        self._given_up: Exception | None = None

    def __call__(self, act: Callable[[], T]) -> T:
        """Make one call. Once one was turned away every time, none of the others is sent again."""
        for pause in (*_PAUSES, None):
            try:
                return self._once(act)
            except (ClientError, BotoCoreError) as error:
                if not _passes(error):
                    raise
                self._width = 1
                if pause is None or self._given_up:
                    self._given_up = error
                    raise
            time.sleep(pause)
        raise AssertionError("the last pause is none")

    def _once(self, act: Callable[[], T]) -> T:
        with self._free:
            self._free.wait_for(lambda: self._busy < self._width)
            self._busy += 1
        try:
            return act()
        finally:
            with self._free:
                self._busy -= 1
                self._free.notify_all()


def width(function: str) -> int:
    """Return how many calls may go out at once: a fifth of the account's or the function's concurrency, 1 to 8."""
    try:
        answer = aws.client("lambda").get_function(FunctionName=function)
        reserved = (answer.get("Concurrency") or {}).get("ReservedConcurrentExecutions")
        room = _account() if reserved is None else int(reserved)
    except (ClientError, BotoCoreError, KeyError):
        room = _LEAST_KNOWN
    return max(1, min(MOST, room // _SHARE))


@functools.cache
def _account() -> int:
    return int(aws.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"])


def _passes(error: ClientError | BotoCoreError) -> bool:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return aws.code(error) in aws.THROTTLES or status >= _SERVER_ERROR
    return not isinstance(error, ReadTimeoutError)
