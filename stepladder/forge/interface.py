"""What a forge is: its interface, with what one does that has nothing of the kind.

A new forge is one file beside this one and one line in `registered.py`.
"""

from __future__ import annotations

from typing import Literal, Protocol

Level = Literal["error", "warning", "notice"]


class Forge(Protocol):
    """A forge with its CI, as seen from one job. A forge inherits this class and overrides what it can do.

    Everything is read from the job's environment at the call. Nothing raises: what a forge shows is an extra, and a
    release doesn't fail for it.
    """

    name: str
    """The forge's name as people write it."""

    def detect(self) -> bool:
        """Whether this process is a job of the forge's CI."""
        ...

    def identity(self) -> str:
        """Return the account that started the job, as locks and the ledger name it; empty where none is named."""
        return ""

    def summary(self, markdown: str) -> bool:  # noqa: ARG002 - a forge without one
        """Add Markdown to the job's own page; return whether the forge has such a page. By default it has none."""
        return False

    def annotation(self, message: str, *, level: Level = "error", path: str = "", line: int = 0) -> str:  # noqa: ARG002
        """Return the line of the log that makes the forge show a message at a file; by default the message itself.

        `path` is relative to the repository and `line` counts from 1; empty and 0 for a message without a place.
        """
        return message

    def comment(self, markdown: str) -> bool:  # noqa: ARG002 - a forge without change requests
        """Comment on the job's change request; return whether there is one that took it. By default there is none."""
        return False
