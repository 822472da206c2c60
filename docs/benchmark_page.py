"""What `inv bench` found: docs/reference/benchmarks.md and its pictures, made from docs/reference/benchmarks.json."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "docs")]

import charts  # noqa: E402 - beside this file
from colours import THEMES  # noqa: E402
from markdown_tables import markdown_table  # noqa: E402
from record import FILE, Record  # noqa: E402 - of the benchmarks
from tables import Table  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
PICTURES = ROOT / "docs" / "pictures"
OURS, FLOOR = "stepladder", "floor"
"""What the names of our rows begin with, and of the scripts that do no more than they must."""
MAIN = "change"
"""The table whose figure the README has."""
FAULTS = "toughness"
"""The table that is drawn as a grid."""
LEGEND = (
    "Green, of every tool: it converges, or it refuses with the cause and leaves what was live. Red: anything else."
)
DETAILS = "toughness-details"
"""The table of the same runs in figures, which is not drawn."""
HEAD = """# Benchmarks

Written by `docs/generate.py` from [benchmarks.json](benchmarks.json), which `inv bench` writes; a test compares.

{about}

## Repeat it

<!-- example: takes minutes -->
```sh
sh bootstrap.sh
.venv/bin/invoke bench
```

It installs the other tools in environments of their own, starts a local cloud, and measures all tables in one run. It
writes this page. [What is measured, and how](../../benchmarks/README.md).

## What the figures are not

* The AWS behind them is [the local cloud](../concepts/local-cloud.md), where a call takes milliseconds. They rank what
  the client costs: start-up, calls, waits. On AWS each call adds its round trip, and AWS its own time. So the calls
  stand beside the seconds.
* Seconds depend on the machine and on what else it does. Compare figures of one table.
* A figure is the median of the counted runs; the least and the most are in parentheses.

## Goals

"""


def speed() -> str:
    """Return the main figure in one sentence, for the README: a change until it is live, beside the quickest other."""
    rows = [row.values for table in Record.read(FILE).tables if table.name == MAIN for row in table.rows]
    took = {each["tool"]: statistics.median(each["seconds"]) for each in rows if each.get("seconds")}
    ours = [seconds for tool, seconds in took.items() if tool.startswith(OURS)]
    others = {seconds: tool for tool, seconds in took.items() if not tool.startswith((OURS, FLOOR))}
    link = "[measured in one run](docs/reference/benchmarks.md)"
    if not ours or not others:
        return f"stepladder beside other tools, {link}"
    best = min(others)
    return (
        f"a changed line is tested, live and recorded after {min(ours):.1f} to {max(ours):.1f} s; "
        f"the quickest other tool, {others[best]}, takes {best:.1f} s: {link}"
    )


def documents() -> dict[Path, str]:
    """Return the page and the pictures."""
    made = Record.read(FILE)
    pictures = {
        PICTURES / f"bench-{table.name}-{theme}.svg": drawn
        for table in made.tables
        for theme in THEMES
        if (drawn := picture(table, theme))
    }
    return {PAGE: page(made), **pictures}


def page(made: Record) -> str:
    """Return the page."""
    goals = [
        (table.title, f"{goal.what} {goal.wanted}", goal.measured, outcome(goal.met, goal.needs))
        for table in made.tables
        for goal in table.goals
    ]
    parts = [HEAD.format(about=about(made)), markdown_table(("table", "goal", "measured", ""), goals)]
    parts += [section(table, made.rounds) for table in made.tables]
    parts += ["\n## Where it was made\n\n", markdown_table(("", ""), [*made.machine.items(), *made.versions.items()])]
    parts += ["\nThe load average of a minute, before and after each part:\n\n"]
    loads = [
        (part.name, f"{part.seconds:.0f}", f"{part.load[0]:.2f}", f"{part.load[1]:.2f}", part.error)
        for part in made.parts
    ]
    return "".join([*parts, markdown_table(("part", "seconds", "before", "after", ""), loads)])


def about(made: Record) -> str:
    """Return when, of what and on what the record was made."""
    at = f"{made.started[:10]} at {made.started[11:16]} UTC"
    changed = " with changed files" if made.changed else ""
    lines = [
        f"Made on {at}, in one run on one machine, which took {made.seconds / 60:.1f} minutes.",
        f"Measured was commit `{made.commit[:12]}`{changed}.",
        f"Runs of each that are counted: {made.rounds}, unless it says otherwise below a table.",
    ]
    if not made.whole or made.rounds == 1:
        lines += ["**This was a trial**, not a whole run: the figures show little."]
    return "\n".join(lines)


def outcome(met: bool, needs: str) -> str:
    """Return how a goal ended, in words."""
    return "met" if met else f"not met; it needs {needs}" if needs else "**missed**"


def section(table: Table, rounds: int) -> str:
    """Return a table with its picture; its goals stand in a table of their own. `rounds` is what the record says."""
    shown = ""
    if picture(table, "light"):
        name = f"../pictures/bench-{table.name}"
        shown = f"""<picture>
  <source media="(prefers-color-scheme: dark)" srcset="{name}-dark.svg">
  <img alt="{table.title}, as a picture of the table below" src="{name}-light.svg">
