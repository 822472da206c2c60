"""A plugin cache, which one `init` at a time may use: concurrent ones corrupt it (hashicorp/terraform#31964)."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from stepladder.core.errors import InterruptedRunError

_POLL = 0.1  # seconds between two tries


@contextlib.contextmanager
def locked(cache: Path | None, cancelled: Event | None) -> Iterator[None]:
    """Hold the lock of a cache, if there is one; another `init` may have it for minutes, while it downloads.

    Raises `InterruptedRunError` once `cancelled` is set, for a thread that works ahead.
    """
    if cache is None:
        yield
        return
    with (cache / ".stepladder.lock").open("a") as file:
        if cancelled is None:
            fcntl.flock(file, fcntl.LOCK_EX)
        while cancelled and not _acquired(file.fileno()):
            if cancelled.wait(_POLL):
                raise InterruptedRunError("interrupted while another run used the plugin cache of Terraform")
        yield


def _acquired(fd: int) -> bool:
    """Take the lock, and say whether it was free."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
