"""The state machine's page: every state has a purpose, and every state, step and caught error is drawn."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from pathlib import Path

import pytest

from stepladder.promotion import definition as asl

ROOT = Path(__file__).resolve().parents[2]
METAPHORS = re.compile(r"\b(climb|mend|settle|golive|look|weigh|word|told|put back|in order)", re.IGNORECASE)


def _state_machine():
    spec = importlib.util.spec_from_file_location("state_machine", ROOT / "docs" / "state_machine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = _state_machine()
DEFINITION = json.loads((ROOT / PAGE.DEFINITION).read_text("utf-8"))


STATES = {state.name: state for state in asl.states(DEFINITION)}


@pytest.mark.parametrize("name", STATES)
def test_a_state_says_its_purpose_in_one_plain_line(name):
    purpose = STATES[name].body.get("Comment", "")
    assert 10 < len(purpose) < 100
    assert not METAPHORS.search(purpose)


def _drawn():
    """Yield the states of each phase, and its diagram."""
    for scope, start in asl.scopes(DEFINITION):
        graph = asl.graph(DEFINITION, scope)
        for names in PAGE.phases(graph, scope).values():
            yield [graph[name] for name in names], PAGE.diagram(graph, names, start)


def test_every_step_and_every_caught_error_is_drawn():
    for states, drawn in _drawn():
        for state in states:
            for after in state.steps:
                assert re.search(rf"^    {state.name} --> .*\b{after}\b", drawn, re.MULTILINE)
            for after in state.caught:
                assert re.search(rf"^    .*\b{state.name}\b.* -\. error \.-> {after}$", drawn, re.MULTILINE)


def test_every_state_is_in_one_phase_and_no_phase_is_too_large_for_a_screen():
    phases = [[state.name for state in states] for states, _ in _drawn()]
    assert sorted(name for names in phases for name in names) == sorted(STATES)
    assert max(map(len, phases)) <= 16


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.update(Comment="Does something else"),
        lambda state: state.update(Next="RestoreFailed"),
        lambda state: state["Catch"][0].update(Next="RestoreFailed"),
    ],
    ids=["purpose", "step", "handler"],
)
def test_a_changed_definition_makes_another_page(change):
    changed = copy.deepcopy(DEFINITION)
    targets = changed["States"]["PromoteRungs"]["ItemProcessor"]["States"]["ReleaseTargets"]["ItemProcessor"]
    change(targets["States"]["UpdateCode"])
    assert list(PAGE.sections(changed)) != list(PAGE.sections(DEFINITION))
