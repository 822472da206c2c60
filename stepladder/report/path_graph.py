"""Draw the state machine with the path that a promotion took through it, as SVG. Pure.

Each scope, the machine and the inside of each Map, is a column: its states stand below each other in the order of the
definition, the path that goes well first. Steps to the next state are short lines, all others are arcs at the side.
What was entered is bold, with a mark and the number of targets; what was not is thin and grey.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from stepladder.promotion import definition
from stepladder.report.story import Story, Visit
from stepladder.report.visits import TURNS

_ROW, _LEFT, _WIDTH, _TOP = 24, 70, 340, 12
_TITLES = {
    (): "The execution",
    ("PromoteRungs",): "Each rung",
    ("PromoteRungs", "ReleaseTargets"): "Each target: release",
    ("PromoteRungs", "FinishTargets"): "Each target: finish",
}
_FARTHEST = 56.0  # of an arc from the states


@dataclass
class _ScopePath:
    """What was entered of a scope: how many targets or rungs entered each state and step, and which failed in one."""

    states: Counter[str] = field(default_factory=Counter)
    steps: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: set[str] = field(default_factory=set)


def of(story: Story) -> list[tuple[str, str, Markup]]:
    """Return title, description and drawing of each scope that was entered; none without a history."""
    entered = _entered(story.visits)
    whole = definition.load()
    drawings = []
    for scope, _ in definition.scopes(whole):
        if scope in entered:
            graph = definition.graph(whole, scope)
            title = _TITLES.get(scope, " / ".join(scope))
            drawings.append((title, _sentence(entered[scope]), _drawn(title, graph, entered[scope])))
    return drawings


def _entered(visits: Iterable[Visit]) -> dict[tuple[str, ...], _ScopePath]:
    """Count states and steps by scope, once for each target: a poll that repeats a hundred times is one step."""
    entered: dict[tuple[str, ...], _ScopePath] = {}
    last: dict[tuple[tuple[str, ...], str], str] = {}
    seen: set[tuple[object, ...]] = set()
    for visit in visits:
        of_scope = entered.setdefault(visit.scope, _ScopePath())
        state = (visit.scope, visit.key, visit.state)
        if state not in seen:
            seen.add(state)
            of_scope.states[visit.state] += 1
        before = last.get((visit.scope, visit.key))
        step = (visit.scope, visit.key, before, visit.state)
        if before and step not in seen:
            seen.add(step)
            of_scope.steps[before, visit.state] += 1
        if visit.error or visit.state in TURNS:
            of_scope.failed.add(visit.state)
        last[visit.scope, visit.key] = visit.state
    return entered


def _sentence(entered: _ScopePath) -> str:
    failed = ", ".join(sorted(entered.failed))
    text = f"{len(entered.states)} states were entered: {', '.join(entered.states)}."
    return f"{text} Failed or turned in: {failed}." if failed else text


def _drawn(title: str, graph: Mapping[str, definition.State], entered: _ScopePath) -> Markup:
    order = [*graph, *(name for name in entered.states if name not in graph)]
    shown = [name for name in order if _is_shown(name, graph, entered)]
    rows = {name: _TOP + number * _ROW for number, name in enumerate(shown)}
    height = _TOP + len(shown) * _ROW
    parts = [_edge(rows, a, b, is_entered=False) for a in shown for b in _nexts(graph, a) if b in rows]
    parts += [_edge(rows, a, b, is_entered=True) for a, b in entered.steps if a in rows and b in rows and a != b]
    parts += [_node(name, y, graph, entered) for name, y in rows.items()]
    head = Markup('<svg class="path" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        _WIDTH, height, f"{title}. {_sentence(entered)}"
    )
    return head + Markup("").join(parts) + Markup("</svg>")


def _is_shown(name: str, graph: Mapping[str, definition.State], entered: _ScopePath) -> bool:
    """Leave out states that were not entered and to which nothing that was entered leads."""
    return name in entered.states or any(name in _nexts(graph, other) for other in entered.states)


def _nexts(graph: Mapping[str, definition.State], name: str) -> frozenset[str]:
    return graph[name].nexts if name in graph else frozenset()


def _edge(rows: Mapping[str, int], first: str, then: str, *, is_entered: bool) -> Markup:
    start, end = rows[first], rows[then]
    kind = "taken" if is_entered else "other"
    if end - start == _ROW:
        return Markup('<path class="{}" d="M{x} {a}V{b}"/>').format(kind, x=_LEFT, a=start + 6, b=end - 6)
    far = min(_FARTHEST, 14 + abs(end - start) / _ROW * 2.2)
    text = f"M{_LEFT - 6} {start}C{_LEFT - far:.0f} {start} {_LEFT - far:.0f} {end} {_LEFT - 7} {end}"
    return Markup('<path class="{} arc" d="{}"/>').format(kind, text)


def _node(name: str, y: int, graph: Mapping[str, definition.State], entered: _ScopePath) -> Markup:
    count = entered.states.get(name, 0)
    kind = "failed" if name in entered.failed else "taken" if count else "other"
    mark = {"failed": "✗", "taken": "✓", "other": ""}[kind]
    times = f" ×{count}" if count > 1 else ""  # noqa: RUF001 - how many
    state = graph.get(name)
    shape = "choice" if state and state.kind == "Choice" else "state"
    return Markup(
        '<g class="{kind} {shape}"><circle cx="{x}" cy="{y}" r="6"/>'
        '<text class="mark" x="{x}" y="{m}" text-anchor="middle">{mark}</text>'
        '<text x="{t}" y="{b}">{name}{times}</text></g>'
    ).format(kind=kind, shape=shape, x=_LEFT, y=y, m=y + 3.5, mark=mark, t=_LEFT + 14, b=y + 4, name=name, times=times)
