"""A response that reaches its reader while the function still writes it.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html. The invocation runs on a thread of
its own; the reader gets each piece as it comes. A reader that goes away doesn't end the function, as on AWS.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from localcloud.launchers.runtime_api import InvocationOutcome

if TYPE_CHECKING:
    from localcloud.services.lambda_.execution.engine import Invoked

_WAITING = 64  # pieces that are kept for a slow reader before the function has to wait
_POLL_SECONDS = 0.5


class ResponseStream:
    """The pieces of one response. The runtime's side calls `begin` and `write`, the invocation's end is `end`."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._abandoned = threading.Event()
        self._known = threading.Event()
        self._content_type: str | None = None
        self._invoked: Invoked | None = None
        self._error: Exception | None = None

    def begin(self, content_type: str) -> Callable[[bytes], None]:
        """Take the content type of a response that is streamed; return what takes its pieces."""
        self._content_type = content_type
        self._known.set()
        return self._put

    def run(self, invoke: Callable[[], Invoked]) -> None:
        """Run the invocation and end the stream with it."""
        try:
            self._invoked = invoke()
        except Exception as error:  # noqa: BLE001 - the reader raises it
            self._error = error
        self._known.set()
        self._put(None)

    def start(self, invoke: Callable[[], Invoked]) -> str | None:
        """Start the invocation; return the content type of a streamed response, or None when it was not streamed.

        Then `invoked` is its outcome. Raises what the invocation raised before anything was streamed.
        """
        threading.Thread(target=self.run, args=(invoke,), daemon=True, name="lambda-stream").start()
        self._known.wait()
        if self._content_type is None and self._error:
            raise self._error
        return self._content_type

    @property
    def invoked(self) -> Invoked:
        """What the invocation gave. Known once the response wasn't streamed, or `pieces` has ended."""
        if self._invoked is None:
            raise self._error or RuntimeError("the invocation has not ended")
        return self._invoked

    @property
    def failure(self) -> InvocationOutcome | None:
        """How a streamed response was cut off; None for one that is whole."""
        if self._invoked is None:
            return InvocationOutcome.failed("Runtime.Unknown", str(self._error))
        outcome = self._invoked.outcome
        return outcome if outcome.error_type else None

    def pieces(self) -> Iterator[bytes]:
        """Yield the pieces as they come."""
        try:
            while (piece := self._pieces.get()) is not None:
                yield piece
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Read no more. What the function still writes is dropped."""
        self._abandoned.set()

    def _put(self, piece: bytes | None) -> None:
        while not self._abandoned.is_set():
            try:
                self._pieces.put(piece, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return
