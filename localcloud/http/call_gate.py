"""A gate that all calls pass, and that is closed for the moment in which the state is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONG = frozenset(
    {
        ("lambda", "Invoke"),
        ("lambda", "InvokeWithResponseStream"),
        ("sqs", "ReceiveMessage"),
        ("stepfunctions", "GetActivityTask"),
        ("stepfunctions", "StartSyncExecution"),
    }
)
"""Calls that wait for others. They pass beside the gate; the calls that they make pass it."""


class CallGate:
    """Calls pass side by side, also calls inside calls. `closed` waits for those under way and keeps the next out."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0
        self._closing = False
        self._own = threading.local()

    @contextmanager
    def passing(self, service: str, action: str) -> Iterator[None]:
        """Pass with one call. Inside another call of the same thread it waits for nothing."""
        depth = getattr(self._own, "depth", 0)
        if depth or (service, action) in LONG:
            yield
            return
        with self._condition:
            while self._closing:
                self._condition.wait()
            self._inside += 1
        self._own.depth = 1
        try:
            yield
        finally:
            self._own.depth = 0
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    @contextmanager
    def closed(self, seconds: float) -> Iterator[bool]:
        """Keep calls out for a block. Yield False when those under way take longer than that."""
        end = time.monotonic() + seconds
        with self._condition:
            while self._closing:  # somebody else's block
                self._condition.wait()
            self._closing = True
            while self._inside and time.monotonic() < end:
                self._condition.wait(end - time.monotonic())
            is_closed = not self._inside
            if not is_closed:
                self._closing = False
                self._condition.notify_all()
        try:
            yield is_closed
        finally:
            if is_closed:
                with self._condition:
                    self._closing = False
                    self._condition.notify_all()
