"""Work that goes on while an image is released, and has to be over before the image gets traffic."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, wait

from stepladder.core.console import Console
from stepladder.releases.plan import IMAGE

_UNSEEN = 1.0  # seconds that may pass without a word


class BackgroundWork:
    """The work of one image. The executor's owner waits for it, however the release ends."""

    def __init__(self, pool: Executor, console: Console) -> None:
        self._pool, self._console = pool, console
        self._begun: list[Future[None]] = []

    def begin(self, act: Callable[[], None]) -> None:
        """Act in another thread."""
        self._begun.append(self._pool.submit(act))

    def finish(self) -> None:
        """Wait until all is done; raise what it raised, as a failure of the step `image`."""
        over, going_on = wait(self._begun, timeout=_UNSEEN)
        if not going_on and not any(future.exception() for future in over):
            return
        with self._console.step(IMAGE) as step:
            step.progress("attaching what belongs to it")
            for future in self._begun:
                future.result()
            step.done("what belongs to it is attached")
