"""Outputs of Terraform in smoke cases: each environment's own values, and one message for what isn't known."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness

from stepladder.core.errors import BadInputError, RefusedError
from stepladder.ledger.schema import InfraRecord
from stepladder.promotion import start
from stepladder.releases import environment_outputs, smoke_case, smoke_outputs, smoke_suite

OUTPUTS = {"url": "https://orders/", "many": ["a", "b"], "limit": 7, "on": True}
ROOT_OUTPUT = 'output "function_url" {\n  value = module.service.function_url\n}\n'


def case(payload: Any = None, **expect: Any) -> smoke_case.Case:
    return smoke_case.Case("orders", payload, expect)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${output.url}", "https://orders/"),
        ("${output.url}1?limit=${output.limit}&on=${output.on}", "https://orders/1?limit=7&on=true"),
        ("${output.many}", ["a", "b"]),
        ("of ${output.many}", 'of ["a", "b"]'),
        ("$${output.url}", "${output.url}"),
        ("${url} ${outputs.url} $output.url", "${url} ${outputs.url} $output.url"),
    ],
)
def test_a_reference_becomes_the_outputs_value(text: str, value: Any) -> None:
    (filled,) = smoke_outputs.filled([case({"deep": [{text: text, "n": 1}]}, jsonpath={"$.a": text})], OUTPUTS)
    key = value if isinstance(value, str) else json.dumps(value)
    assert filled.payload == {"deep": [{key: value, "n": 1}]}
    assert filled.expect == {"jsonpath": {"$.a": value}}


def test_outputs_that_are_not_known_are_all_named() -> None:
    with pytest.raises(smoke_outputs.UnknownOutputsError, match="no output a, b to put") as caught:
        smoke_outputs.filled([case("${output.b}"), case("${output.url} ${output.a}")], OUTPUTS)
    assert caught.value.names == ("a", "b")


def test_a_bundle_has_each_environments_values_and_one_without_outputs_is_as_it_was() -> None:
    documents = {"a.json": '{"name": "a"}'}
    assert smoke_outputs.bundle(documents, {}) == json.dumps(documents).encode()
    given = {"staging": {"url": "s"}, "production": {"url": "p"}}
    bundled = smoke_outputs.bundle(documents, given)
    assert [smoke_outputs.opened(bundled, name)[1] for name in (*given, "other")] == [{"url": "s"}, {"url": "p"}, {}]
    assert smoke_outputs.opened(bundled, "staging")[0] == documents


def test_the_key_of_a_bundle_changes_with_the_outputs_and_names_the_same_cases() -> None:
    suite = smoke_suite.Suite((case("${output.url}"),), "smoke/ab12.json", b'{"a.json": "x"}')
    keys = [smoke_suite.with_outputs(suite, {"staging": {"url": url}}).key for url in ("a", "b")]
    assert len({suite.key, *keys}) == 3
    assert {smoke_outputs.cases_of(key) for key in (suite.key, *keys)} == {"smoke/ab12"}
    assert smoke_suite.with_outputs(suite, {}) == suite


def test_only_what_may_be_shown_and_has_room_is_recorded() -> None:
    outputs = {"url": "x", "none": None, "long": "y" * 5000}
    assert environment_outputs.recorded(outputs) == '{"url": "x"}'
    assert environment_outputs.recorded({"none": None}) == ""
    named = {"functions": {"mailer": {"url": "y", "long": "x" * 5000}}}
    assert environment_outputs.recorded(outputs | named) == '{"functions": {"mailer": {"url": "y"}}, "url": "x"}'


@pytest.mark.parametrize("own", [["a"], "a", {"a": "b"}, {}])
def test_a_project_with_one_function_may_call_an_output_of_its_own_functions(own: object) -> None:
    recorded = environment_outputs.recorded({"functions": own})
    assert json.loads(recorded) == {"functions": own}
    record = InfraRecord("s", "p1", "2026-11-21T00:00:00Z", "https://x/", outputs=recorded)
    assert record.of_function("") is record
    assert record.of_function("mailer").outputs == "", "a function that was added is yet to be applied"


def test_a_deploy_sends_the_output_that_its_own_apply_left(harness: DeployHarness) -> None:
    declare(harness.root, ROOT_OUTPUT)
    harness.case("calls itself", payload={"url": "${output.function_url}orders"})
    sent: list[Any] = []
    answer = harness.function.handler

    def record(image: str, payload: Any) -> Any:
        sent.append(payload)
        return answer(image, payload)

    harness.function.handler = record
    harness.deploy()
    assert sent == [{"url": "https://abc.lambda-url/orders"}]


def test_an_output_that_the_root_does_not_declare_stops_a_deploy_before_anything(harness: DeployHarness) -> None:
    declare(harness.root, ROOT_OUTPUT)
    harness.case("mistyped", payload={"url": "${output.function_ur}"})
    with pytest.raises(BadInputError, match="outputs that terraform/service doesn't declare") as caught:
        harness.deploy()
    assert caught.value.problems == ("${output.function_ur}; did you mean `function_url`?",)
    assert not harness.items("lock")


def test_an_output_that_was_not_applied_yet_leaves_the_alias_where_it_is(harness: DeployHarness) -> None:
    harness.case("answers")
    harness.deploy()
    declare(harness.root, 'output "orders" {}\n')
    harness.case("answers", payload="${output.orders}")
    with pytest.raises(RefusedError, match="use orders, which staging has no output of") as caught:
        harness.deploy()
    assert caught.value.kind == "unknown-output"
    assert "`inv deploy --env staging --infra always`" in caught.value.hint


def test_a_promotion_takes_each_environments_own_value_and_refuses_one_that_lacks_it() -> None:
    known = {"staging": '{"url": "s", "more": 1}', "production": '{"url": "p"}'}

    def at(name: str) -> Any:
        infra = InfraRecord("h", "p", "then", outputs=known.get(name, ""))
        return SimpleNamespace(
            environment=name, target=name, ledger=SimpleNamespace(snapshot=lambda _: SimpleNamespace(infra=infra))
        )

    def machine(*names: str) -> Any:
        return SimpleNamespace(at=at, targets=lambda _functions: names)

    suite = smoke_suite.Suite((case("${output.url}"),), "smoke/a.json", b"{}")
    expected = {"staging": {"url": "s"}, "production": {"url": "p"}}
    assert start._outputs(machine("staging", "production"), "", suite) == expected
    with pytest.raises(RefusedError, match="use url, which canary has no output of") as caught:
        start._outputs(machine("staging", "canary"), "", suite)
    assert "`inv promote --infra`" in caught.value.hint


def declare(root: Path, text: str) -> None:
    folder = root / "terraform" / "service"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "outputs.tf").write_text(text)
