"""What a first deployment does beside its reads and its foundation: it readies both roots and builds the image.

Nothing of that changes AWS, and nothing depends on it: what isn't ready or doesn't hold any more is done in its turn.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Self, TypeVar

from stepladder.core.step import Step
from stepladder.releases.plan import FOUNDATION, SERVICE

if TYPE_CHECKING:
    from stepladder.releases.interfaces import Images, Infrastructure

T = TypeVar("T")
_POLL = 0.1  # seconds


class EarlyWork:
    """The early work of one deployment. Leaving its context interrupts what isn't finished.

    Threads do it that the process doesn't wait for: a build that nobody needs any more may take minutes.
    """

    def __init__(self, images: Images, infra: Infrastructure) -> None:
        self._images, self._infra = images, infra
        self._over = threading.Event()
        self._image: Future[str] | None = None
        self._roots: dict[str, Future[None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        wait(self._roots.values())

    def install(self) -> None:
        """Begin to make both roots ready, the foundation first."""
        self._roots[FOUNDATION] = _in_thread(lambda: self._infra.install(FOUNDATION, self._over))
        self._roots[SERVICE] = self._after(FOUNDATION, lambda: self._infra.install(SERVICE, self._over))

    def build(self) -> None:
        """Begin to build the image, and to plan the service with it."""
        self._image = _in_thread(self._built)
        self._roots[SERVICE] = self._after(SERVICE, lambda: self._infra.plan_early(SERVICE, self._reference))

    def finish_image(self) -> None:
        """Wait for the build, if there is one: another one beside it would take longer."""
        if self._image:
            wait([self._image])

    def finish(self, root: str) -> None:
        """Wait until nothing works on a root any more."""
        if root in self._roots:
            wait([self._roots[root]])

    def _after(self, root: str, act: Callable[[], None]) -> Future[None]:
        """Act when what is under way with a root has ended, unless all is over then."""
        before = self._roots[root]

        def acted() -> None:
            wait([before])
            if not self._over.is_set():
                act()

        return _in_thread(acted)

    def _reference(self) -> str:
        """Wait for the image; return its reference, an empty one when all is over before."""
        while self._image and not self._over.is_set():
            if wait([self._image], timeout=_POLL).done:
                return self._image.result()
        return ""

    def _built(self) -> str:
        with contextlib.suppress(Exception):  # the build in its turn fails again, and says why
            return self._images.build(Step("image"))
        return ""


def _in_thread(act: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(act())
        except BaseException as error:  # noqa: BLE001 - its reader raises it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="early").start()
    return future
