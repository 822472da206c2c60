"""The state machine's definition, read as a graph: its states by scope, and where each leads.

There is one definition, `terraform/modules/delivery/promotion.asl.json`; Terraform fills in the ARNs. Tests walk it by
this module, and the documentation's diagrams are made with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stepladder.core import resources


@dataclass(frozen=True)
class State:
    """One state. `scope` names the Map states around it, outermost first."""

    scope: tuple[str, ...]
    name: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The state's type: Task, Choice, Map, Pass, Wait, Succeed or Fail."""
        return str(self.body["Type"])

    @property
    def nexts(self) -> frozenset[str]:
        """The states that may follow in the same scope, errors caught included."""
        return self.steps | self.caught

    @property
    def steps(self) -> frozenset[str]:
        """The states that may follow when no error is caught."""
        names = {self.body.get("Next"), self.body.get("Default")}
        names |= {choice["Next"] for choice in self.body.get("Choices", ())}
        return frozenset(name for name in names if name)

    @property
    def caught(self) -> frozenset[str]:
        """The states that follow an error."""
        return frozenset(catcher["Next"] for catcher in self.body.get("Catch", ()))

    @property
    def is_end(self) -> bool:
        """Whether the scope may end here."""
        return bool(self.body.get("End")) or self.kind in ("Succeed", "Fail")


def load() -> dict[str, Any]:
    """Read the definition as it is stored, with `${...}` where Terraform fills in ARNs."""
    path = resources.folder("terraform") / "modules" / "delivery" / "promotion.asl.json"
    definition: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return definition


def scopes(definition: Mapping[str, Any], scope: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every scope (the machine, and the inside of each Map) with the state that it starts at."""
    yield scope, definition["StartAt"]
    for name, body in definition["States"].items():
        if "ItemProcessor" in body:
            yield from scopes(body["ItemProcessor"], (*scope, name))


def states(definition: Mapping[str, Any], scope: tuple[str, ...] = ()) -> Iterator[State]:
    """Yield every state of the definition, those inside Maps included."""
    for name, body in definition["States"].items():
        yield State(scope, name, body)
        if "ItemProcessor" in body:
            yield from states(body["ItemProcessor"], (*scope, name))


def graph(definition: Mapping[str, Any], scope: tuple[str, ...]) -> dict[str, State]:
    """Return the states of one scope by name, in the order of the definition."""
    return {state.name: state for state in states(definition) if state.scope == scope}


def main_path(graph: Mapping[str, State]) -> list[str]:
    """Return the states that stand first, down to the first one that leads nowhere: the path that goes well."""
    path: list[str] = []
    for name, state in graph.items():
        path.append(name)
        if not state.steps:
            break
    return path


def branches(graph: Mapping[str, State]) -> dict[str, str]:
    """Return the states beside the main path, each with the last state of that path that its branch leaves."""
    path = main_path(graph)
    left: dict[str, str] = {}
    for name in path:
        for first in graph[name].nexts - set(path):
            left |= dict.fromkeys(reachable(graph, first, without=frozenset(path)), name)
    return {name: left[name] for name in graph if name in left}


def reachable(graph: Mapping[str, State], start: str, *, without: frozenset[str] = frozenset()) -> set[str]:
    """Return the states that may be reached from `start` (itself included) on paths that avoid `without`."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name in seen or name in without:
            continue
        seen.add(name)
        todo.extend(graph[name].nexts)
    return seen
