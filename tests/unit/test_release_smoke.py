"""Smoke cases: reading them, running them, explaining them."""

from __future__ import annotations

import ast
import base64
import importlib
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness

from stepladder.core.errors import BadInputError
from stepladder.core.release_facts import read_answer
from stepladder.releases import smoke_case as smoke
from stepladder.releases import smoke_references
from stepladder.releases.smoke_case import Case, SmokeCasesError
from stepladder.releases.smoke_suite import check_promotable, load_suite
from stepladder.releases.smoke_suite import load as load_smoke
from stepladder.terraform import function_packages


def compare(expect: dict[str, Any], result: Any, error: str | None = None, seconds: float = 0.01) -> list[str]:
    return smoke.compare(Case("c", {}, expect, max_latency_ms=500), result, error, seconds)


@pytest.mark.parametrize("module", [name for name in function_packages.SHARED_WITH["verify"] if ".smoke_" in name])
def test_the_modules_of_smoke_cases_import_the_standard_library_and_each_other(module: str) -> None:
    tree = ast.parse(Path(importlib.import_module(module).__file__ or "").read_text())
    imported = {
        f"{node.module}.{alias.name}"
        if node.module in {"stepladder.core", "stepladder.releases"}
        else node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    others = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert others <= {"stepladder.core.records", *function_packages.SHARED_WITH["verify"]}


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b'{"statusCode": 200, "body": "a"}', {"statusCode": 200, "body": "a"}),
        (
            b'{"statusCode": 200, "headers": {}}' + bytes(8) + b"caf\xc3\xa9",
            {"statusCode": 200, "headers": {}, "body": "café"},
        ),
        (b"3" + bytes(8) + b"body", f"3{chr(0) * 8}body"),
        (b"no JSON", "no JSON"),
        (b"", None),
    ],
    ids=["a value", "a streamed answer", "bytes that only look like one", "text", "nothing"],
)
def test_an_answer_is_read_as_data_and_a_streamed_one_as_that_of_a_handler(payload: bytes, answer: Any) -> None:
    assert read_answer(payload) == answer


def test_cases_are_read_in_the_order_of_their_files(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"name": "second"}')
    (tmp_path / "a.json").write_text('{"name": "first", "payload": [1], "expect": {"status": 204}, "repeat": 3}')
    cases = load_smoke(tmp_path)
    assert [c.name for c in cases] == ["first", "second"]
    assert cases[0] == Case("first", [1], {"status": 204}, None, 3)


def test_a_case_is_read_in_any_encoding_that_it_announces_and_named_when_it_isn_t_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"name": "zażółć"}', encoding="utf-16")
    assert [case.name for case in load_smoke(tmp_path)] == ["zażółć"]
    (tmp_path / "b.json").write_bytes(b'{"name":\n "caf\xe9"}')
    (tmp_path / "c.json").mkdir()
    with pytest.raises(SmokeCasesError) as caught:
        load_smoke(tmp_path)
    assert caught.value.problems[0] == "b.json:2: byte 0xE9 is not UTF-8"
    assert "c.json can't be read" in caught.value.problems[1]


