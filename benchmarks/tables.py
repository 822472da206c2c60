"""What a benchmark found: tables of rows, notes that travel with them, goals; as text, as Markdown, as JSON.

Each module of measurements has a function `measure(work, rounds)` that yields tables. `work` is an empty folder,
`rounds` the number of runs that are counted. The command that runs them all is `run.py`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

ROUNDS = 7
"""Runs of each that are counted, unless somebody says otherwise."""


@dataclass(frozen=True)
class Spread:
    """Figures of the same thing, measured several times, in one unit."""

    figures: tuple[float, ...]

    @property
    def median(self) -> float:
        """Return the middle one, which a single slow run doesn't move."""
        return statistics.median(self.figures)

    def text(self, digits: int = 2) -> str:
        """Return `median (least to most)`."""
        return f"{self.median:.{digits}f} ({min(self.figures):.{digits}f} to {max(self.figures):.{digits}f})"


@dataclass(frozen=True)
class Row:
    """One line: its cells as they are read, and the same figures for a machine (seconds, bytes, counts, names)."""

    cells: tuple[str, ...]
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """What a figure should be. `needs` names the machine that a goal wants, where this one can't reach it."""

    what: str
    wanted: str
    measured: str
    met: bool
    needs: str = ""

    @property
    def missed(self) -> bool:
        """Say whether this fails the run."""
        return not self.met and not self.needs


def told(figure: float, goal: float, digits: int = 2) -> str:
    """Return a figure with so many digits behind the point, and as many more as tell it from its goal."""
    while figure != goal and float(f"{figure:.{digits}f}") == goal:
        digits += 1
    return f"{figure:.{digits}f}"


@dataclass(frozen=True)
class Table:
    """One table. `notes` say what the figures are not; they are printed and published with it."""

    name: str
    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    goals: tuple[Goal, ...] = ()

    def text(self) -> str:
        """Return the table for a terminal."""
        return "\n".join([self.title, "", *_aligned([self.head, *(row.cells for row in self.rows)]), *self._below("")])

    def markdown(self) -> str:
        """Return the table for the documentation, under a heading of the second level."""
        lines = [self.head, tuple("---" for _ in self.head), *(row.cells for row in self.rows)]
        shown = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        return "\n".join([f"## {self.title}", "", *shown, *self._below("* ")]) + "\n"

    def json(self) -> dict[str, Any]:
        """Return all of it for a file that a machine reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, text: Mapping[str, Any]) -> Table:
        """Return the table that `json` gave."""
        rows = tuple(Row(tuple(row["cells"]), row["values"]) for row in text["rows"])
        goals = tuple(Goal(**goal) for goal in text["goals"])
        return cls(text["name"], text["title"], tuple(text["head"]), rows, tuple(text["notes"]), goals)

    def _below(self, bullet: str) -> list[str]:
        goals = [_goal(goal) for goal in self.goals]
        said = [f"{bullet}{line}" for line in (*goals, *self.notes)]
        return ["", *said] if said else []


def _goal(goal: Goal) -> str:
    outcome = "met" if goal.met else f"not met; it needs {goal.needs}" if goal.needs else "MISSED"
    return f"Goal: {goal.what} {goal.wanted}. Measured: {goal.measured} ({outcome})."


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
