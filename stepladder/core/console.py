"""The only place that prints.

Data goes to standard output, everything else to standard error; one line per finished step, aligned; colour only on a
terminal and never needed to understand a line (https://no-color.org). Rules after astral-sh/uv's STYLE.md.

A stream is drawn on only when a person looks at it: it is a terminal that knows control codes, and `CI` isn't set (some
runners give a job a pseudo-terminal and keep every frame in its log). A table fits any terminal's width, or `COLUMNS`.

With `STEPLADDER_QUIET` only data, warnings, questions, failed steps and errors are printed.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import io
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from stepladder.core.display import cut, harmless, one_line, plain, without_escapes
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.core.pulse import PULSE
from stepladder.core.step import Step
from stepladder.core.terminal import DEFAULT_WIDTH, can_answer, is_watched, terminal_width

if TYPE_CHECKING:
    from stepladder.core.tables import Column

_COLOURS = {"green": "32", "red": "31", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_LABEL = 12
_CONTROLS = "[\x7f-\x9f\u2028-\u202e\u2066-\u2069]"  # a terminal would obey some of them
_TRIES = 3
SILENT = "STEPLADDER_QUIET"
_NO = frozenset({"", "0", "false", "no"})
_NOBODY = frozenset({errno.EIO, errno.EPIPE})  # what a closed terminal answers, and a pipe that nobody reads


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
        width: int | None = None,
    ) -> None:
        self._err = err or sys.stderr
        self._out = out or sys.stdout
        self._silent = os.environ.get(SILENT, "").strip().lower() not in _NO
        self.live = (is_watched(self._err) and not self._silent) if live is None else live
        colours = not os.environ.get("NO_COLOR")
        self._colour = self.live and colours
        self._colour_data = is_watched(self._out) and colours
        self._width = width
        self.as_json = as_json
        self._prefix = f"{label} " if label else ""
        self._lock = threading.RLock()
        self._running: list[Step] = []
        self._subject = ""

    def about(self, subject: str) -> Console:
        """Return this console for one of several things that are worked on at once: its lines name which."""
        other = copy.copy(self)
        other._subject = f"{subject}: "  # noqa: SLF001 - a copy of ours
        return other

    def paint(self, text: str, colour: str) -> str:
        """Return `text` in a colour where colours are shown."""
        return _painted(text, colour) if self._colour else text

    def line(self, text: str = "") -> None:
        """Print one line for the person."""
        if not self._silent:
            self._print(f"{self._subject}{text}" if text else "")

    def _print(self, text: str) -> None:
        with self._lock:
            if not self.live:
                text = without_escapes(text)  # of a function's log, or of a tool
            erase = "\r\x1b[2K" if self.live and self._running else ""  # the spinner draws itself again below
            self._write(f"{erase}{self._prefix}{text}\n" if text else f"{erase}\n")

    def _write(self, text: str) -> None:
        """Write to the person. A terminal that was closed, or a reader that has gone, ends no work under way."""
        try:
            self._err.write(text)
            self._err.flush()
        except OSError as error:
            if error.errno not in _NOBODY:
                raise
            self._err = io.StringIO()
            self.live = False

    def link(self, text: str, url: str) -> None:
        """Print an address on a line: whole where it fits or nobody watches, else as a text that a terminal opens.

        https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda describes the control code.
        """
        if not self.live or len(url) <= (self._width or terminal_width(self._err) or DEFAULT_WIDTH):
            self.line(url)
        else:
            self.line(f"\x1b]8;;{url}\x1b\\{self.paint(text, 'cyan')}\x1b]8;;\x1b\\")

    def heading(self, text: str) -> None:
        """Print the head of a part of a longer story."""
        self.line()
        self.line(self.paint(text, "bold"))

    def warn(self, text: str) -> None:
        """Print a warning."""
        self._print(f"{self.paint('warning:', 'yellow')} {self._subject}{text}")

    def hint(self, text: str) -> None:
        """Print what to do next."""
        if not self._silent:
            self._print_hint(text)

    def _print_hint(self, text: str) -> None:
        self._print(f"{self.paint('hint:', 'cyan')} {self._subject}{text}")

    def data(self, text: str) -> None:
        """Print data that may be piped."""
        with self._lock:
            self._out.write(f"{text}\n")
            self._out.flush()

    def body(self, content: bytes) -> None:
        """Print bytes as data: as they are, or where a person watches as text, and only how many if they are none."""
        try:
            text = content.decode()
            readable = "\0" not in text
        except UnicodeDecodeError:
            text, readable = "", False
        watched = is_watched(self._out)
        if readable and (watched or not hasattr(self._out, "buffer")):
            self.data("\n".join(harmless(text)) if watched else text)
        elif watched:
            self.line(f"{len(content)} bytes that are no text: send them to a file or another program")
        elif hasattr(self._out, "buffer"):
            self._out.flush()
            self._out.buffer.write(content)
            self._out.buffer.flush()

    def json(self, value: Any) -> None:
        """Print one JSON document as data, with its letters where the output can hold them."""
        text = json.dumps(value, indent=2, sort_keys=True, default=str, ensure_ascii=False)
        try:
            text.encode(getattr(self._out, "encoding", None) or "utf-8")
            readable = not re.search(_CONTROLS, text)
        except UnicodeEncodeError:
            readable = False
        self.data(text if readable else json.dumps(value, indent=2, sort_keys=True, default=str))

    def json_line(self, value: Any) -> None:
        """Print one of many JSON documents as data, on a line."""
        self.data(json.dumps(value, sort_keys=True, default=str))

    def paint_data(self, text: str, colour: str) -> str:
        """Return `text` for standard output in a colour where colours are shown there."""
        return _painted(text, colour) if self._colour_data else text

    def brief(self, text: str, *, used: int = 0) -> str:
        """Return `text` on one line, cut to what `used` columns leave of the terminal; whole where there is none."""
        width = self._width or terminal_width(self._err)
        return one_line(text) if width is None else cut(one_line(text), max(width - used - len(self._prefix), 1))

    def fields(self, rows: Sequence[tuple[str, object]]) -> None:
        """Print names and values as data, whole; on a terminal long values are wrapped beside their names."""
        import textwrap

        from stepladder.core.tables import Cell

        width = self._width or terminal_width(self._out)
        indent = max((len(name) for name, _ in rows), default=0) + 2
        for name, value in rows:
            cell = value if isinstance(value, Cell) else Cell(str(value))
            text = one_line(cell.text)
            lines = textwrap.wrap(text, max(width - indent, _LABEL), break_on_hyphens=False) if width else [text]
            label = f"{self.paint_data(name, 'bold')}{' ' * (indent - len(name))}"
            for line in lines or [""]:
                self.data(f"{label}{self.paint_data(line, cell.colour)}".rstrip())
                label = " " * indent

    def table(self, head: Sequence[Column | str], rows: Sequence[Sequence[object]]) -> None:
        """Print an aligned table as data, which fits a terminal's width. A cell is text, or a `tables.Cell`."""
        from stepladder.core.tables import lay_out

        width = self._width or terminal_width(self._out)
        layout = lay_out(head, rows, width)
        for parts in layout.lines:
            self.data("".join(self.paint_data(text, colour) for text, colour in parts))
        if layout.left_out:
            self.line(self.paint(f"no room at {width} columns for: {', '.join(layout.left_out)}", "dim"))

    @property
    def can_ask(self) -> bool:
        """Whether a person can answer: on a terminal, no CI job, nobody wants JSON, and we aren't in the background."""
        return not self.as_json and can_answer(self._err)

    def ask(self, question: str) -> bool | None:
        """Ask a question whose default is no; None when nobody can answer.

        Raises `RefusedError` when the answers are neither yes nor no.
        """
        for _ in range(_TRIES):
            if not self.can_ask:
                return None
            with self._lock:
                self._err.write(f"{self._prefix}{self.paint('?', 'cyan')} {question} [y/N] ")
                self._err.flush()
            answer = sys.stdin.readline()
            if not answer:
                self.line()
                return None
            if (word := answer.strip().lower()) in {"", "n", "no", "y", "yes"}:
                return word in {"y", "yes"}
        raise RefusedError(
            "the question was not answered with yes or no", kind="not-confirmed", hint="run the same command again"
        )

    def ask_text(self, question: str) -> str | None:
        """Ask for a text; None when nobody can answer."""
        if not self.can_ask:
            return None
        with self._lock:
            self._err.write(f"{self._prefix}{self.paint('?', 'cyan')} {question} ")
            self._err.flush()
        answer = sys.stdin.readline()
        if not answer:
            self.line()
            return None
        return answer.strip()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Print one line for a step when it ends: mark, name, what it did, seconds."""
        step = Step(name)
        started = time.monotonic()
        with self._lock:
            self._running.append(step)
        try:
            with self._shown(step, started):
                yield step
        except BaseException as error:
            step.mark = "fail"
            vars(error).setdefault("step", name)  # the innermost one; the ledger keeps it
            raise
        finally:
            with self._lock:
                self._running.remove(step)
            self._finish(step, time.monotonic() - started)

    @contextlib.contextmanager
    def _shown(self, step: Step, started: float) -> Iterator[None]:
        """Say that a step is under way: by a spinner where somebody watches, else by a line now and then."""
        if not self.live:
            PULSE.add(step, lambda: self._beat(step, started))
            try:
                yield
            finally:
                PULSE.remove(step)
            return
        stop = threading.Event()
        spinner = threading.Thread(target=self._spin, args=(step, started, stop), daemon=True)
        spinner.start()
        try:
            yield
        finally:
            stop.set()
            spinner.join()

    def _finish(self, step: Step, seconds: float) -> None:
        if self._silent and step.mark != "fail":
            return
        symbol, colour = {"ok": ("✓", "green"), "skip": ("·", "dim"), "fail": ("✗", "red")}[step.mark]
        took = "" if step.mark == "skip" else self.paint(f"  {seconds:.1f} s", "dim")
        detail = f"{self._subject}{step.detail}"
        self._print(f"{self.paint(symbol, colour)} {step.name:<{_LABEL}} {detail}{took}")

    def _spin(self, step: Step, started: float, stop: threading.Event) -> None:
        """Redraw the running step in place; every line longer than the terminal is cut."""
        turn, drawn = 0, False
        while not stop.wait(0.1):
            with self._lock:
                if self._running[0] is not step:  # of several at once the oldest is drawn
                    continue
                others = f"  (and {len(self._running) - 1} more)" if len(self._running) > 1 else ""
                text = f"{_FRAMES[turn % len(_FRAMES)]} {step.name:<{_LABEL}} {step.live}{others}"
                width = (terminal_width(self._err) or DEFAULT_WIDTH) - 10
                self._write(f"\r\x1b[2K{cut(text, width)}  {time.monotonic() - started:.0f} s")
            turn, drawn = turn + 1, True
        if drawn:
            with self._lock:
                self._write("\r\x1b[2K")

    def _beat(self, step: Step, started: float) -> None:
        if self._silent:
            return
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more: the main thread finds out
            self._print(f"… {step.name:<{_LABEL}} {self._subject}{step.live}  {time.monotonic() - started:.0f} s")

    def error(self, error: StepladderError, *, explained_by: str = "") -> None:
        """Print what is wrong and what to do, and the same as one JSON record with `--json`.

        `explained_by` is a command that says more of the error's kind, where there is one.
        """
        kind = self.paint(f"[{error.kind}]", "dim")
        self._print(f"{self._subject}{self.paint('error:', 'red')} {plain(error.message)} {kind}")
        for problem in error.problems:
            self._print(f"{self._subject}  - {plain(problem)}")
        if error.hint:
            self._print("")
            self._print_hint(error.hint)
        if explained_by:
            self._print(f"{self._subject}{self.paint(f'help: `{explained_by}`', 'dim')}")
        if self.as_json:
            self.json(
                {
                    **error.record,
                    "error": error.message,
                    "error_kind": error.kind,
                    "hint": error.hint,
                    "problems": list(error.problems),
                    "exit_code": int(error.exit_code),
                }
            )


def _painted(text: str, colour: str) -> str:
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if colour and text else text