def test_a_folder_that_isn_t_there_is_a_problem_and_not_an_empty_one(tmp_path: Path) -> None:
    assert load_smoke(tmp_path) == []
    with pytest.raises(SmokeCasesError, match="none is no folder"):
        load_smoke(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "name must be a text"),
        ('{"name": " "}', "name must be a text"),
        ('{"name": "x", "expected": {}}', "expected is not a key of a case; allowed: name, payload"),
        ('{"name": "x", "expect": []}', "expect must be an object"),
        ('{"name": "x", "expect": {"body": 1}}', "expect.body is not known; allowed: status, result"),
        ('{"name": "x", "expect": {"status": 42}}', "expect.status is 42"),
        ('{"name": "x", "expect": {"status": true}}', "expect.status is True"),
        ('{"name": "x", "expect": {"error": ""}}', "expect.error is ''"),
        ('{"name": "x", "expect": {"jsonpath": []}}', "expect.jsonpath must be an object"),
        ('{"name": "x", "expect": {"jsonpath": {"$..a": 1}}}', "'$..a' is not a path"),
        ('{"name": "x", "max_latency_ms": 0}', "max_latency_ms is 0"),
        ('{"name": "x", "headers": {"a": 1}}', "headers must be an object of names and texts"),
        ('{"name": "x", "payload": [], "headers": {"a": "1"}}', "headers are added to those of payload"),
        ('{"name": "x", "payload": {"headers": 1}, "headers": {"a": "1"}}', "headers are added to those of payload"),
        ('{"name": "x", "expect": {"headers": {"a": 1}}}', "expect.headers must be an object"),
        ('{"name": "x", "expect": {"headers": []}}', "expect.headers must be an object"),
        ('{"name": "x", "expect": {"headers": {"a": {"$regex": "("}}}}', "expect.headers: $regex '(' is no regular"),
        ('{"name": "x", "expect": {"result": [{"a": {"$regex": 1}}]}}', "expect.result: $regex is 1; allowed"),
        (
            '{"name": "x", "expect": {"jsonpath": {"$.a": {"$regex": "a", "b": 1}}}}',
            "$regex stands alone in its object",
        ),
        ('{"name": "x", "expect": {"result": {"$regex": "%s"}}}' % ("a" * 1001), "$regex has 1001 characters"),
        ('{"name": "x", "steps": []}', "steps must be a list of 1 to 20 objects"),
        ('{"name": "x", "steps": [1]}', "steps must be a list of 1 to 20 objects"),
        ('{"name": "x", "steps": [{}], "payload": {}}', "payload stands beside steps; give it to a step"),
        ('{"name": "x", "steps": [{"repeat": 2}]}', "step 1: repeat is not a key of a step; allowed: name, payload"),
        ('{"name": "x", "steps": [{"name": "in", "expect": 1}]}', "step 1 (in): expect must be an object"),
        ('{"name": "x", "steps": [{"name": 1}]}', "step 1 (1): name must be a text"),
        (
            '{"name": "x", "steps": [{"capture": {"id": "body"}}]}',
            "step 1: capture.id 'body' is not a path; allowed: $",
        ),
        ('{"name": "x", "steps": [{"capture": {"1": "$"}}]}', "step 1: capture '1' is no name"),
        ('{"name": "x", "steps": [{"capture": []}]}', "step 1: capture must be an object of names and paths"),
        (
            '{"name": "x", "steps": [{"capture": {"a": "$"}, "payload": "${captured.a}"}, {}]}',
            "step 1: ${captured.a} is captured by no step before it",
        ),
        ('{"name": "x", "repeat": 101}', "repeat is 101"),
        ('{"name": "x", "repeat": true}', "repeat is True"),
    ],
)
def test_a_case_that_isn_t_valid_is_refused(text: str, problem: str) -> None:
    with pytest.raises(SmokeCasesError) as caught:
        smoke.parse({"x.json": text})
    assert any(line.startswith("x.json: ") and problem in line for line in caught.value.problems)


@pytest.mark.parametrize(
    ("check", "source", "problem"),
    [
        ("checks:total", "", "check is 'checks:total'; allowed: a file and a function, such as checks.py:check_total"),
        ("other.py:total", "", "check other.py:total: there is no other.py beside the cases"),
        ("checks.py:total", "def sum(): pass", "check checks.py:total: checks.py has no function total"),
        ("checks.py:total", "def total(:", "check checks.py:total: checks.py is not Python: "),
        ("checks.py:total", "-" * 90_000 + "1", "check checks.py:total: checks.py is not Python: "),
        ("checks.py:total", "#" * 100_001, "checks.py has 100001 characters; allowed: 100000"),
        (7, "", "check is 7; allowed"),
    ],
)
def test_a_check_that_isn_t_there_is_a_problem_of_the_case(check: object, source: str, problem: str) -> None:
    with pytest.raises(SmokeCasesError) as caught:
        smoke.parse({"x.json": json.dumps({"name": "x", "check": check}), "checks.py": source})
    assert any(line.startswith("x.json: ") and problem in line for line in caught.value.problems)


