"""Notes that would say the same at every run: said once in a checkout, and again when what they say changes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from stepladder.core import files

FILE = "notes.json"
_ONE = threading.Lock()
"""Images that are built at once have the same to say."""


def is_new(build_dir: Path, topic: str, text: str) -> bool:
    """Say whether a note of a topic differs from the last one that was said here, and remember it.

    A folder that can't be written has every note said each time.
    """
    path = build_dir / FILE
    with _ONE:
        remembered = files.read_json(path)
        if remembered.get(topic) == text:
            return False
        with contextlib.suppress(OSError):
            files.write_json(path, {**remembered, topic: text})
    return True


def once(build_dir: Path, topic: str, say: Callable[[str], None]) -> Callable[[str], None]:
    """Return a `say` that is silent about what this checkout has printed already on that topic."""

    def say_once(text: str) -> None:
        if is_new(build_dir, topic, text):
            say(text)

    return say_once
