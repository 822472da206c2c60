"""Time commands side by side: interleaved, after one warm-up each, as medians of whole processes."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import progress

_DEADLINE = 300.0
_BETWEEN = 0.03  # seconds between two readings of memory


def environment(**extra: str) -> dict[str, str]:
    """Return this environment without what would make one side slower or point it elsewhere.

    PYTHONDONTWRITEBYTECODE keeps Python from ever caching byte code, and every import is two to three times slower.
    """
    foreign = ("AWS_", "INVOKE_", "PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME")
    return {**{k: v for k, v in os.environ.items() if not k.startswith(foreign)}, **extra}


@dataclass(frozen=True)
class Command:
    """One side of a comparison; `before` prepares each run and isn't timed."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    before: Callable[[], None] = lambda: None

    def run(self) -> Run:
        """Run it once to its end. Raises `RuntimeError` when it fails, hangs or can't be started."""
        self.before()
        used, started = _processor(), time.perf_counter()
        try:
            child = subprocess.Popen(
                self.argv, cwd=self.cwd, env=dict(self.env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            raise RuntimeError(f"{self.argv[0]} can't be started: {error.strerror}") from None
        with child:
            try:
                out, err = child.communicate(timeout=_DEADLINE)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"{' '.join(self.argv)} took longer than {_DEADLINE:.0f} s") from None
            finally:
                child.kill()
        run = Run(time.perf_counter() - started, _processor() - used, err + out)
        if child.returncode:
            raise RuntimeError(f"{' '.join(self.argv)} ended with {child.returncode}: {err[-2000:]}")
        return run


@dataclass(frozen=True)
class Run:
    """What one run took, in seconds of the clock and of the processor, and what it printed."""

    seconds: float
    processor: float
    said: str


class PeakMemory:
    """The most memory of processes, read while they run.

    `ru_maxrss` is no use: a child that vfork made begins with what its parent had, and keeps it (getrusage(2)).
    """

    def __init__(self) -> None:
        self._pids: list[int] = []
        self._most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def add(self, pid: int) -> None:
        """Watch a process too."""
        self._pids.append(pid)

    @property
    def megabytes(self) -> float:
        """What the largest of them had at most."""
        return self._most / 1024

    def _watch(self) -> None:
        while not self._ended.wait(_BETWEEN):
            for pid in self._pids:
                with contextlib.suppress(OSError):  # it has ended
                    if found := re.search(r"^VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE):
                        self._most = max(self._most, int(found[1]))


def without_folders(text: str) -> str:
    """Return a text without this machine's folders: of each path, the last part is left."""
    return re.sub(r"(?<![\w:/])/(?:[\w.+-]+/)+", "", text)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def side_by_side(count: int, *commands: Command, what: str = "") -> list[list[Run]]:
    """Run the commands in turn, `count` times after one warm-up; return the runs, by command.

    `what` is shown as what is under way.
    """
    for command in commands:
        command.run()
    rounds = [[command.run() for command in commands] for _ in progress.counted(count, what)]
    return [list(runs) for runs in zip(*rounds, strict=True)]


def smoke_seconds(said: str) -> float:
    """Return what the smoke cases took, as a deployment says; nothing for any other command."""
    match = re.search(r"^✓ smoke .* ([\d.]+) s$", said, re.MULTILINE)
    return float(match[1]) if match else 0.0


def median(runs: Sequence[Run], what: str = "seconds") -> float:
    """Return the median of the runs' seconds, or of another of their figures."""
    return statistics.median(getattr(run, what) for run in runs)
