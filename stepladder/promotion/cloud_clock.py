"""Whose clock a promotion's times are of: AWS's, or a local cloud's, which may run faster or slower than real time."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from stepladder.core import endpoints

_SECONDS = 2.0
_PAGE = "/_stepladder/clock"


@dataclass(frozen=True)
class Reading:
    """The clock of a local cloud: its time in seconds since the epoch, and how many pass in a real one."""

    now: float
    speed: float


class CloudClock:
    """Reads the clock of the local cloud that the environment points at; AWS has none to read."""

    def __init__(self, endpoint: str = "", *, every: float = 0.5) -> None:
        self._url = endpoint if endpoints.is_local_cloud(endpoint) else ""
        self._every = every
        self._asked = 0.0

    @property
    def is_local(self) -> bool:
        """Whether a local cloud is asked, as far as is known."""
        return bool(self._url)

    def read(self, monotonic: Callable[[], float] = time.monotonic) -> Reading | None:
        """Return the clock; None for AWS's, another emulator's, and when it was read just now."""
        if not self._url or (self._asked and monotonic() - self._asked < self._every):
            return None
        self._asked = monotonic()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self._url.rstrip('/')}{_PAGE}", timeout=_SECONDS) as answer:
                told = json.load(answer)
            return Reading(float(told["now"]), float(told["speed"]))
        except (OSError, ValueError, KeyError, TypeError):  # gone for a moment, or something else than our own cloud
            return None