def test_a_changed_check_is_another_bundle_and_a_file_that_no_case_names_is_in_none(harness: DeployHarness) -> None:
    harness.case("plain")
    before = load_suite(harness.rung())
    checks = harness.root / "tests" / "smoke" / "checks.py"
    checks.write_text("def total(answer): pass\n", "utf-8")
    assert load_suite(harness.rung()) == before
    harness.case("plain", check="checks.py:total")
    named = load_suite(harness.rung())
    checks.write_text("def total(answer): assert answer\n", "utf-8")
    changed = load_suite(harness.rung())
    assert len({before.key, named.key, changed.key}) == 3
    with pytest.raises(BadInputError, match=r"name checks.py:total, and nothing in the pipeline runs checks"):
        check_promotable(changed, checks=False)
    check_promotable(changed, checks=True)
    check_promotable(before, checks=False)


def test_every_problem_of_every_file_is_told_at_once() -> None:
    with pytest.raises(SmokeCasesError) as caught:
        smoke.parse({"a.json": '{"repeat": 0}', "b.json": "?", "c.json": '{"name": "n"}', "d.json": '{"name": "n"}'})
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    ("expect", "result"),
    [
        ({}, None),
        ({"status": 200}, {"statusCode": 200}),
        ({"result": {"a": {"b": 1}}}, {"a": {"b": 1.0, "c": 2}, "d": 3}),
        ({"result": [{"a": 1}, 2]}, [{"a": 1, "b": 2}, 2]),
        ({"result": None}, None),
        ({"jsonpath": {"$": {"a": 1}}}, {"a": 1}),
        ({"jsonpath": {"$.body.message": "hello"}}, {"body": '{"message": "hello"}'}),
        (
            {"jsonpath": {"$.body.a": 1}},
            {"isBase64Encoded": True, "body": base64.b64encode(b'{"a": 1}').decode()},
        ),
        (
            {"jsonpath": {"$.list[0].x": 1, "$.list[-1]": 2, "$['odd key'].y": None}},
            {"list": [{"x": 1}, 2], "odd key": {"y": None}},
        ),
        ({"jsonpath": {"$.body": "plain text"}}, {"body": "plain text"}),
        ({"headers": {"Content-Type": "text/html"}}, {"headers": {"content-type": "text/html"}}),
        ({"headers": {"etag": {"$regex": 'W/".+"'}, "age": "3"}}, {"headers": {"ETag": 'W/"1f"', "Age": 3}}),
        ({"headers": {"set-cookie": {"$regex": "b=.*"}, "x": None}}, {"cookies": ["a=1", "b=2"]}),
        ({"headers": {"via": "a", "x": "1, 2"}}, {"multiValueHeaders": {"Via": ["b", "a"], "X": ["1", "2"]}}),
        ({"result": {"a": [{"$regex": "v\\d+"}]}}, {"a": ["v12"], "b": 1}),
        ({"jsonpath": {"$.body": {"id": {"$regex": "[0-9a-f]{4}"}}}}, {"body": '{"id": "00ff"}'}),
        ({"jsonpath": {"$.body": {"$regex": "(?s).*last"}}}, {"body": "first\nlast"}),
    ],
)
def test_an_answer_as_expected_passes(expect: dict[str, Any], result: Any) -> None:
    assert compare(expect, result) == []


