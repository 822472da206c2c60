"""How a program of the benchmarks ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from stepladder.core.errors import ExitCode


def end_by(act: Callable[[], int | None]) -> NoReturn:
    """Act, and end the program with what `act` returns; quietly, with a code of its own, at an interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's job in the background ignores it
    try:
        sys.exit(act())
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
