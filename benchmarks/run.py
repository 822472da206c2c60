"""Measure everything on this machine in one run, and record it for the documentation.

    .venv/bin/invoke bench [--only NAMES] [--rounds N] [--write]

A whole run writes docs/reference/benchmarks.json, the page and the pictures; of a part or a trial only `--write` does.
The newest run of any kind is kept in .stepladder/benchmarks.json. Exit code 1 when a goal is missed or something could
not be measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import record
from interrupts import end_by
from tables import ROUNDS, Goal, Row, Table

from stepladder.core.console import Console
from stepladder.core.process import die_with_parent

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NEWEST = ROOT / ".stepladder" / "benchmarks.json"
PARTS = {
    "commands": "inv --list and inv new",
    "change": "a change, nothing changed, and first deploys, beside other tools",
    "cloud": "the local cloud itself",
    "promotions": "promotions: what is beyond waiting, many services at once, many functions in one",
    "scale": "cost by the number of functions and files, the size of layers and images, and the ledger's length",
    "toughness": "what a deployment does under a fault, beside other tools",
}
"""The modules of measurements in the order in which they run: what is timed first, what is heavy last."""
DEADLINE = 3600.0  # seconds that one module may take
_GRACE = 40.0  # seconds to stop what it started; `inv bench` gives this program 60
_REMOVAL = 10.0  # seconds in which what was killed ends, and writes no more


def main(only: Sequence[str], rounds: int, *, write: bool) -> int:
    """Measure, print every table, keep the record, and return the exit code."""
    names = [name for name in PARTS if name in only or not only]
    begun, started, load = time.monotonic(), datetime.now(UTC), record.load()
    commit, changed = record.commit()
    tables: list[Table] = []
    parts: list[record.Part] = []
    versions: dict[str, str] = record.versions()
    for name in names:
        part, found, used = measured(name, rounds)
        parts.append(part)
        versions |= used
        tables += found
        for table in found:
            print(f"{table.text()}\n", flush=True)
        made = record.Record(
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - begun, 1),
            rounds=rounds,
            whole=names == list(PARTS),
            commit=commit,
            changed=changed,
            machine=record.machine(),
            versions=versions,
            load=(load, record.load()),
            parts=tuple(parts),
            tables=tuple(tables),
        )
        NEWEST.parent.mkdir(exist_ok=True)
        NEWEST.write_text(made.text(), "utf-8")
    if write or (made.whole and rounds >= ROUNDS):
        record.FILE.write_text(made.text(), "utf-8")
        subprocess.run([sys.executable, str(ROOT / "docs" / "generate.py")], cwd=ROOT, check=True, timeout=300)
    missed = [goal for table in tables for goal in table.goals if goal.missed]
    Console().line(f"{made.seconds:.0f} s; missed goals: {len(missed)}; kept in {NEWEST.relative_to(ROOT)}")
    return int(bool(missed))


def measured(name: str, rounds: int) -> tuple[record.Part, list[Table], Mapping[str, str]]:
    """Run a module in a process of its own; return its tables, one that says so if it ended early, and versions."""
    before, begun = record.load(), time.monotonic()
    with emptied() as folder:
        output = folder / "tables"
        output.touch()
        error = ended(name, rounds, output)
        lines = written(output)
    tables = [Table.from_json(line["table"]) for line in lines if "table" in line]
    versions = {key: value for line in lines for key, value in line.get("versions", {}).items()}
    if error:
        goal = Goal("everything is measured", "to its end", error, met=False)
        row = Row((PARTS[name], error))
        tables.append(Table(f"{name}-failed", f"Not measured: {name}", ("what", "why"), (row,), (), (goal,)))
    return record.Part(name, round(time.monotonic() - begun, 1), (before, record.load()), error), tables, versions


def ended(name: str, rounds: int, output: Path) -> str:
    """Run a module to its end, with all that it starts; return why it failed, or nothing.

    Temporary files of all of these go beside `output`.
    """
    argv = [sys.executable, str(HERE / "alone.py"), name, str(rounds), str(output)]
    child = subprocess.Popen(
        argv,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(output.parent)},
        start_new_session=True,
        preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one libc call
    )
    try:
        child.wait(DEADLINE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
        child.send_signal(signal.SIGINT)  # it stops what it started
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE)
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"it took longer than {DEADLINE:.0f} s"
    finally:
        kill_session(child.pid)
        child.wait()
    errors = [line["error"] for line in written(output) if "error" in line]
    return "" if not child.returncode else next(iter(errors), f"exit code {child.returncode}")


def written(output: Path) -> list[dict[str, Any]]:
    """Return what a module has written; the last line of one that was killed may have no end."""
    return [json.loads(line) for line in output.read_text().splitlines(keepends=True) if line.endswith("\n")]


def kill_session(leader: int) -> None:
    """Kill a process that leads a session, and every process of it, whatever group it is in (proc(5), stat)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    for path in Path("/proc").glob("[0-9]*/stat"):  # there is none on macOS
        with contextlib.suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[3] == str(leader):
                os.kill(int(path.parent.name), signal.SIGKILL)


@contextlib.contextmanager
def emptied() -> Iterator[Path]:
    """Yield a temporary folder, and remove it; what ends in the background may write to it a moment longer."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield folder
    finally:
        end = time.monotonic() + _REMOVAL
        shutil.rmtree(folder, ignore_errors=True)
        while folder.exists() and time.monotonic() < end:
            time.sleep(0.1)
            shutil.rmtree(folder, ignore_errors=True)


def _chosen(given: str, parser: argparse.ArgumentParser) -> list[str]:
    """Return the parts that `--only` names; end with exit code 2 for what is none."""
    names = [name.strip() for name in given.split(",")] if given else []
    if unknown := sorted(set(names) - set(PARTS)):
        parser.error(f"there is no part {', '.join(map(repr, unknown))}; there are {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure everything on this machine in one run.")
    parser.add_argument("--only", default="", help=f"of {', '.join(PARTS)}, separated by commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each that are counted")
    parser.add_argument("--write", action="store_true", help="write the documentation of a part or a trial, too")
    given = parser.parse_args()
    chosen = _chosen(given.only, parser)
    if given.rounds < 1:
        parser.error("--rounds is 1 or more")
    end_by(lambda: main(chosen, given.rounds, write=given.write))
