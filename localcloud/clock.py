"""The clock that CodeDeploy, alarms and Wait states follow: real time, or faster.

At speed 600 a ten-minute canary takes a second. Cloud time never jumps: a change of speed counts from now on.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

FASTEST = 1_000_000.0
LATEST = datetime(3000, 1, 1, tzinfo=UTC).timestamp()  # far beyond, dates run out of years


def check(speed: float) -> float:
    """Return a speed that a clock can have. Raises `ValueError` for any other."""
    if not 0 < speed <= FASTEST:  # also refuses what is not a number at all
        raise ValueError(f"the clock's speed must be over 0 and at most {FASTEST:.0f}")
    return speed


class CloudClock:
    """Cloud time. `speed` is cloud seconds per real second, 1 at first."""

    def __init__(self, speed: float = 1.0) -> None:
        self._changed = threading.Condition()
        self._speed = check(speed)
        self._base = time.time()
        self._since = time.monotonic()
        self._timers: list[tuple[float, int, Callable[[], None], threading.Event]] = []
        self._numbers = itertools.count()

    @property
    def speed(self) -> float:
        """Cloud seconds that pass in a real second."""
        return self._speed

    def set_speed(self, speed: float) -> None:
        """Run faster or slower from now on. Whoever sleeps takes the new speed at once."""
        check(speed)
        with self._changed:
            self._base, self._since = self.now(), time.monotonic()
            self._speed = speed
            self._changed.notify_all()

    def catch_up(self, when: float) -> None:
        """Begin at the time that an earlier clock had reached. A time that is over changes nothing."""
        self.advance(max(0.0, when - self.now()))

    def advance(self, seconds: float) -> None:
        """Jump ahead: whoever sleeps until then wakes now. Raises `ValueError` for what is no time ahead."""
        if not (seconds >= 0 and self.now() + seconds <= LATEST):  # also refuses what is not a number at all
            raise ValueError("the clock can be advanced by a number of seconds from 0 on, up to the year 3000")
        with self._changed:
            self._base += seconds
            self._changed.notify_all()

    def now(self) -> float:
        """Return the cloud time in seconds since the epoch."""
        return self._base + (time.monotonic() - self._since) * self._speed

    def utcnow(self) -> datetime:
        """Return the cloud time as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.now(), UTC)

    def sleep(self, seconds: float, *, cancel: threading.Event | None = None) -> bool:
        """Sleep for `seconds` of cloud time. Return False when `cancel` was set meanwhile.

        `cancel` is read when the clock changes and at least every 50 ms.
        """
        deadline = self.now() + seconds
        with self._changed:
            while (left := deadline - self.now()) > 0:
                if cancel is not None and cancel.is_set():
                    return False
                real = left / self._speed
                self._changed.wait(min(real, 0.05) if cancel is not None else min(real, 3600))
        return not (cancel is not None and cancel.is_set())

    def call_later(self, seconds: float, call: Callable[[], None]) -> threading.Event:
        """Call `call` on a thread of its own after `seconds` of cloud time. Set the returned event to cancel.

        One thread waits for all of them: an execution's own time limit may be a week away.
        """
        cancel = threading.Event()
        with self._changed:
            if not self._timers:
                threading.Thread(target=self._wait_for_timers, daemon=True, name="clock-timers").start()
            heapq.heappush(self._timers, (self.now() + seconds, next(self._numbers), call, cancel))
            self._changed.notify_all()
        return cancel

    def _wait_for_timers(self) -> None:
        """Start what is due, until nothing is left to wait for."""
        while True:
            with self._changed:
                due, _, call, cancel = self._timers[0]
                left = due - self.now()
                if left > 0 and not cancel.is_set():
                    self._changed.wait(min(left / self._speed, 3600))
                    continue
                if not cancel.is_set():
                    threading.Thread(target=call, daemon=True, name="clock-call").start()
                heapq.heappop(self._timers)
                if not self._timers:
                    return
