"""What a stream is: a person's terminal or not, and how wide."""

from __future__ import annotations

import contextlib
import os
from typing import TextIO

from stepladder.core.ci import in_ci

DEFAULT_WIDTH = 80


def is_watched(stream: TextIO) -> bool:
    """Say whether a person looks at a stream: a terminal that knows control codes, and no CI job's."""
    return stream.isatty() and not in_ci() and os.environ.get("TERM") != "dumb"


def terminal_width(stream: TextIO) -> int | None:
    """Return a terminal's width; None for what is none, unless `COLUMNS` says one."""
    with contextlib.suppress(ValueError):
        if (columns := int(os.environ.get("COLUMNS", ""))) > 0:
            return columns
    if not stream.isatty():
        return None
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH  # 0: a terminal that doesn't know
    return DEFAULT_WIDTH
