"""Run other programs: argv lists, a deadline on each, one interrupt forwarded and their end waited for.

A child gets a process group of its own, so that Ctrl-C on the terminal reaches it once, through us: Terraform takes a
second interrupt as an order to drop everything. CI runners send several (GitHub SIGINT, 7.5 s later SIGTERM), and a
person presses Ctrl-C again, so that after the first one we are deaf until the child has ended. On Linux a child is sent
(SIGTERM) when we are killed outright; SIGKILL after an interrupt is therefore a second one, and nothing can help it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from stepladder.core.ci import in_ci
from stepladder.core.console import Console
from stepladder.core.errors import InterruptedRunError, StepladderError
from stepladder.core.text import without_credentials

GRACE = 60.0  # seconds that a child has to end by itself once it was asked to
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_DRAIN = 5.0  # seconds to read what a child that has ended left in its pipes
_PATIENCE = 1.0  # seconds of waiting for an end before a line says so
_POLL = (0.0005, 0.05)  # seconds between two looks at a child: at first, at most
_PR_SET_PDEATHSIG = 1
_FOLLOW_EVERY = 0.03  # seconds
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Completed:
    """What a program left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def run(  # noqa: PLR0913 - each is an independent option
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
    timeout: float,
    on_line: Callable[[str], None] | None = None,
    pass_fds: Sequence[int] = (),
    attached: bool = False,
    spool: Path | None = None,
    grace: float = GRACE,
    cancelled: threading.Event | None = None,
) -> Completed:
    """Run a program to its end and return what it printed.

    `env` is added to the environment, where None takes a variable out; `on_line` is called with each line of standard
    output and error as it comes (from two threads); `pass_fds` stay open in the child (a lock that must last as long
    as it does); `attached` lets it write to our own output, so that nothing is captured; with `spool` it writes to the
    files `<spool>.out` and `.err`, which outlive us: a child whose pipe breaks because we were killed
    dies of its next line, with its work half done; `cancelled`, once set, is an interrupt to a child in any thread.

    Raises `StepladderError` when the deadline (`timeout`, seconds) passes and `InterruptedRunError` on Ctrl-C or
    SIGTERM, both after the child was sent one SIGINT and has ended; it is killed when that takes longer than `grace`
    (seconds). Meanwhile further interrupts do nothing, and a line says so. A non-zero exit is returned, not raised.
    """
    spools = _spools(spool) if spool else ()
    shown = {"NO_COLOR": "1"} if attached and in_ci() else {}  # as the console's own lines
    out, err = spools or ((None, None) if attached else (subprocess.PIPE, subprocess.PIPE))
    name = Path(argv[0]).name
    _libc()  # loaded here: a child of a process with threads may not
    with _Interrupts() as interrupts:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={key: value for key, value in {**os.environ, **shown, **(env or {})}.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
            errors="replace",
            process_group=0,
            pass_fds=tuple(pass_fds),
            preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one libc call
        )

        def stopped() -> bool:
            return interrupts.more_than(0) or bool(cancelled and cancelled.is_set())

        pipes = [child.stdout, child.stderr]
        readers, captured = _capture([_follow(file, child) for file in spools] or pipes, on_line)
        try:
            ended = _wait(child, timeout, stopped)
            if not ended:
                interrupts.ignore()
                _end(child, name, grace, interrupts)
        finally:
            deadline = time.monotonic() + _DRAIN  # a grandchild may hold a pipe for as long as it lives
            for reader in readers:
                reader.join(max(0.0, deadline - time.monotonic()))
    if interrupts.came or (not ended and stopped()):
        raise InterruptedRunError(f"interrupted while {name} was running", hint="run the same command again to go on")
    if not ended:
        raise StepladderError(
            f"{argv[0]} did not end within {timeout:.0f} s and was stopped",
            kind="tool-too-slow",
            hint=f"the command was: {without_credentials(' '.join(argv))}",
        )
    return Completed(child.returncode, "".join(captured[0]), "".join(captured[1]))


