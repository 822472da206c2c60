"""The state machine's page: every state has a purpose, and every state, step and caught error is drawn."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
METAPHORS = re.compile(r"\b(climb|mend|settle|golive|look|weigh|word|told|put back|in order)", re.IGNORECASE)


def _state_machine():
    spec = importlib.util.spec_from_file_location("state_machine", ROOT / "docs" / "state_machine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = _state_machine()
DEFINITION = json.loads((ROOT / PAGE.DEFINITION).read_text("utf-8"))


def _machines(machine):
    yield machine
    for state in machine["States"].values():
        if "ItemProcessor" in state:
            yield from _machines(state["ItemProcessor"])


STATES = {name: state for machine in _machines(DEFINITION) for name, state in machine["States"].items()}


@pytest.mark.parametrize("name", STATES)
def test_a_state_says_its_purpose_in_one_plain_line(name):
    purpose = STATES[name].get("Comment", "")
    assert 10 < len(purpose) < 100
    assert not METAPHORS.search(purpose)


def test_every_step_and_every_caught_error_is_drawn():
    for machine in _machines(DEFINITION):
        drawn = PAGE.diagram(machine)
        for name, state in machine["States"].items():
            for after in PAGE.following(state):
                assert re.search(rf"^    {name} --> .*\b{after}\b", drawn, re.MULTILINE)
            for catch in state.get("Catch", []):
                assert re.search(rf"^    .*\b{name}\b.* -\. error \.-> {catch['Next']}$", drawn, re.MULTILINE)


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
    assert list(PAGE.sections("", changed)) != list(PAGE.sections("", DEFINITION))
