"""Hold the cloud's clock in the middle of a canary until enough visitors have met the new version.

A canary lasts five minutes of the cloud's clock, and an alarm judges whole minutes of it. On a fast clock those are
seconds, in which a busy machine serves hardly a call; so chance would decide whether anybody notices a broken version.
Held, the minute lasts until enough was seen, however slow this machine is.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from localcloud.daemon import CloudInfo
from stepladder.core.errors import StepladderError
from stepladder.demo.traffic import Count, Visitor

ENOUGH = 10  # calls that met the new version; the alarm judges no minute with fewer calls
REAL_TIME, HELD = 1.0, 0.05  # speeds; held, a minute lasts twenty

_RATE = 6  # percent of the calls; the alarm fires at 5, the canary gets 10
_OTHERS = 15  # calls that visitors don't count: synthetic traffic, and theirs that were under way
_MINUTE = 60.0
_PATIENCE = 240.0  # seconds in which enough must have met it; a canary in real time lasts 300
_ALARMED = 30.0  # seconds for the alarm to end the canary, with the clock held
_POLL = 0.1


class Hold:
    """Within its block a canary goes on only when enough visitors met the new version; `speed` before and after.

    `is_over` says whether the canary has ended.
    """

    def __init__(self, cloud: CloudInfo, visitor: Visitor, is_over: Callable[[], bool], speed: float) -> None:
        self._cloud, self._visitor, self._is_over, self._speed = cloud, visitor, is_over, speed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._seen = Count()
        self._how = "no visitor met the new version"

    def __enter__(self) -> Self:
        self._clock(speed=REAL_TIME)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_ALARMED)

    def summary(self) -> str:
        """Say how the canary went, as far as visitors know."""
        return f"{self._how} (of {self._seen.calls} calls in that minute {self._seen.met} met it)"

    def _watch(self) -> None:
        try:
            self._hold()
        except Exception as error:  # noqa: BLE001 - whatever it is, the promotion's end is printed, and this with it
            self._how = f"the clock could not be held: {error}"
        finally:
            with contextlib.suppress(StepladderError):  # the cloud may have ended before us
                self._clock(speed=self._speed)

    def _hold(self) -> None:
        if not self._until(lambda: self._visitor.count.met > 0, _PATIENCE):
            return
        now = self._clock(speed=HELD)["now"]
        self._clock(advance=_MINUTE - now % _MINUTE)  # a minute that has no call from before the canary
        before = self._visitor.count

        def enough() -> bool:
            self._seen = self._visitor.count.since(before)
            return self._seen.met >= ENOUGH and 100 * self._seen.met >= _RATE * (self._seen.calls + _OTHERS)

        self._how = "too few visitors met the new version"
        if not self._until(lambda: enough() or self._is_over(), _PATIENCE):
            return
        self._how = "visitors met the new version"
        self._clock(advance=_MINUTE)  # the minute is over; whoever waits looks at the alarms now
        if self._until(self._is_over, _ALARMED):
            self._how = "the canary ended once visitors had met the new version"

    def _until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds; False when that takes too long, or the promotion has ended before."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline or self._stop.wait(_POLL):
                return False
        return True

    def _clock(self, **order: float) -> Any:
        return self._cloud.request("clock", "POST", order)
