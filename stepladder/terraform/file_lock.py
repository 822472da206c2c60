"""One Terraform at a time per root and environment of this checkout, and what a killed run left behind.

The lock is an flock(2) on a file that Terraform itself inherits: it lasts as long as any of the two lives, and no kill
leaves it behind. The run file beside it does survive a kill: it names who died here and when that began.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from stepladder.core.errors import LockedError
from stepladder.core.process_identity import Process, is_dead
from stepladder.core.step import Step
from stepladder.forge.registered import this_process
from stepladder.terraform import files
from stepladder.terraform.roots import Root

_POLL = 0.2


@dataclass(frozen=True)
class RunRecord:
    """A run of ours: the process, and when it began (aware, UTC)."""

    process: Process
    since: datetime


@dataclass
class HeldFileLock:
    """The local lock in our hands.

    `fd` is what a child must inherit; `died` are the runs that were killed while they held it and whose state lock
    nobody has read since; set `settled` once that is done.
    """

    fd: int
    died: tuple[RunRecord, ...]
    settled: bool = False


@contextlib.contextmanager
def hold(at: Root, *, wait: float, step: Step | None = None) -> Iterator[HeldFileLock]:
    """Hold the local lock of a root. Raises `LockedError` when another process has it for longer than `wait` s."""
    at.work_dir.mkdir(parents=True, exist_ok=True)
    path = at.work_dir / "run.json"
    with (at.work_dir / "lock").open("a") as file:
        _acquire(file.fileno(), at, path, wait, step)
        died = tuple(record for record in _read(path) if is_dead(record.process))
        own = RunRecord(this_process(), datetime.now(UTC))
        _write(path, (*died, own))
        held = HeldFileLock(file.fileno(), died)
        # An exception keeps our record: Terraform may have been killed with its state lock in its hands.
        yield held
        _write(path, () if held.settled else died)


def _acquire(fd: int, at: Root, path: Path, wait: float, step: Step | None) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = next((f"process {r.process.pid}" for r in reversed(_read(path))), "another process")
            if time.monotonic() > deadline:
                raise LockedError(
                    f"{holder} on this machine is running Terraform for {at.label}",
                    kind="state-locked",
                    hint="run the same command again when it has ended; Terraform outlives a caller that was killed",
                ) from None
            if step:
                step.progress(f"waiting for {holder} to finish with {at.label}")
            time.sleep(_POLL)
        else:
            return


def _read(path: Path) -> tuple[RunRecord, ...]:
    records = []
    for raw in files.read_json(path).get("runs", ()):
        with contextlib.suppress(TypeError, ValueError, KeyError):
            records.append(RunRecord(Process(**raw["process"]), datetime.fromisoformat(raw["since"])))
    return tuple(records)


def _write(path: Path, records: tuple[RunRecord, ...]) -> None:
    if records:
        runs = [{"process": asdict(r.process), "since": r.since.isoformat()} for r in records]
        files.write_json(path, {"runs": runs}, mode=0o600)
    else:
        path.unlink(missing_ok=True)
