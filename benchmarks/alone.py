"""Run one module of measurements: alone, or for the run of all of them."""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import progress
from interrupts import end_by
from measure import without_folders
from tables import ROUNDS, Table

from stepladder.core.console import Console


def print_tables(measure: Callable[[Path, int], Iterator[Table]]) -> None:
    """Print what a module measures, in as many rounds as the command line says; exit 1 when a goal is missed."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    end_by(lambda: _printed(measure, rounds))


def _printed(measure: Callable[[Path, int], Iterator[Table]], rounds: int) -> int:
    missed = False
    with Console().step("bench") as step, tempfile.TemporaryDirectory(prefix="stepladder-bench-") as work:
        progress.follow(step)
        for table in measure(Path(work), rounds):
            print(f"{table.text()}\n", flush=True)
            missed = missed or any(goal.missed for goal in table.goals)
    return int(missed)


def main(name: str, rounds: int, output: Path) -> None:
    """Measure for `run.py`: a line of JSON in `output` for each table as soon as it is whole, then for versions.

    A module may have `versions()`, which returns the versions of the programs that it measured, by their names.
    """
    with (
        output.open("a") as lines,
        Console().step(name) as step,
        tempfile.TemporaryDirectory(prefix="stepladder-bench-") as work,
    ):
        progress.follow(step)
        try:
            module = importlib.import_module(name)
            for table in module.measure(Path(work), rounds):
                print(json.dumps({"table": table.json()}), file=lines, flush=True)
            print(json.dumps({"versions": dict(getattr(module, "versions", dict)())}), file=lines, flush=True)
        except Exception as error:
            words = without_folders(" ".join(str(error).split()))[:300]
            print(json.dumps({"error": f"{type(error).__name__}: {words}"}), file=lines, flush=True)
            raise


if __name__ == "__main__":
    end_by(lambda: main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
