"""One thread that says of long steps, now and then, that they go on; it ends when there are none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

BEAT = 30.0  # seconds between two lines of a step
_TURN = 1.0  # seconds between two looks


@dataclass(eq=False, repr=False)
class _Entry:
    say: Callable[[], None]
    due: float


class Pulse:
    """The steps under way, of all consoles: a thread for each would cost more than most steps do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[object, _Entry] = {}
        self._beats = False

    def add(self, step: object, say: Callable[[], None]) -> None:
        """Call `say` every `BEAT` seconds until the step is removed."""
        with self._lock:
            self._entries[step] = _Entry(say, time.monotonic() + BEAT)
            if not self._beats:
                self._beats = True
                threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def remove(self, step: object) -> None:
        """Forget a step; nothing is said of it any more once this returns."""
        with self._lock:
            del self._entries[step]

    def _run(self) -> None:
        while True:
            time.sleep(_TURN)
            with self._lock:
                if not self._entries:
                    self._beats = False
                    return
                now = time.monotonic()
                for entry in [entry for entry in self._entries.values() if entry.due <= now]:
                    entry.due = now + BEAT
                    entry.say()


PULSE = Pulse()