@pytest.mark.parametrize(
    ("expect", "result", "line"),
    [
        ({"status": 200}, {"statusCode": 500, "body": "boom"}, 'status: expected 200, got 500 (body: "boom")'),
        ({"status": 200}, "text", "status: expected 200, got null"),
        ({"result": {"a": 1}}, {"b": 1}, "result.a: expected 1, but there is nothing"),
        ({"result": {"a": True}}, {"a": 1}, "result.a: expected true, got 1"),
        ({"result": {"a": [1, 2]}}, {"a": [1]}, "result.a: expected [1, 2], got [1]"),
        ({"result": {"a": [1, {"b": 2}]}}, {"a": [1, {"b": 3}]}, "result.a[1].b: expected 2, got 3"),
        ({"jsonpath": {"$.a[3]": 1}}, {"a": [1]}, "$.a[3]: expected 1, but there is nothing"),
        ({"jsonpath": {"$.a.b": 1}}, {"a": "text"}, "$.a.b: expected 1, but there is nothing"),
        ({"headers": {"X-A": "1"}}, {"statusCode": 200}, 'header X-A: expected "1", but the answer has none'),
        ({"headers": {"X-A": "1"}}, {"headers": {"x-a": "2"}}, 'header X-A: expected "1", got "2"'),
        ({"headers": {"X-A": None}}, {"headers": {"x-a": "2"}}, 'header X-A: expected none, got "2"'),
        (
            {"headers": {"X-A": {"$regex": "v."}}},
            {"headers": {"x-a": "av1"}},
            'header X-A: expected a text that matches v., got "av1"',
        ),
        (
            {"result": {"a": {"$regex": "v."}}},
            {"a": "v10"},
            'result.a: expected a text that matches v., got "v10"',
        ),
        ({"jsonpath": {"$.a": {"$regex": "[0-9]"}}}, {"a": 1}, "$.a: expected a text that matches [0-9], got 1"),
        (
            {"jsonpath": {"$.a": {"$regex": "v."}}},
            {"b": 1},
            "$.a: expected a text that matches v., but there is nothing",
        ),
        ({"jsonpath": {"$.a": {"b": 1}}}, {"a": {"b": 1, "c": 2}}, '$.a: expected {"b": 1}, got {"b": 1, "c": 2}'),
    ],
)
def test_each_mismatch_is_one_line(expect: dict[str, Any], result: Any, line: str) -> None:
    assert compare(expect, result) == [line]


def test_errors_expected_and_unexpected() -> None:
    failed = {"errorType": "ValueError", "errorMessage": "no such user"}
    assert compare({"error": "ValueError"}, failed, "ValueError") == []
    assert compare({}, failed, "ValueError") == ["error: expected none, got ValueError: no such user"]
    assert compare({"error": "KeyError"}, failed, "ValueError") == [
        "error: expected KeyError, got ValueError: no such user"
    ]
    assert compare({"error": "KeyError"}, {"statusCode": 200}) == ["error: expected KeyError, got none"]


def test_a_slow_answer_fails_its_budget() -> None:
    assert compare({}, None, seconds=0.7) == ["latency: expected at most 500 ms, took 700 ms"]


def test_repetitions_must_all_pass_and_the_first_failure_ends_them() -> None:
    answers = iter([200, 200, 500])
    outcome = smoke.run_case(
        Case("flaky", {}, {"status": 200}, repeat=5), lambda _p: ({"statusCode": next(answers)}, None, 0.1)
    )
    assert outcome.mismatches == ("status: expected 200, got 500 (repetition 3 of 5)",)
    assert outcome.runs == 3


def test_cases_run_side_by_side_and_keep_their_order() -> None:
    together = threading.Barrier(4, timeout=60)

    def invoke(payload: Any) -> tuple[Any, str | None, float]:
        together.wait()
        return {"statusCode": payload}, None, payload / 1000

    cases = [Case(f"case {n}", n, {"status": 200}) for n in (200, 201, 200, 203)]
    outcomes = smoke.run(cases, invoke)
    assert [(o.name, o.passed) for o in outcomes] == [
        ("case 200", True),
        ("case 201", False),
        ("case 200", True),
        ("case 203", False),
    ]
    assert smoke.run([], invoke) == []


def test_a_call_that_fails_is_not_a_mismatch() -> None:
    def invoke(_payload: Any) -> tuple[Any, str | None, float]:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        smoke.run([Case("c", {}, {})], invoke)


def test_a_long_answer_is_cut() -> None:
    (line,) = compare({"result": {"a": 1}}, {"a": "x" * 1000})
    assert len(line) < 150
    assert json.dumps("x" * 1000) not in line


@pytest.mark.parametrize("payload", ["NaN", "-Infinity", "1e400", "[-1e999]"])
def test_what_python_takes_for_json_and_lambda_does_not_is_a_problem_of_the_file(payload):
    with pytest.raises(smoke.SmokeCasesError) as refused:
        smoke.parse({"one.json": f'{{"name": "one", "payload": {payload}}}'})
    assert refused.value.problems[0].startswith("one.json: is not JSON: ")


