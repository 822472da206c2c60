"""Commands that reach no cloud: `inv --list` and `inv new`, each beside the tool that it is built on.

.venv/bin/python benchmarks/commands.py [rounds]
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from alone import print_tables
from measure import Command, Run, environment, side_by_side
from projects import ANSWERS, INVOKE, ROOT, new, tool
from tables import Goal, Row, Spread, Table, told

COOKIECUTTER = str(Path(sys.executable).parent / "cookiecutter")
RATIO = 1.3
NOTES = ("Whole processes in turn, after one run of each that isn't counted.",)


def measure(work: Path, rounds: int) -> Iterator[Table]:
    """Yield one table of both."""
    rows, goals = [], []
    for what, (ours, peer) in (
        ("inv --list, beside a tasks.py of one task", listing(work, rounds)),
        ("inv new, beside cookiecutter on the same template", scaffolding(work, rounds)),
    ):
        seconds = [Spread(tuple(run.seconds for run in runs)) for runs in (ours, peer)]
        processor = [Spread(tuple(run.processor for run in runs)) for runs in (ours, peer)]
        ratio = seconds[0].median / seconds[1].median
        cells = (what, *(each.text() for each in seconds), f"{ratio:.2f}", *(f"{p.median:.2f}" for p in processor))
        values = [{"seconds": each.figures, "processor": p.figures} for each, p in zip(seconds, processor, strict=True)]
        rows.append(Row(cells, {"what": what, "ours": values[0], "peer": values[1], "ratio": ratio}))
        goals.append(Goal(what, f"at most {RATIO} times as long", f"{told(ratio, RATIO)} times", ratio <= RATIO))
    head = ("command", "seconds", "seconds of the other", "ratio", "processor", "processor of the other")
    yield Table("commands", "Commands that reach no cloud", head, tuple(rows), NOTES, tuple(goals))


def listing(work: Path, rounds: int) -> Sequence[Sequence[Run]]:
    """Run `inv --list` in a project, and for a file of one task, both by the project's own environment."""
    project = new(work / "listing")
    one = work / "one"
    one.mkdir()
    (one / "tasks.py").write_text("from invoke import task\n\n\n@task\ndef hello(c):\n    print('hello')\n")
    commands = [Command([tool(project, "inv"), "--list"], folder, environment()) for folder in (project, one)]
    return side_by_side(rounds, *commands, what="inv --list")


def scaffolding(work: Path, rounds: int) -> Sequence[Sequence[Run]]:
    """Run `inv new`, and cookiecutter's own command on the same template."""
    output = work / "scaffolding"
    answers = work / "answers.json"
    answers.write_text(json.dumps(ANSWERS))
    mine = [INVOKE, "new", "--no-input", "--answers", str(answers), "--output", str(output)]
    its = [COOKIECUTTER, str(ROOT), "--directory", "template", "--no-input", "--output-dir", str(output)]
    its += [f"{key}={value}" for key, value in ANSWERS.items()]

    def empty() -> None:
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()

    commands = [Command(argv, ROOT, environment(), empty) for argv in (mine, its)]
    return side_by_side(rounds, *commands, what="inv new")


if __name__ == "__main__":
    print_tables(measure)
