"""A step under way, as the console shows it."""

from __future__ import annotations


class Step:
    """A step under way; say what it did with `done`, `skip` or `note`, and how far it is with `progress`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.detail = ""
        self.mark = "ok"
        self.live = ""

    def done(self, detail: str) -> None:
        """Say in a few words what was done."""
        self.detail = detail

    def skip(self, detail: str) -> None:
        """Say why there was nothing to do."""
        self.mark, self.detail = "skip", detail

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Show how far the step is, also as `3 of 25`; only a terminal shows it."""
        counted = "" if done is None else f" {done}" if total is None else f" {done} of {total}"
        self.live = f"{text}{counted}"