</picture>

"""
    legend = (LEGEND,) if table.name == FAULTS else ()
    notes = "".join(f"* {note}\n" for note in (*legend, *table.notes, *fewer(table, rounds)))
    rows = [row.cells for row in table.rows]
    return f"\n## {table.title}\n\n{shown}{markdown_table(table.head, rows)}{chr(10) + notes if notes else ''}"


def fewer(table: Table, rounds: int) -> list[str]:
    """Say which figures are of other than `rounds` runs; nothing of the faults, whose table says so of all cells."""
    counts: dict[int, list[str]] = {}
    for row in table.rows if table.name != DETAILS else ():
        runs = len(row.values.get("seconds") or ())
        if runs and runs != rounds:
            counts.setdefault(runs, []).append(f"`{', '.join(row.cells[: 2 if 'size' in row.values else 1])}`")
    return [f"Counted runs: {count} of {', '.join(names)}." for count, names in sorted(counts.items())]


def picture(table: Table, theme: str) -> str:
    """Return a table's picture; nothing for one that has none."""
    values = [row.values for row in table.rows]
    if table.name == FAULTS:
        return _grid(table, theme)
    if table.name == DETAILS:
        return ""
    if len({each.get("size") for each in values}) > 1:
        return _curves(table, theme)
    if any("tool" in each and each.get("seconds") for each in values):
        return _bars(table, theme)
    return ""


def _bars(table: Table, theme: str) -> str:
    lines = [
        charts.Bar(each["tool"], each["seconds"], _note(each), each["tool"].startswith(OURS))
        for each in (row.values for row in table.rows)
        if each.get("seconds")
    ]
    return charts.bars(table.title, "s", lines, theme)


def _note(values: Mapping[str, Any]) -> str:
    calls, own = values.get("calls"), values.get("own")
    parts = [] if calls is None else [f"{calls:g} call{'s' * (calls != 1)}"]
    if own and own != values["seconds"]:
        parts.append(f"{statistics.median(own):.2f} s without its tests")
    return ", ".join(parts)


def _curves(table: Table, theme: str) -> str:
    points: dict[str, list[tuple[float, float]]] = {}
    for row in table.rows:
        found = points.setdefault(row.values["tool"], [])
        found.append((row.values["size"], statistics.median(row.values["seconds"])))
    curves = [charts.Curve(name, sorted(each)) for name, each in points.items()]
    return charts.curves(table.title, (_unit(table), "seconds"), curves, theme)


def _unit(table: Table) -> str:
    """Return of what the sizes of a table are: `functions` of `100 functions`, or of the head."""
    return table.rows[0].cells[0].lstrip("0123456789,. ") or table.head[0]


def _grid(table: Table, theme: str) -> str:
    """Draw a column for each tool that ran, and a line for each fault."""
    rows = [row for row in table.rows if row.values.get("tool")]
    lines = {
        fault: [charts.Outcome(_kind(row.cells[number]), row.cells[number]) for row in rows]
        for number, fault in enumerate(table.head[1:], 1)
    }
    return charts.grid(table.title, [row.cells[0] for row in rows], lines, theme) if rows else ""


def _kind(word: str) -> str:
    """Return how good an outcome is, by its words in `benchmarks/toughness.py`."""
    if word.startswith(("converges", "refuses")):
        return "good"
    if word.startswith(("pushes nothing", "the fault wasn't met")) or not word:
        return "none"
    return "fair" if "though live" in word else "bad"
