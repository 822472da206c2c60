"""The table of `inv status` for several functions: who differs has a row, who is as it should be is counted.

A function differs when its alarms fire, something moves or holds it, its last release failed, or it is one of few that
serve another image than the rung below. With few functions, or `--all`, each has a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from stepladder.commands.status import HEAD, RungStatus
from stepladder.commands.status_notes import print_environments, print_notes
from stepladder.core.clock import ago
from stepladder.core.console import Console
from stepladder.core.names import split_target
from stepladder.core.release_facts import short
from stepladder.core.tables import Cell
from stepladder.ledger.words import shown_commit
from stepladder.settings.functions import MAIN
from stepladder.settings.load import Settings

SPELLED_OUT = 10
"""Functions of a project that have a row each."""
_NOTED = 10
"""Functions of a rung that have lines of their own below the table."""
_NOT_DEPLOYED = "nothing deployed yet"
_CALM = ("ok", "no data yet")


def show(console: Console, settings: Settings, statuses: list[RungStatus], now: float, *, every: bool) -> None:
    """Print the table, the lines of those that differ, and how many functions of each rung are how."""
    by_rung: dict[str, list[RungStatus]] = {}
    for status in statuses:
        by_rung.setdefault(split_target(status.environment)[0], []).append(status)
    spelled_out = every or len(settings.whole.function_names) <= SPELLED_OUT
    rows, counted = list[tuple[Cell, ...]](), 0
    for rung, own in by_rung.items():
        behind = _behind(own, by_rung.get(_rung_below(settings, rung), []))
        differs = [each for each in own if spelled_out or _differs(each) or _is_one_of_few(each, behind)]
        rows += [_row(each, now) for each in differs]
        for group in _groups([each for each in own if each not in differs], behind):
            rows.append(_row(group[0], now) if len(group) == 1 else _summary(rung, group, now))
            counted += len(group) if len(group) > 1 else 0
    head = (HEAD[0], "function", *HEAD[1:])
    console.table(head, rows)
    print_environments(console, statuses, now)
    for rung, own in by_rung.items():
        noted = [each for each in own if _has_notes(each)]
        print_notes(console, noted if every else noted[:_NOTED], now)
        if len(noted) > _NOTED and not every:
            console.line(f"{rung}: {len(noted) - _NOTED} more functions have such lines")
        below = _rung_below(settings, rung)
        behind = _behind(own, by_rung.get(below, []))
        waiting = f"; {len(behind)} serve another image than in {below}" if behind else ""
        console.line(f"{rung}: {_totals(own)}{waiting}")
    if counted:
        console.hint("a row for every function: `inv status --all`")


def _rung_below(settings: Settings, environment: str) -> str:
    """Return the first environment of the rung below; empty for the lowest, and off the ladder."""
    for below, rung in zip(settings.rungs, settings.rungs[1:], strict=False):
        if environment in rung:
            return below[0]
    return ""


def _behind(statuses: Sequence[RungStatus], below: Sequence[RungStatus]) -> list[RungStatus]:
    """Return the functions that serve another image than on the rung below, as far as both are known."""
    digests = {_function(each): each.digest for each in below}
    return [each for each in statuses if each.digest and digests.get(_function(each), "") not in ("", each.digest)]


def _is_one_of_few(status: RungStatus, behind: Sequence[RungStatus]) -> bool:
    return len(behind) <= SPELLED_OUT and status in behind


def _function(status: RungStatus) -> str:
    return split_target(status.environment)[1] or MAIN


def _differs(status: RungStatus) -> bool:
    """Say whether a person has to read about it: it isn't well, or not still."""
    if _has_notes(status) or status.problem or status.weights or status.lock or status.deployment:
        return True
    return bool(status.version) and status.health not in _CALM


def _has_notes(status: RungStatus) -> bool:
    return bool(status.lock_job or status.drift or status.skipped_ladder or status.bad or status.last_failure)


def _groups(statuses: Sequence[RungStatus], behind: Sequence[RungStatus]) -> list[list[RungStatus]]:
    groups: dict[tuple[str, bool], list[RungStatus]] = {}
    for status in statuses:
        groups.setdefault((_words(status), status in behind), []).append(status)
    return list(groups.values())


def _words(status: RungStatus) -> str:
    """Return how a function is, in a word."""
    if status.problem:
        return "unread"
    if not status.version:
        return "deleted" if status.deleted else _NOT_DEPLOYED
    return status.health.partition(":")[0]


def _row(status: RungStatus, now: float) -> tuple[Cell, ...]:
    rung, *rest = status.cells(now)
    return (Cell(split_target(rung.text)[0], rung.colour), Cell(_function(status)), *rest)


def _summary(rung: str, group: Sequence[RungStatus], now: float) -> tuple[Cell, ...]:
    """Return the row of functions that are alike: what they share, or how many there are of it."""
    name = Cell(f"{len(group)} others" if len(group) > 1 else _function(group[0]))
    health = Cell(_words(group[0]), "green" if group[0].health == "ok" else "dim")
    if not group[0].version:
        return (Cell(rung, "bold"), name, *(Cell("-") for _ in range(5)), health, Cell("-"))
    ages = sorted(each.released_at for each in group if each.released_at)
    age = ago(ages[-1], now) if ages else "?"
    older = ago(ages[0], now) if ages else "?"
    return (
        Cell(rung, "bold"),
        name,
        Cell("-"),
        Cell(_shared([short(each.digest) or "?" for each in group], "images")),
        Cell(_shared([shown_commit(each.git_commit) or "?" for each in group], "commits")),
        Cell(age if age == older else f"{age} to {older}"),
        Cell("100%"),
        health,
        Cell("-"),
    )


def _shared(values: Sequence[str], what: str) -> str:
    unique = set(values)
    return values[0] if len(unique) == 1 else f"{len(unique)} {what}"


def _totals(statuses: Sequence[RungStatus]) -> str:
    counts = Counter(map(_words, statuses))
    parts = [f"{count} {words}" for words, count in sorted(counts.items(), key=lambda each: each[0] not in _CALM)]
    moving = sum(bool(each.lock or each.deployment) for each in statuses)
    parts += [f"{moving} in flight"] if moving else []
    parts += [f"{bad} marked bad"] if (bad := sum(bool(each.bad) for each in statuses)) else []
    return f"{len(statuses)} functions: {', '.join(parts)}"
