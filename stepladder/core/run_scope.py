"""What lives as long as a command: the task that runs opens the scope, and closes it however the command ends.

It is the process's, not a thread's: a command's threads share it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar


class Kept(Protocol):
    """Something that is ended with the command."""

    def end(self) -> None:
        """End it."""


K = TypeVar("K", bound=Kept)


class CommandScope:
    """The scope of one command."""

    def __init__(self) -> None:
        self._kept: dict[type[Any], Any] = {}
        self._lock = threading.Lock()

    def the(self, kind: type[K]) -> K:
        """Return the one object of a class, made at first use."""
        with self._lock:
            if kind not in self._kept:
                self._kept[kind] = kind()
            kept: K = self._kept[kind]
            return kept

    def end(self) -> None:
        """End everything that was made."""
        for kept in self._kept.values():
            kept.end()


_open: list[CommandScope] = []


@contextlib.contextmanager
def opened() -> Iterator[None]:
    """Open the scope of a command; inside another one this changes nothing."""
    if _open:
        yield
        return
    scope = CommandScope()
    _open.append(scope)
    try:
        yield
    finally:
        _open.clear()
        scope.end()


def current() -> CommandScope | None:
    """Return the scope of the command that runs; None outside of any."""
    return _open[0] if _open else None
