"""Try a request again: full jitter, Retry-After, a deadline, and an error that says how often.

Why full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import errno
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3

from stepladder.core.errors import StepladderError

ATTEMPTS = 7
_OFFLINE_ATTEMPTS = 3
"""Of a host that never answered, while there is no network or no name for it: a person waits for a second, not ten."""
_OFFLINE = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH})
TRANSIENT = (408, 429, 500, 502, 503, 504)
"""Statuses that pass by themselves."""
_BASE_DELAY, _MAX_DELAY, _MAX_RETRY_AFTER = 0.2, 8.0, 60.0


sleep = time.sleep
"""Tests put another one here."""


class RegistryError(StepladderError):
    """The registry said no, or couldn't be talked to.

    `status` is the HTTP status, 0 without an answer; `code` the distribution API's error code.
    """

    kind = "registry"

    def __init__(self, message: str, *, hint: str = "", status: int = 0, code: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status, self.code = status, code


class Again(Exception):  # noqa: N818 - not an error yet
    """Something passing: try again, after at least `after` seconds. `offline`: no packet reached the host."""

    def __init__(self, message: str, *, status: int = 0, after: float = 0.0, offline: bool = False) -> None:
        super().__init__(message)
        self.status, self.after, self.offline = status, after, offline


class Attempt:
    """One attempt under way; `number` counts from 1."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.failure: Again | None = None


def attempts(what: str, *, limit: int = ATTEMPTS, deadline: float = 600.0, answered: bool = True) -> Iterator[Attempt]:
    """Yield attempts, each to be used under `guard`, until one ends without a passing failure.

    A host that has not `answered` before is given up sooner when there is no network. Raises `RegistryError` after
    `limit` attempts, or when the next one would begin after `deadline` seconds.
    """
    ends = time.monotonic() + deadline
    for number in range(1, limit + 1):
        attempt = Attempt(number)
        yield attempt
        failure = attempt.failure
        if failure is None:
            return
        delay = random.uniform(0, min(_MAX_DELAY, _BASE_DELAY * 2**number))  # noqa: S311 - jitter, not a secret
        delay = max(delay, min(failure.after, _MAX_RETRY_AFTER))
        if failure.offline and not answered:
            limit = min(limit, _OFFLINE_ATTEMPTS)
        else:
            answered = True  # a packet came back
        if number >= limit or time.monotonic() + delay > ends:
            tries = f"{number} times" if number > 1 else "once"
            raise RegistryError(
                f"{failure} (tried {tries}: {what})",
                hint="run the same command again: what has arrived is not sent again",
                status=failure.status,
            )
        sleep(delay)


@contextmanager
def guard(attempt: Attempt, host: str) -> Iterator[None]:
    """Note passing failures (`Again`, cut connections, timeouts) in the attempt; let everything else out."""
    try:
        yield
    except Again as failure:
        attempt.failure = failure
    except urllib3.exceptions.SSLError as error:
        raise RegistryError(
            f"{host} can't be trusted: {_reason(error)}",
            hint="behind a proxy that opens TLS, name its authority in `AWS_CA_BUNDLE`",
        ) from None
    except (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError) as error:
        attempt.failure = Again(f"{host} can't be talked to: {_reason(error)}", offline=_is_offline(error))


def _is_offline(error: BaseException) -> bool:
    """Say whether a request never left this machine: no name, or no way to the host."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, urllib3.exceptions.NameResolutionError) or getattr(cause, "errno", None) in _OFFLINE:
            return True
        cause = cause.__cause__
    return False


def _reason(error: BaseException) -> str:
    """Say in words why a request failed; urllib3's own text holds object addresses."""
    text = str(error.__cause__ or error)
    text = re.sub(r"<[^>]*>:?\s*|\(?host='[^']*', port=\d+\)?:?\s*", "", text)
    return text.splitlines()[0][:160] if text else type(error).__name__
