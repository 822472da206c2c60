"""The contract of a promotion against those who share it: `ladder`, the definition, the pipeline's functions."""

import ast
import json
import re
import typing

import asl_shapes
import pytest
from asl_shapes import of_template, of_type

from stepladder.core import resources
from stepladder.promotion import definition, ladder
from stepladder.promotion.contract import (
    ExecutionInput,
    LocationInput,
    ReleaseInput,
    RungInput,
    TargetInput,
    TargetOutcome,
    release_of,
)
from stepladder.promotion.ladder import PromotionRequest
from stepladder.promotion.requests import ACTIONS
from stepladder.settings.load import load

MACHINE = definition.load()
SCOPE = asl_shapes.Scope(MACHINE, of_type(ExecutionInput))
SCOPES = list(SCOPE.everything())
CALLS = [s for s in definition.states(MACHINE) if s.body.get("Resource", "").endswith(":lambda:invoke")]


def called(state):
    """The function and the action that a state calls."""
    parameters = state.body["Parameters"]
    return parameters["FunctionName"].removeprefix("${").removesuffix("_arn}"), parameters["Payload"]["action"]


OWNERS = {"": ExecutionInput, "release": ReleaseInput, "rung": RungInput, "target": TargetInput, "place": LocationInput}
FOR_PEOPLE = {("", "parent"), ("place", "account"), ("place", "region")}
"""What only a person who reads an execution needs."""


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.name)
def test_no_state_refers_to_a_key_that_neither_the_contract_nor_another_state_has(scope):
    assert list(scope.unknown()) == []


def test_a_reference_to_a_key_that_is_not_there_is_found():
    broken = json.loads(json.dumps(MACHINE).replace("$.target.bake_polls", "$.target.baking_polls"))
    scopes = asl_shapes.Scope(broken, of_type(ExecutionInput)).everything()
    assert any("baking_polls" in line for scope in scopes for line in scope.unknown())


@pytest.mark.parametrize("state", CALLS, ids=lambda state: state.name)
def test_a_function_is_sent_what_the_contract_says(state):
    payload = state.body["Parameters"]["Payload"]
    verb, action = called(state)
    request, _ = ACTIONS[verb][action]
    (scope,) = [scope for scope in SCOPES if state.name in scope.states]
    sent, wanted = of_template(payload, scope.shape), of_type(request)
    assert set(sent) <= set(wanted)
    assert set(sent) >= request.__required_keys__
    for key in ("release", "target", "targets"):
        if key in sent:
            assert sent[key] == wanted[key], f"{state.name} sends another {key}"


def test_a_rung_ends_with_the_outcome_of_each_target():
    (rung,) = SCOPE.inner.values()
    assert rung.output["targets"][0].keys() == of_type(TargetOutcome).keys()


@pytest.mark.parametrize("name", ["ReleaseTargets", "FinishTargets"])
def test_iterations_over_targets_name_the_promotions_execution_also_when_each_is_an_execution_of_its_own(name):
    maps = {state.name: state.body for state in definition.states(MACHINE) if state.kind == "Map"}
    assert "$$.Execution" not in json.dumps(maps[name]["ItemProcessor"])
    assert maps[name]["ItemSelector"]["execution_arn.$"] == "$$.Execution.Id"


def test_a_target_with_a_release_of_its_own_releases_that_and_keeps_the_rest_of_the_executions():
    own = {"digest": "sha256:own", "git_commit": "c2", "input_key": "k2", "smoke_key": "smoke/2", "untested": ""}
    release = dict.fromkeys(ReleaseInput.__required_keys__, "x") | {"hotfix": True, "force": False}
    assert release_of(release, {"release": own}) == release | own
    assert release_of(release, {}) is release
    (merged,) = [s.body["Parameters"] for s in definition.states(MACHINE) if s.name == "UseTargetRelease"]
    written = {key.removesuffix(".$"): path for key, path in merged.items()}
    assert written == {k: f"$.target.release.{k}" if k in own else f"$.release.{k}" for k in release}


