"""Draw the promotion's state machine from its definition: docs/concepts/state-machine.md.

`docs/generate.py` runs it. A section for the execution, and one for each phase of each Map; each has a diagram and a
table. A phase is a part of the main path with the branches that leave it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stepladder.promotion import definition as asl

DEFINITION = Path("terraform", "modules", "delivery", "promotion.asl.json")
HEAD = """# The state machine of a promotion

Written by `docs/generate.py` from `terraform/modules/delivery/promotion.asl.json`; a test compares.
[Promotion](promotion.md) says what the states do together.

The definition's states stand in the order in which they run: first the path of a promotion that goes well, then the
branches that leave it. A Map's phases are parts of that path.

| drawn | means |
|---|---|
| rectangle | a task, a wait, or a state that sets values |
| hexagon | a choice |
| double frame | a Map, which has sections of its own |
| stadium | an end of the execution or of the iteration |
| dashed frame | a state of another phase |
| dotted arrow | an error that is caught |
"""
PHASES = {
    "PromoteRungs": {
        "approve": "NeedsApproval",
        "release, and decide": "ReleaseTargets",
        "finish": "FinishTargets",
    },
    "ReleaseTargets": {
        "which image, and where": "HasTargetRelease",
        "validate and publish": "Validate",
        "test": "AwaitVersion",
        "first release, or the next one": "IsFirstRelease",
        "move traffic": "IsHotfix",
        "watch the deployment": "PollDeployment",
        "verify, or roll back": "VerifyAlias",
    },
    "FinishTargets": {
        "in another location": "WasReleasedByChild",
        "find the cause": "WhichTargetOutcome",
        "record, or roll back": "RecordSuccess",
        "unlock": "ReleaseLock",
    },
}
"""The phases of each Map: the title, and the state of the main path that begins it."""

SPACING = '%%{init: {"flowchart": {"nodeSpacing": 25, "rankSpacing": 30, "wrappingWidth": 320}}}%%'
"""So that each diagram fits a screen."""

State = Mapping[str, Any]
Graph = Mapping[str, asl.State]


def page(root: Path) -> str:
    """Return the page: the execution, then every Map in the order in which they run."""
    definition = json.loads((root / DEFINITION).read_text("utf-8"))
    return "\n".join([HEAD, *sections(definition)])


def sections(definition: State) -> Iterator[str]:
    """Yield a section for each phase of the execution and of its Maps."""
    for scope, start in asl.scopes(definition):
        graph = asl.graph(definition, scope)
        for title, names in phases(graph, scope).items():
            states = [graph[name] for name in names]
            rows = "".join(f"| `{each.name}` | {each.kind} | {each.body['Comment']} |\n" for each in states)
            drawn = diagram(graph, names, start)
            yield f"## {title}\n\n```mermaid\n{drawn}```\n\n| state | type | purpose |\n|---|---|---|\n{rows}"


def phases(graph: Graph, scope: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the names of the states of each phase by its title; a branch belongs to the phase that it leaves last."""
    if not scope:
        return {"The execution": list(graph)}
    begins = {name: f"Each iteration of `{scope[-1]}`: {title}" for title, name in PHASES[scope[-1]].items()}
    phase_of: dict[str, str] = {}
    for name in asl.main_path(graph):
        phase_of[name] = begins.get(name, "") or list(phase_of.values())[-1]
    phase_of |= {name: phase_of[left] for name, left in asl.branches(graph).items()}
    return {title: [name for name in graph if phase_of[name] == title] for title in begins.values()}


def diagram(graph: Graph, names: list[str], start: str) -> str:
    """Return a Mermaid flowchart of some states: whole arrows for steps, dotted ones for errors, joined by handler.

    It begins at the start of the machine, or at the state of another phase that leads to the first one.
    """
    path = asl.main_path(graph)
    first = names[0]
    before = "start(( ))" if first == start else path[path.index(first) - 1]
    lines = [SPACING, "flowchart TD", *(f"    {node(graph[name])}" for name in names)]
    others = {} if first == start else {before: None}
    others |= dict.fromkeys(after for name in names for after in (*following(graph[name]), *caught(graph[name])))
    lines += [f"    {other}({other}):::other" for other in others if other not in names]
    lines.append(f"    {before} --> {first}")
    lines += [f"    {name} --> {' & '.join(following(graph[name]))}" for name in names if following(graph[name])]
    handled: dict[str, list[str]] = {}
    for name in names:
        for handler in caught(graph[name]):
            handled.setdefault(handler, []).append(name)
    lines += [f"    {' & '.join(states)} -. error .-> {handler}" for handler, states in handled.items()]
    if any(line.endswith(":::other") for line in lines):
        lines.append("    classDef other stroke-dasharray: 4 4")
    return "".join(f"{line}\n" for line in lines)


def node(state: asl.State) -> str:
    """Return a state's node, in the shape of its type."""
    name = state.name
    if state.kind == "Choice":
        return f"{name}{{{{{name}}}}}"
    if state.kind == "Map":
        return f"{name}[[{name}]]"
    return f"{name}[{name}]" if following(state) else f"{name}([{name}])"


def following(state: asl.State) -> list[str]:
    """Return the states that may come next when no error is caught, each once, in the definition's order."""
    choices = [choice["Next"] for choice in state.body.get("Choices", [])]
    return list(dict.fromkeys([*choices, *(state.body[key] for key in ("Default", "Next") if key in state.body)]))


def caught(state: asl.State) -> list[str]:
    """Return the states that follow an error, each once, in the definition's order."""
    return list(dict.fromkeys(catcher["Next"] for catcher in state.body.get("Catch", [])))
