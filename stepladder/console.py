"""The only place that prints.

Data goes to standard output, everything else to standard error; one line per finished step, aligned; colour only on a
terminal and never needed to understand a line (https://no-color.org). Rules after astral-sh/uv's STYLE.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from stepladder.errors import BadInputError, StepladderError

_COLOURS = {"green": "32", "red": "31", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_LABEL = 12


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

    def progress(self, text: str) -> None:
        """Show how far the step is; only a terminal shows it."""
        self.live = text


class Console:
    """Print steps, tables, data and errors. Inject another in tests."""

    def __init__(
        self,
        *,
        err: TextIO | None = None,
        out: TextIO | None = None,
        live: bool | None = None,
        as_json: bool = False,
        label: str = "",
    ) -> None:
        self._err = err or sys.stderr
        self._out = out or sys.stdout
        self.live = self._err.isatty() if live is None else live
        self._colour = self.live and "NO_COLOR" not in os.environ
        self.as_json = as_json
        self._prefix = f"{label} " if label else ""
        self._lock = threading.RLock()
        self._spinners = 0

    def paint(self, text: str, colour: str) -> str:
        """Return `text` in a colour where colours are shown."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._colour else text

    def line(self, text: str = "") -> None:
        """Print one line for the person."""
        with self._lock:
            erase = "\r\x1b[2K" if self._spinners else ""  # the spinner draws itself again below
            self._err.write(f"{erase}{self._prefix}{text}\n" if text else f"{erase}\n")
            self._err.flush()

    def heading(self, text: str) -> None:
        """Print the head of a part of a longer story."""
        self.line()
        self.line(self.paint(text, "bold"))

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.line(f"{self.paint('warning:', 'yellow')} {text}")

    def hint(self, text: str) -> None:
        """Print what to do next."""
        self.line(f"{self.paint('hint:', 'cyan')} {text}")

    def data(self, text: str) -> None:
        """Print data that may be piped."""
        with self._lock:
            self._out.write(f"{text}\n")
            self._out.flush()

    def json(self, value: Any) -> None:
        """Print one JSON document as data."""
        self.data(json.dumps(value, indent=2, sort_keys=True, default=str))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print an aligned table as data."""
        cells = [[str(c) for c in row] for row in (head, *rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
        for row in cells:
            self.data("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Print one line for a step when it ends: mark, name, what it did, seconds."""
        step = Step(name)
        started = time.monotonic()
        stop = threading.Event()
        spinner = threading.Thread(target=self._spin, args=(step, started, stop), daemon=True)
        if self.live:
            self._spinners += 1
            spinner.start()
        try:
            yield step
        except BaseException:
            step.mark = "fail"
            raise
        finally:
            stop.set()
            if self.live:
                spinner.join()
                self._spinners -= 1
            self._finish(step, time.monotonic() - started)

    def _finish(self, step: Step, seconds: float) -> None:
        symbol, colour = {"ok": ("✓", "green"), "skip": ("·", "dim"), "fail": ("✗", "red")}[step.mark]
        took = "" if step.mark == "skip" else self.paint(f"  {seconds:.1f} s", "dim")
        self.line(f"{self.paint(symbol, colour)} {step.name:<{_LABEL}} {step.detail}{took}")

    def _spin(self, step: Step, started: float, stop: threading.Event) -> None:
        """Redraw the running step in place; every line longer than the terminal is cut."""
        turn = 0
        while not stop.wait(0.1):
            text = f"{_FRAMES[turn % len(_FRAMES)]} {step.name:<{_LABEL}} {step.live}"
            width = _columns() - 10
            with self._lock:
                self._err.write(f"\r\x1b[2K{text[:width]}  {time.monotonic() - started:.0f} s")
                self._err.flush()
            turn += 1
        with self._lock:
            self._err.write("\r\x1b[2K")

    def error(self, error: StepladderError) -> None:
        """Print what is wrong and what to do, and the same as one JSON record with `--json`."""
        self.line(f"{self.paint('error:', 'red')} {error.message}")
        problems = error.problems if isinstance(error, BadInputError) else ()
        for problem in problems:
            self.line(f"  - {problem}")
        if error.hint:
            self.line()
            self.hint(error.hint)
        if self.as_json:
            self.json(
                {
                    **error.record,
                    "error": error.message,
                    "hint": error.hint,
                    "problems": list(problems),
                    "exit_code": int(error.exit_code),
                }
            )


def _columns() -> int:
    with contextlib.suppress(OSError):
        return os.get_terminal_size(2).columns or 80  # 0: a terminal that doesn't know
    return 80
