"""What the main commands may cost, and the comparison with what they did: `tests/budgets.yaml` is the table.

A figure that is the same in every run must be what the table says: a better one is written there too, so that it isn't
lost again. Of the others the table has the most.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

TABLE = Path(__file__).resolve().parents[1] / "budgets.yaml"
_COUNTER = Path(__file__).with_name("counted.py")
_SLACK = {"modules": 0.1, "sent": 0.1, "memory": 0.4, "ratio": 0.5}
"""How far below its budget a figure may be, as a part of it; other figures are exact."""
_NOT_BY_NUMBER = ("never", "polls")


@dataclass
class Cost:
    """What a command did; `programs` are those that it started, each by its name and first argument."""

    calls: Counter[str] = field(default_factory=Counter)
    programs: list[str] = field(default_factory=list)
    modules: frozenset[str] = frozenset()
    figures: dict[str, float] = field(default_factory=dict)


@dataclass
class Counted:
    """A command that has ended, and what it cost."""

    code: int
    out: str
    err: str
    cost: Cost


def run(folder: Path, record: Path, *arguments: str, env: Mapping[str, str], timeout: float = 120) -> Counted:
    """Run a task in a folder and count. `record` is a file for the counts."""
    argv = [sys.executable, str(_COUNTER), str(record), *arguments]
    kept = {name: value for name, value in env.items() if name not in ("PYTHONDONTWRITEBYTECODE", "CI")}
    done = subprocess.run(argv, cwd=folder, env=kept, capture_output=True, text=True, timeout=timeout, check=False)
    counts = json.loads(record.read_text("utf-8"))
    modules = frozenset(counts["modules"])
    figures = {"modules": len(modules), "files": len(counts["files"]), "sent": counts["sent"]}
    if counts["memory"]:  # which other systems than Linux don't tell
        figures["memory"] = round(counts["memory"])
    cost = Cost(Counter(), [_program(argv) for argv in counts["programs"]], modules, figures)
    return Counted(done.returncode, done.stdout, done.stderr, cost)


def check(name: str, cost: Cost) -> None:
    """Fail unless a command cost what the table has under this name."""
    budget = yaml.safe_load(TABLE.read_text("utf-8"))[name]
    wrong = [*_wrong_calls(budget, cost), *_wrong_figures(budget, cost.figures)]
    if "programs" in budget and sorted(cost.programs) != sorted(budget["programs"]):
        wrong.append(f"it started {sorted(cost.programs)}, budget {sorted(budget['programs'])}")
    for module in budget.get("never", ()):
        wrong += [f"it imported {one}" for one in sorted(cost.modules) if one == module or one.startswith(f"{module}.")]
    if wrong:
        measured = yaml.safe_dump({name: _row(budget, cost)}, sort_keys=False, width=200)
        lines = (f"{name} doesn't cost what {os.path.relpath(TABLE)} says:", *wrong, "", "measured:", measured)
        pytest.fail("\n".join(lines), pytrace=False)


def _wrong_calls(budget: Mapping[str, Any], cost: Cost) -> list[str]:
    if "calls" not in budget:
        return []
    polls, wrong = budget.get("polls", {}), []
    for call in sorted({*budget["calls"], *cost.calls}):
        now, allowed = cost.calls[call], budget["calls"].get(call, 0)
        if call in polls:
            if now > polls[call]:
                wrong.append(f"now {now} {call}, at most {polls[call]}")
        elif now != allowed:
            wrong.append(_compared(f"calls of {call}", now, allowed))
    return wrong


def _wrong_figures(budget: Mapping[str, Any], figures: Mapping[str, float]) -> list[str]:
    return [
        _compared(what, now, budget[what])
        for what, now in figures.items()
        if what in budget and not budget[what] * (1 - _SLACK.get(what, 0)) <= now <= budget[what]
    ]


def _compared(what: str, now: float, allowed: float) -> str:
    return f"now {now} {what}, budget {allowed}" + (": lower the budget" if now < allowed else "")


def _row(budget: Mapping[str, Any], cost: Cost) -> dict[str, Any]:
    """Return what was measured, as a row of the table has it."""
    polls = budget.get("polls", {})
    calls = {call: number for call, number in sorted(cost.calls.items()) if call not in polls}
    measured = {"calls": calls, "programs": sorted(cost.programs), **cost.figures}
    return {key: budget[key] if key in _NOT_BY_NUMBER else measured.get(key) for key in budget}


def _program(argv: Sequence[str]) -> str:
    """Return a program's name and what it is told to do: the first word that is no option of git's, nor its value."""
    words = [word for before, word in itertools.pairwise(argv) if before not in ("-c", "-C")]
    return " ".join([Path(argv[0]).name, *[word for word in words if word not in ("-c", "-C")][:1]])