def references():
    """Every key that the definition or a function reads, with the name of what it is read from."""
    for steps in asl_shapes.references(MACHINE):
        yield from zip(["", *steps], steps, strict=False)
    for path in resources.folder("function").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                of = node.value
                name = of.id if isinstance(of, ast.Name) else getattr(getattr(of, "slice", None), "value", "")
                yield name, node.slice.value
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                yield getattr(node.func.value, "id", ""), getattr(node.args[0], "value", "")


@pytest.mark.parametrize("owner", OWNERS)
def test_no_key_of_an_execution_is_written_for_nobody(owner):
    read = set(references()) | FOR_PEOPLE
    unread = {key for key in typing.get_type_hints(OWNERS[owner]) if (owner, key) not in read}
    assert unread == set()


RESULTS = {
    ("validate", "active"): {"state"},
    ("validate", "deployed"): {"status"},
    ("verify", "command"): {"outcome", "ran"},
    ("verify", "version"): {"cases"},
    ("verify", "alias"): {"cases"},
    ("verify", "unchanged"): {"cases", "alias_revision"},
    ("verify", "probe"): {"samples", "bad"},
    ("verify", "restored"): {"serves"},
    ("rollback", "release_first"): {"serves"},
}
"""What a function answers for whoever reads the history of an execution; no state takes it."""


@pytest.mark.parametrize(("verb", "action"), sorted({called(state) for state in CALLS}))
def test_no_key_of_an_answer_is_written_for_nobody(verb, action):
    selected = [state.body.get("ResultSelector", {}) for state in CALLS if called(state) == (verb, action)]
    read = {steps[1] for selector in selected for steps in asl_shapes.references(selector) if steps[0] == "Payload"}
    assert set(typing.get_type_hints(ACTIONS[verb][action][1])) - read == RESULTS.get((verb, action), set())


@pytest.mark.parametrize("elsewhere", [False, True], ids=["one location", "two locations"])
def test_the_ladder_writes_every_key_of_the_contract_and_no_other(elsewhere, tmp_path):
    staging = {"account": "123456789012", "region": "eu-west-1"}
    production = staging | ({"region": "us-east-1"} if elsewhere else {})
    environments = {"staging": staging, "production": production}
    settings = load({"project": "orders", "environments": environments}, tmp_path)
    told = ladder.execution_input(settings, PromotionRequest("r", "sha256:d", "c0ffee", "jo"))
    target = told["rungs"][1]["targets"][0]
    assert set(told) == ExecutionInput.__required_keys__
    assert set(told["rungs"][1]) == RungInput.__required_keys__
    assert set(target) == TargetInput.__required_keys__ | ({"place", "verdict_seconds"} if elsewhere else set())
    assert set(target.get("place", LocationInput.__required_keys__)) == LocationInput.__required_keys__


@pytest.mark.parametrize(("verb", "action"), [(verb, action) for verb in ACTIONS for action in ACTIONS[verb]])
def test_every_function_takes_and_returns_what_the_contract_says(pipeline, verb, action):
    shapes = typing.get_type_hints(getattr(pipeline, verb).ACTIONS[action])
    assert (next(iter(shapes.values())), shapes["return"]) == ACTIONS[verb][action]


def test_every_function_does_the_actions_of_the_contract_and_no_other(pipeline):
    assert {verb: set(getattr(pipeline, verb).ACTIONS) for verb in ACTIONS} == {v: set(a) for v, a in ACTIONS.items()}


def test_the_document_shows_an_input_with_the_keys_of_the_contract():
    text = (resources.folder("function").parent / "docs" / "reference" / "promotion.md").read_text("utf-8")
    (shown,) = [json.loads(found) for found in re.findall(r"```json\n(.*?)```", text, re.DOTALL) if "rungs" in found]
    assert set(shown) == ExecutionInput.__required_keys__
    (rung,) = shown["rungs"]
    assert set(rung) == RungInput.__required_keys__
    assert set(rung["targets"][0]) == TargetInput.__required_keys__
