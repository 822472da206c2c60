"""How a program of the benchmarks ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from stepladder.core.errors import ExitCode

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_by(act: Callable[[], int | None]) -> NoReturn:
    """Act, and end the program with what `act` returns; quietly, with a code of its own, at an interrupt.

    SIGTERM and SIGHUP are interrupts too. A second one changes nothing: what was started is being ended.
    """
    for number in _INTERRUPTS:
        signal.signal(number, _interrupt)  # a script's job in the background ignores SIGINT
    try:
        sys.exit(act())
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    for number in _INTERRUPTS:
        signal.signal(number, lambda *_: None)
    raise KeyboardInterrupt
