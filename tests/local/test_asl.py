"""The Amazon States Language: paths, functions, choices, validation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from localcloud.services.stepfunctions.asl import choice, intrinsics
from localcloud.services.stepfunctions.asl.errors import StateError
from localcloud.services.stepfunctions.asl.paths import MISSING, Scope, put, template
from localcloud.services.stepfunctions.asl.validate import problems

DATA = {"a": {"b": [1, 2, {"c": 3}], "d-e": "x", "f g": True}, "list": [{"n": 1}, {"n": 2}, {"m": 3}], "null": None}
SCOPE = Scope(DATA, {"Execution": {"Name": "run-1"}}, {"kept": {"v": 7}})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", DATA),
        ("$.a.b[0]", 1),
        ("$.a.b[-1].c", 3),
        ("$['a']['f g']", True),
        ("$.a.d-e", "x"),
        ("$.null", None),
        ("$.list[*].n", [1, 2]),
        ("$..n", [1, 2]),
        ("$.a.b[0:2]", [1, 2]),
        ("$.list[?(@.n == 2)]", [{"n": 2}]),
        ("$$.Execution.Name", "run-1"),
        ("$kept.v", 7),
        ("$.nothing", MISSING),
        ("$.a.b[9]", MISSING),
        ("$.none[*].n", []),
    ],
)
def test_a_path_finds_what_it_names(path: str, found: Any) -> None:
    assert SCOPE.find(path) == found


def test_a_path_that_finds_nothing_is_a_runtime_error_where_a_value_is_needed() -> None:
    with pytest.raises(StateError, match="could not be found"):
        SCOPE.get("$.nothing")


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("$", 9),
        (None, {"a": 1}),
        ("$.b", {"a": 1, "b": 9}),
        ("$.b.c", {"a": 1, "b": {"c": 9}}),
        ("$.a", {"a": 9}),
        ("$.a.x", {"a": {"x": 9}}),
    ],
)
def test_a_result_is_placed_without_losing_the_input(path: str | None, made: Any) -> None:
    data = {"a": 1}
    assert put(data, path, 9) == made
    assert data == {"a": 1}


def test_a_template_fills_paths_functions_and_leaves_the_rest() -> None:
    raw = {"x.$": "$.a.b[0]", "y": [{"z.$": "States.Format('{}-{}', $.a.d-e, $$.Execution.Name)"}], "k": "$.a"}
    assert template(raw, SCOPE, intrinsics.evaluate) == {"x": 1, "y": [{"z": "x-run-1"}], "k": "$.a"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("States.Format('{} is {}', 'it', 3)", "it is 3"),
        (r"States.Format('\{{}\} it\'s', 1)", "{1} it's"),
        ("States.Format('{}', $.a)", '{"b":[1,2,{"c":3}],"d-e":"x","f g":true}'),
        ("States.MathAdd($.a.b[0], 41)", 42),
        ("States.ArrayContains($.list[*].n, 2)", True),
        ("States.ArrayLength($.list)", 3),
        ("States.ArrayGetItem(States.Array(1, 'b', null), 1)", "b"),
        ("States.ArrayPartition(States.ArrayRange(1, 5, 1), 2)", [[1, 2], [3, 4], [5]]),
        ("States.ArrayUnique(States.Array(1, 1, 2))", [1, 2]),
        ("States.StringToJson('{\"a\": [1]}')", {"a": [1]}),
        ("States.JsonToString($.list[0])", '{"n":1}'),
        ("States.JsonMerge($.list[0], $.list[2], false)", {"n": 1, "m": 3}),
        ("States.StringSplit('a,b;c', ',;')", ["a", "b", "c"]),
        ("States.Base64Decode(States.Base64Encode('x'))", "x"),
        ("States.Hash('a', 'SHA-256')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ],
)
def test_an_intrinsic_function_gives_its_value(text: str, value: Any) -> None:
    assert intrinsics.evaluate(text, SCOPE) == value


@pytest.mark.parametrize(
    "text", ["States.Nothing()", "States.StringToJson('{')", "States.MathAdd('a', 1)", "States.Format('{}')", "x"]
)
def test_an_intrinsic_function_that_cannot_work_fails_by_its_name(text: str) -> None:
    with pytest.raises(StateError) as caught:
        intrinsics.evaluate(text, SCOPE)
    assert caught.value.error == "States.IntrinsicFailure"


@pytest.mark.parametrize(
    ("rule", "met"),
    [
        ({"Variable": "$.a.b[0]", "NumericEquals": 1}, True),
        ({"Variable": "$.a.b[0]", "NumericGreaterThan": 1}, False),
        ({"Variable": "$.a.b[0]", "NumericLessThanEqualsPath": "$.a.b[1]"}, True),
        ({"Variable": "$.a.d-e", "StringEquals": "x"}, True),
        ({"Variable": "$.a.d-e", "StringLessThan": "w"}, False),
        ({"Variable": "$.a.b[0]", "StringEquals": "1"}, False),
        ({"Variable": "$.a['f g']", "BooleanEquals": True}, True),
        ({"Variable": "$.nothing", "IsPresent": False}, True),
        ({"Variable": "$.null", "IsNull": True}, True),
        ({"Variable": "$.a.d-e", "IsNumeric": False}, True),
        ({"Variable": "$$.Execution.Name", "StringMatches": "run-*"}, True),
        ({"Variable": "$$.Execution.Name", "StringMatches": r"run-\*"}, False),
        ({"Not": {"Variable": "$.null", "IsNull": True}}, False),
        ({"And": [{"Variable": "$.null", "IsNull": True}, {"Variable": "$.a.b[0]", "NumericEquals": 2}]}, False),
        ({"Or": [{"Variable": "$.null", "IsNull": True}, {"Variable": "$.nothing", "NumericEquals": 2}]}, True),
    ],
)
def test_a_choice_rule_holds_or_not(rule: dict[str, Any], met: bool) -> None:
    assert choice.is_met(rule, SCOPE) is met


def test_a_choice_on_what_is_not_there_is_a_runtime_error() -> None:
    with pytest.raises(StateError) as caught:
        choice.is_met({"Variable": "$.nothing", "NumericEquals": 1}, SCOPE)
    assert caught.value.error == "States.Runtime"


PASS = {"Type": "Pass", "End": True}


@pytest.mark.parametrize(
    ("definition", "location"),
    [
        ({"StartAt": "A", "States": {}}, "/States"),
        ({"StartAt": "B", "States": {"A": PASS}}, "/StartAt"),
        ({"StartAt": "A", "States": {"A": PASS, "B": PASS}}, "/States/B"),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}, "/States/A"),
        ({"StartAt": "A", "States": {"A": {"Type": "Pass"}}}, "/States/A"),
        ({"StartAt": "A", "States": {"A": {"Type": "Dream", "End": True}}}, "/States/A/Type"),
        ({"StartAt": "A", "States": {"A": {"Type": "Task", "End": True}}}, "/States/A/Resource"),
        ({"StartAt": "A", "States": {"A": {"Type": "Wait", "End": True}}}, "/States/A"),
        ({"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [{"Next": "A"}]}}}, "/States/A/Choices/0"),
        ({"StartAt": "A", "QueryLanguage": "JSONata", "States": {"A": PASS}}, "/QueryLanguage"),
        (
            {
                "StartAt": "A",
                "States": {
                    "A": PASS
                    | {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "A"}, {"ErrorEquals": ["X"], "Next": "A"}]}
                },
            },
            "/States/A/Catch/0",
        ),
        (
            {
                "StartAt": "A",
                "States": {"A": {"Type": "Map", "End": True, "ItemProcessor": {"StartAt": "B", "States": {}}}},
            },
            "/States/A/ItemProcessor/States",
        ),
    ],
)
def test_a_mistake_in_a_definition_is_found_and_located(definition: dict[str, Any], location: str) -> None:
    assert location in [p.location for p in problems(json.dumps(definition))]


def test_the_promotion_has_no_mistake() -> None:
    path = Path(__file__).parents[2] / "terraform/modules/delivery/promotion.asl.json"
    text = re.sub(r"\$\{\w+\}", "arn:aws:lambda:us-east-1:123456789012:function:f", path.read_text())
    assert problems(text) == []


def test_what_is_not_json_is_said_so() -> None:
    assert problems("{")[0].code == "INVALID_JSON_DESCRIPTION"