def test_the_header_fields_of_a_case_are_added_to_those_of_its_event() -> None:
    text = json.dumps({"name": "x", "payload": {"headers": {"a": "1", "b": "2"}}, "headers": {"B": "3", "C-d": "4"}})
    (case,) = smoke.parse({"x.json": text})
    assert case.payload == {"headers": {"a": "1", "b": "3", "c-d": "4"}}


STEPS = {
    "name": "keeps an order",
    "max_latency_ms": 300,
    "repeat": 2,
    "steps": [
        {
            "name": "creates it",
            "payload": {"item": "tea"},
            "expect": {"status": 201},
            "capture": {"id": "$.body.id", "all": "$.body"},
        },
        {
            "payload": {"read": "${captured.id}", "path": "/orders/${captured.id}"},
            "headers": {"If-Match": "${captured.id}"},
            "expect": {"jsonpath": {"$.body": "${captured.all}", "$.body.name": {"$regex": "order ${captured.id}!"}}},
            "max_latency_ms": 500,
        },
    ],
}


def orders(
    sent: list[Any], *, status: int = 201, body: Any = None, seconds: float = 0.1
) -> Callable[[Any], tuple[Any, str | None, float]]:
    stored = {"id": 7 if body is None else body, "name": f"order {7 if body is None else body}!"}

    def invoke(payload: Any) -> tuple[Any, str | None, float]:
        sent.append(payload)
        return {"statusCode": status, "body": json.dumps(stored)}, None, seconds

    return invoke


def test_a_step_uses_what_the_steps_before_it_captured_in_its_own_type_and_as_text_in_header_fields() -> None:
    (case,) = smoke.parse({"x.json": json.dumps(STEPS)})
    sent: list[Any] = []
    assert smoke.run_case(case, orders(sent)).mismatches == ()
    second = {"read": 7, "path": "/orders/7", "headers": {"if-match": "7"}}
    assert sent == [{"item": "tea"}, second] * 2


def test_a_captured_number_is_the_text_of_a_header_field_that_is_expected() -> None:
    first = {"payload": {}, "capture": {"id": "$.id"}}
    second = {"payload": {}, "expect": {"headers": {"ETag": "${captured.id}"}}}
    (case,) = smoke.parse({"x.json": json.dumps({"name": "x", "steps": [first, second]})})
    assert smoke.run_case(case, lambda _payload: ({"id": 7, "headers": {"etag": "7"}}, None, 0.0)).passed
    outcome = smoke.run_case(case, lambda _payload: ({"id": 7, "headers": {"etag": "8"}}, None, 0.0))
    assert outcome.mismatches == ('step 2: header ETag: expected "7", got "8"',)


def test_a_captured_text_in_an_expression_stands_for_itself() -> None:
    (case,) = smoke.parse({"x.json": json.dumps(STEPS)})
    assert smoke.run_case(case, orders([], body="a.(b")).mismatches == ()
    assert list(smoke_references.names("captured", "$${captured.a} ${captured.b}")) == ["b"]
    assert smoke_references.fill("captured", "$${captured.a} ${captured.b}", {"b": [1]}) == "${captured.a} [1]"


@pytest.mark.parametrize(
    ("answers", "line", "calls"),
    [
        ({"status": 500}, "step 1 (creates it): status: expected 201, got 500", 1),
        ({"seconds": 0.4}, "step 1 (creates it): latency: expected at most 300 ms, took 400 ms", 1),
    ],
)
def test_a_step_that_fails_names_itself_and_ends_the_case(answers: Any, line: str, calls: int) -> None:
    (case,) = smoke.parse({"x.json": json.dumps(STEPS)})
    sent: list[Any] = []
    outcome = smoke.run_case(case, orders(sent, **answers))
    assert outcome.mismatches[0].startswith(line)
    assert outcome.mismatches[0].endswith(" (repetition 1 of 2)")
    assert len(sent) == calls


def test_a_value_that_is_not_in_the_answer_can_t_be_captured() -> None:
    (case,) = smoke.parse({"x.json": json.dumps(STEPS)})
    outcome = smoke.run_case(case, lambda _payload: ({"statusCode": 201, "body": "{}"}, None, 0.0))
    assert outcome.mismatches == ("step 1 (creates it): capture id: there is nothing at $.body.id (repetition 1 of 2)",)
