"""Time commands side by side: interleaved, after one warm-up each, as medians of whole processes."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import progress

_DEADLINE = 300.0


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
        """Run it once to its end."""
        self.before()
        used, started = _processor(), time.perf_counter()
        done = subprocess.run(
            self.argv, cwd=self.cwd, env=dict(self.env), capture_output=True, text=True, timeout=_DEADLINE, check=False
        )
        run = Run(time.perf_counter() - started, _processor() - used, done.stderr + done.stdout)
        if done.returncode:
            raise RuntimeError(f"{' '.join(self.argv)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return run


@dataclass(frozen=True)
class Run:
    """What one run took, in seconds of the clock and of the processor, and what it printed."""

    seconds: float
    processor: float
    said: str


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


def median(runs: Sequence[Run], what: str = "seconds") -> float:
    """Return the median of the runs' seconds, or of another of their figures."""
    return statistics.median(getattr(run, what) for run in runs)
