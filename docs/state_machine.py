"""Draw the promotion's state machine from its definition: docs/concepts/state-machine.md.

`docs/generate.py` runs it. A section for the execution, and one for each Map; each has a diagram and a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DEFINITION = Path("terraform", "modules", "delivery", "promotion.asl.json")
HEAD = """# The state machine of a promotion

Written by `docs/generate.py` from `terraform/modules/delivery/promotion.asl.json`; a test compares.
[Promotion](promotion.md) says what the states do together.

| drawn | means |
|---|---|
| rectangle | a task, a wait, or a state that sets values |
| rhombus | a choice |
| double frame | a Map, which has a section of its own |
| stadium | an end of the execution or of the iteration |
| dotted arrow | an error that is caught |
"""

State = Mapping[str, Any]


def page(root: Path) -> str:
    """Return the page: the execution, then every Map in the order in which they run."""
    definition = json.loads((root / DEFINITION).read_text("utf-8"))
    return "\n".join([HEAD, *sections("The execution", definition)])


def sections(title: str, machine: State) -> Iterator[str]:
    """Yield a section for the states of one machine, then those of the Maps inside it."""
    states: Mapping[str, State] = machine["States"]
    rows = "".join(f"| `{name}` | {state['Type']} | {state['Comment']} |\n" for name, state in states.items())
    yield f"## {title}\n\n```mermaid\n{diagram(machine)}```\n\n| state | type | purpose |\n|---|---|---|\n{rows}"
    for name, state in states.items():
        if "ItemProcessor" in state:
            yield from sections(f"Each iteration of `{name}`", state["ItemProcessor"])


def diagram(machine: State) -> str:
    """Return a Mermaid flowchart: whole arrows for what comes next, dotted ones for errors, joined by their handler."""
    states: Mapping[str, State] = machine["States"]
    lines = ["flowchart TD", f"    start(( )) --> {machine['StartAt']}"]
    lines += [f"    {node(name, state)}" for name, state in states.items()]
    lines += [f"    {name} --> {' & '.join(following(state))}" for name, state in states.items() if following(state)]
    handled: dict[str, list[str]] = {}
    for name, state in states.items():
        for handler in dict.fromkeys(catch["Next"] for catch in state.get("Catch", [])):
            handled.setdefault(handler, []).append(name)
    lines += [f"    {' & '.join(names)} -. error .-> {handler}" for handler, names in handled.items()]
    return "".join(f"{line}\n" for line in lines)


def node(name: str, state: State) -> str:
    """Return a state's node, in the shape of its type."""
    if state["Type"] == "Choice":
        return f"{name}{{{name}}}"
    if state["Type"] == "Map":
        return f"{name}[[{name}]]"
    return f"{name}[{name}]" if following(state) else f"{name}([{name}])"


def following(state: State) -> list[str]:
    """Return the states that may come next when no error is caught, each once."""
    choices = [choice["Next"] for choice in state.get("Choices", [])]
    return list(dict.fromkeys([*choices, *(state[key] for key in ("Default", "Next") if key in state)]))
