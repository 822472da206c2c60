"""Ctrl-C, noted as well as raised: Python drops an exception that comes while it finalises an object."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def noted() -> Iterator[threading.Event]:
    """Yield an event that SIGINT sets before it raises `KeyboardInterrupt`. In the main thread only."""
    interrupted = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
