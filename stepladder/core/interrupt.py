"""Ctrl-C, noted as well as raised: Python drops an exception that comes while it finalises an object, and prints it."""

from __future__ import annotations

import contextlib
import signal
import sys
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

    def drop(unraisable: sys.UnraisableHookArgs) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):  # that one is noted
            hook(unraisable)

    before, hook = signal.signal(signal.SIGINT, note), sys.unraisablehook
    sys.unraisablehook = drop
    try:
        yield interrupted
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, before)