class _Interrupts:
    """Collect the signals that ask us to stop, in place of an exception that could come at any line.

    A handler that is there is asked first what a signal means: one that raises no KeyboardInterrupt has put it off.
    Python only lets the main thread do this; in another nothing is ever collected.
    """

    def __init__(self) -> None:
        self.came: list[int] = []
        self._ignoring = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in _INTERRUPTS}
            self._take(number for number, handler in self._before.items() if callable(handler))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # None: not Python's to put back
                signal.signal(number, handler)

    def ignore(self) -> None:
        """From now on only collect, also what would have killed us."""
        self._ignoring = True
        self._take(number for number, handler in self._before.items() if handler is signal.SIG_DFL)

    def more_than(self, number: int) -> bool:
        """Say whether more than so many have come."""
        return len(self.came) > number

    def _take(self, numbers: Iterable[signal.Signals]) -> None:
        for number in numbers:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: object) -> None:
        if not self._ignoring and not self.came:
            try:
                self._before[signal.Signals(number)](number, frame)
            except KeyboardInterrupt:
                pass
            else:
                return
        self.came.append(number)


def _wait(child: subprocess.Popen[str], seconds: float, enough: Callable[[], bool] = lambda: False) -> bool:
    """Wait for a child's end, and say whether it has ended; stop waiting after some seconds or when it is enough."""
    deadline, (pause, longest) = time.monotonic() + seconds, _POLL
    while child.poll() is None:
        if enough() or time.monotonic() > deadline:
            return False
        _pause(child, pause)
        pause = min(pause * 2, longest)
    return True


def _pause(child: subprocess.Popen[str], seconds: float) -> None:
    """Wait some seconds, or less when the child ends meanwhile; all of them where there is no pidfd.

    That is before Linux 5.3, in a sandbox that forbids it, and by a Python that was built with older headers.
    """
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            ending = os.pidfd_open(child.pid)
            try:
                poller = select.poll()
                poller.register(ending, select.POLLIN)
                poller.poll(seconds * 1000)
            finally:
                os.close(ending)
            return
    time.sleep(seconds)


def _end(child: subprocess.Popen[str], name: str, grace: float, interrupts: _Interrupts) -> None:
    """Ask a child's group to end, wait, and kill the group when it doesn't.

    By SIGINT, whatever came: SIGTERM kills Terraform's providers at once, while Terraform waits for them.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGINT)
    deadline, interrupts_before = time.monotonic() + grace, len(interrupts.came)
    patience = min(_PATIENCE, grace)
    while not _wait(child, patience, functools.partial(interrupts.more_than, interrupts_before)):
        left = deadline - time.monotonic()
        if left <= 0:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait(5)
            return
        Console().line(f"waiting up to {left:.0f} s for {name} to end safely; interrupting again changes nothing")
        interrupts_before, patience = len(interrupts.came), left


def _spools(base: Path) -> tuple[IO[bytes], ...]:
    base.parent.mkdir(parents=True, exist_ok=True)
    paths = [base.with_name(f"{base.name}.{kind}") for kind in ("out", "err")]
    for path in paths:
        path.unlink(missing_ok=True)  # a program of a killed run may still write to the old one
        path.touch(mode=0o600)
    return tuple(path.open("rb+") for path in paths)


def _follow(file: IO[bytes], child: subprocess.Popen[str]) -> Generator[str, None, None]:
    """Yield the lines of a growing file until the child that writes it has ended, and close it."""
    offset, rest = 0, b""
    while True:
        ended = child.poll() is not None  # asked first: what was written before the end is read
        new = os.pread(file.fileno(), _CHUNK, offset)
        offset += len(new)
        *lines, rest = (rest + new).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace") + "\n"
        if not new and ended:
            break
        if not new:
            _pause(child, _FOLLOW_EVERY)
    file.close()
    if rest:
        yield rest.decode(errors="replace")


def _capture(
    streams: Sequence[IO[str] | Generator[str, None, None] | None], on_line: Callable[[str], None] | None
) -> tuple[list[threading.Thread], tuple[list[str], list[str]]]:
    captured: tuple[list[str], list[str]] = ([], [])

    def read(stream: IO[str] | Generator[str, None, None], into: list[str]) -> None:
        with contextlib.closing(stream):  # by its reader: another would wait for a grandchild that holds the pipe
            for line in stream:
                into.append(line)
                if on_line:
                    on_line(line.rstrip("\n"))

    readers = [
        threading.Thread(target=read, args=(stream, into), daemon=True)
        for stream, into in zip(streams, captured, strict=True)
        if stream
    ]
    for reader in readers:
        reader.start()
    return readers, captured


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def die_with_parent() -> None:
    """Ask Linux for a SIGTERM when our parent dies (prctl(2), PR_SET_PDEATHSIG)."""
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
