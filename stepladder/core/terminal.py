"""What a stream is: a person's terminal or not, and how wide. And standard input: who answers there, or what was piped.

Every prompt goes by `can_answer`. Where nobody can answer, a command says at once which flag does it in place of a
person, and waits for nobody.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Callable
from typing import TextIO

from stepladder.core.ci import in_ci

DEFAULT_WIDTH = 80
SILENCE = 60.0
"""Seconds that standard input may be silent: one that nobody writes to or closes would be waited for forever."""
_PATIENCE = 2.0
_CHUNK = 65536


class NoInputError(Exception):
    """Standard input gives nothing; the message says why."""


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


def has_keyboard() -> bool:
    """Say whether standard input is a terminal, whoever is there."""
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # closed
        return False


def can_answer(shown: TextIO) -> bool:
    """Say whether a person can answer what `shown` asks: on a terminal, in no CI job, and not in the background."""
    if in_ci() or not shown.isatty() or not has_keyboard():
        return False
    try:
        keyboard = sys.stdin.fileno()
    except (ValueError, AttributeError, OSError):
        return False
    try:
        return os.tcgetpgrp(keyboard) == os.getpgrp()  # a read in the background would stop the process
    except OSError:
        return True  # it isn't this session's terminal, which alone stops its readers


def piped(
    most: int | None = None,
    *,
    silence: float = SILENCE,
    waiting: Callable[[float], None] = lambda _seconds: None,
) -> bytes:
    """Return what was piped to standard input, to its end, or until it is more than `most` bytes.

    `waiting` is called once when it is silent. Raises `NoInputError` when it is closed, or silent for
    `silence` seconds more.
    """
    try:
        source = sys.stdin.fileno()
        os.fstat(source)
    except (AttributeError, OSError, ValueError):
        raise NoInputError("standard input is closed") from None
    data, announced = b"", False
    while most is None or len(data) <= most:
        if not _is_ready(source, _PATIENCE):
            if not announced:
                announced = True
                waiting(silence)
            if not _is_ready(source, silence):
                raise NoInputError(f"standard input was silent for {silence:.0f} s")
        try:
            piece = os.read(source, _CHUNK)
        except OSError as error:  # a folder, a terminal that is gone
            raise NoInputError(f"standard input can't be read ({error.strerror})") from None
        if not piece:
            return data
        data += piece
    return data


def _is_ready(source: int, seconds: float) -> bool:
    return bool(select.select([source], [], [], seconds)[0])
