"""A build in the engine that began before its turn, beside the reads and the lock of a deployment.

It publishes nothing. One that nobody takes ends with the process: the engine gives up a build whose client is gone.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from stepladder.core.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stepladder.images.base.engine import BaseSource
    from stepladder.images.builder import BuildJob
    from stepladder.images.model import EngineImage

_PATIENCE = 2.0  # seconds; an engine that hangs is waited for in the image's turn, where progress is seen


class BuildAhead:
    """The build of a job on `source`, in a thread that the process doesn't wait for."""

    def __init__(self, job: BuildJob, source: BaseSource) -> None:
        self._job, self._source = job, source
        self._image: Future[EngineImage] = Future()
        self._sent = threading.Event()
        self._progress: Callable[[str], None] = lambda _text: None
        threading.Thread(target=self._run, daemon=True, name="build").start()

    def wait_sent(self) -> None:
        """Wait until the engine is at work, or the build is over, but not long.

        Until then the build is this process's own work, which anything beside it would only slow down.
        """
        self._sent.wait(_PATIENCE)

    def result(self, source: BaseSource, progress: Callable[[str], None]) -> EngineImage | None:
        """Wait for the image; None where it stands on something else than `source`, or the engine wasn't ready.

        Raises what a build raises.
        """
        if (source.label, source.reference) != (self._source.label, self._source.reference):
            return None
        self._progress = progress
        try:
            return self._image.result()
        except NotReadyError:
            return None

    def _show(self, text: str) -> None:
        self._progress(text)

    def _run(self) -> None:
        from stepladder.images.docker import build

        job = self._job
        try:
            self._image.set_result(
                build.build(
                    job.settings,
                    self._source,
                    key=job.key,
                    commit=job.revision.commit,
                    may_pull=False,
                    progress=self._show,
                    sending=self._sent.set,
                )
            )
        except BaseException as error:  # noqa: BLE001 - who takes the image raises it
            self._image.set_exception(error)
        finally:
            self._sent.set()
