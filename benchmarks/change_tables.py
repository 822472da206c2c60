"""The tables of `change.py`: of a change, and of the same commands with nothing changed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from contenders import Contender
from tables import Goal, Row, Spread, Table, told

CHANGE_SECONDS, CHANGE_RATIO = 1.2, 0.5
NOTHING_SECONDS, NOTHING_CALLS, NOTHING_RATIO = 0.35, 2, 0.25


def change_table(contenders: Sequence[Contender], notes: tuple[str, ...]) -> Table:
    """Return the table of a change, and its goals."""
    best = best_peer([c for c in contenders if c.changed], lambda each: [s.seconds for s in each.changed])
    rows, goals = [], []
    for each in contenders:
        if each.reason or not each.changed:
            rows.append(Row((each.name, each.version, "-", "-", "-", "-", each.reason), {"tool": each.name}))
            if each.ours:
                goals.append(Goal(each.name, "measured", each.reason, met=False))
            continue
        seconds = Spread(tuple(sample.seconds for sample in each.changed))
        own = Spread(tuple(sample.own for sample in each.changed))
        processor = statistics.median(sample.processor for sample in each.changed)
        calls = int(statistics.median(sample.calls for sample in each.changed))
        kind = "floor" if each.floor else "zip" if each.zip else ""
        does = ", ".join(filter(None, (kind, "publishes" if each.publishes else "", "tests, records" * each.ours)))
        cells = (each.name, each.version, seconds.text(), own.text(), f"{processor:.2f}", str(calls), does)
        values = {"tool": each.name, "seconds": seconds.figures, "own": own.figures, "processor": processor}
        rows.append(Row(cells, values | {"calls": calls, "ours": each.ours, "floor": each.floor}))
        if each.ours:
            what = f"a change, {each.name}, beside the smoke cases"
            met = own.median <= CHANGE_SECONDS
            goals.append(Goal(what, f"at most {CHANGE_SECONDS} s", f"{told(own.median, CHANGE_SECONDS)} s", met))
            goals += against(what, own.median, best, CHANGE_RATIO)
    head = ("tool", "version", "seconds", "beside the smoke cases", "processor", "calls", "what it does besides")
    return Table("change", "A change of one line to verified live", head, tuple(rows), notes, tuple(goals))


def nothing_table(contenders: Sequence[Contender], notes: tuple[str, ...]) -> Table:
    """Return the table of the same commands with nothing changed, and its goals."""
    best = best_peer([c for c in contenders if c.unchanged], lambda each: [s.seconds for s in each.unchanged])
    rows, goals = [], []
    for each in contenders:
        if each.reason or not each.unchanged:
            rows.append(Row((each.name, "-", "-", "-", each.reason), {"tool": each.name}))
            continue
        seconds = Spread(tuple(sample.seconds for sample in each.unchanged))
        processor = statistics.median(sample.processor for sample in each.unchanged)
        calls = int(statistics.median(sample.calls for sample in each.unchanged))
        cells = (each.name, seconds.text(), f"{processor:.2f}", str(calls), str(len(each.unchanged)))
        values = {"tool": each.name, "seconds": seconds.figures, "processor": processor, "calls": calls}
        rows.append(Row(cells, values | {"ours": each.ours, "floor": each.floor}))
        if each.ours:
            what = f"nothing changed, {each.name}"
            met = seconds.median <= NOTHING_SECONDS
            goals.append(Goal(what, f"at most {NOTHING_SECONDS} s", f"{told(seconds.median, NOTHING_SECONDS)} s", met))
            goals.append(Goal(what, f"{NOTHING_CALLS} calls", str(calls), calls <= NOTHING_CALLS))
            goals += against(what, seconds.median, best, NOTHING_RATIO)
    head = ("tool", "seconds", "processor", "calls", "runs")
    return Table("nothing", "The same commands with nothing changed", head, tuple(rows), notes, tuple(goals))


def best_peer(contenders: Sequence[Contender], figures: Callable[[Contender], list[float]]) -> tuple[str, float]:
    """Return name and median of the quickest that is no floor and deploys a container function."""
    medians = [
        (statistics.median(figures(each)), each.name)
        for each in contenders
        if not (each.ours or each.floor or each.zip or each.reason)
    ]
    return (min(medians)[1], min(medians)[0]) if medians else ("", 0.0)


def against(what: str, seconds: float, best: tuple[str, float], ratio: float) -> list[Goal]:
    """Return the goal of a ratio to the best peer; none without a peer."""
    name, its = best
    if not name:
        return []
    measured = seconds / its
    wanted = f"at most {ratio} times the best peer ({name}, {its:.2f} s)"
    return [Goal(what, wanted, f"{told(measured, ratio, 3)} times", measured <= ratio)]
