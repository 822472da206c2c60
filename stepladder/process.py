"""Run other programs: argv lists, a deadline on each, signals forwarded once.

A child gets a process group of its own, so that Ctrl-C on the terminal reaches it once, through us: Terraform takes a
second interrupt as an order to drop the state lock. On Linux a child is told (SIGTERM) when we are killed outright.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stepladder.errors import InterruptedRunError, StepladderError

_GRACE = 60.0  # seconds that a child has to end by itself after an interrupt
_PR_SET_PDEATHSIG = 1
_FOLLOW_EVERY = 0.03  # seconds
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Completed:
    """What a program left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float,
    on_line: Callable[[str], None] | None = None,
    pass_fds: Sequence[int] = (),
    attached: bool = False,
    spool: Path | None = None,
) -> Completed:
    """Run a program to its end and return what it printed.

    `env` is added to the environment; `on_line` is called with each line of standard output and error as it comes (from
    two threads); `pass_fds` stay open in the child (a lock that must last as long as it does); `attached` lets it write
    to our own output, so that nothing is captured; with `spool` it writes to the files `<spool>.out` and `.err`, which
    outlive us: a child whose pipe breaks because we were killed dies of its next line, with its work half done. Raises
    `StepladderError` when the deadline passes and `InterruptedRunError` on Ctrl-C or SIGTERM, after the child has
    ended. A non-zero exit is returned, not raised.
    """
    spools = _spools(spool) if spool else ()
    out, err = spools or ((None, None) if attached else (subprocess.PIPE, subprocess.PIPE))
    child = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        text=True,
        errors="replace",
        process_group=0,
        pass_fds=tuple(pass_fds),
        preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one libc call
    )
    pipes: list[Iterable[str] | None] = [child.stdout, child.stderr]
    readers, captured = _capture([_follow(file, child) for file in spools] or pipes, on_line)
    try:
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        stop(child, signal.SIGTERM, grace=10)
        raise StepladderError(
            f"{argv[0]} did not end within {timeout:.0f} s and was stopped",
            hint=f"the command was: {' '.join(argv)}",
        ) from None
    except KeyboardInterrupt:
        stop(child, signal.SIGINT, grace=_GRACE)
        raise InterruptedRunError(f"interrupted while {Path(argv[0]).name} was running") from None
    finally:
        for reader in readers:
            reader.join(5)
        for stream in (child.stdout, child.stderr, *spools):
            if stream:
                stream.close()
    return Completed(child.returncode, "".join(captured[0]), "".join(captured[1]))


def stop(child: subprocess.Popen[str], how: signal.Signals, *, grace: float) -> None:
    """Send one signal to a child's group, wait, and kill the group when it doesn't end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, how)
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait(5)


def _spools(base: Path) -> tuple[IO[bytes], ...]:
    base.parent.mkdir(parents=True, exist_ok=True)
    paths = [base.with_name(f"{base.name}.{kind}") for kind in ("out", "err")]
    for path in paths:
        path.unlink(missing_ok=True)  # a program of a killed run may still write to the old one
        path.touch(mode=0o600)
    return tuple(path.open("rb+") for path in paths)


def _follow(file: IO[bytes], child: subprocess.Popen[str]) -> Iterator[str]:
    """Yield the lines of a growing file until the child that writes it has ended."""
    place, rest = 0, b""
    while True:
        ended = child.poll() is not None  # asked first: what was written before the end is read
        new = os.pread(file.fileno(), _CHUNK, place)
        place += len(new)
        *lines, rest = (rest + new).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace") + "\n"
        if not new and ended:
            break
        if not new:
            time.sleep(_FOLLOW_EVERY)
    if rest:
        yield rest.decode(errors="replace")


def _capture(
    streams: Sequence[Iterable[str] | None], on_line: Callable[[str], None] | None
) -> tuple[list[threading.Thread], tuple[list[str], list[str]]]:
    captured: tuple[list[str], list[str]] = ([], [])

    def read(stream: Iterable[str], into: list[str]) -> None:
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


def die_with_parent() -> None:
    """Ask Linux for a SIGTERM when our parent dies (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
