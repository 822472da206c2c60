"""The clock of a local cloud, which may run faster or slower than real time."""

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
class ClockReading:
    """A local cloud's time in seconds since the epoch, and how many of its seconds pass in a real one."""

    now: float
    speed: float


class ClockReader:
    """Reads the clock of the local cloud behind an endpoint. AWS has no such page, and is never asked."""

    def __init__(self, endpoint: str = "", *, every: float = 0.5) -> None:
        self._url = endpoint if endpoints.is_local_cloud(endpoint) else ""
        self._every = every
        self._last_read = 0.0

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is a local cloud's."""
        return bool(self._url)

    def read(self, monotonic: Callable[[], float] = time.monotonic) -> ClockReading | None:
        """Return the clock; None for AWS, for another emulator, and within `every` seconds of the last read."""
        if not self._url or (self._last_read and monotonic() - self._last_read < self._every):
            return None
        self._last_read = monotonic()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self._url.rstrip('/')}{_PAGE}", timeout=_SECONDS) as answer:
                values = json.load(answer)
            return ClockReading(float(values["now"]), float(values["speed"]))
        except (OSError, ValueError, KeyError, TypeError):  # not reachable now, or another emulator
            return None
