"""What a plan in JSON shows: changed outside Terraform, changed in the code, or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stepladder.terraform import attributes, drift

FUNCTION = "module.service.aws_lambda_function.this"


def resource(address: str, actions: list[str], before: Any, after: Any, **rest: Any) -> dict[str, Any]:
    kind = address.rpartition(".")[0].rpartition(".")[2]
    unknown = rest.pop("unknown", {})
    marks = {name: rest.pop(name) for name in ("before_sensitive", "after_sensitive") if name in rest}
    change = {"actions": actions, "before": before, "after": after, "after_unknown": unknown, **marks}
    return {"address": address, "mode": "managed", "type": kind, "change": change, **rest}


def plan(*changes: dict[str, Any], drifted: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"resource_changes": list(changes), "resource_drift": list(drifted)}


def shown(differences: tuple[drift.Difference, ...]) -> list[tuple[Any, ...]]:
    return [(each.address, each.how, *map(str, each.attributes)) for each in differences]


def classified(document: dict[str, Any], **options: Any) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    outside, pending = drift.classified(document, **options)
    return shown(outside), shown(pending)


def test_a_data_source_that_is_read_and_what_stays_are_no_drift() -> None:
    read = {**resource("data.aws_caller_identity.this", ["read"], None, {"id": "1"}), "mode": "data"}
    stays = resource(FUNCTION, ["no-op"], {"memory_size": 256}, {"memory_size": 256})
    refreshed = {**resource("data.aws_region.this", ["update"], {"name": "a"}, {"name": "b"}), "mode": "data"}
    assert classified(plan(read, stays, drifted=(refreshed,))) == ([], [])


def test_what_a_release_changes_and_the_code_ignores_is_no_drift() -> None:
    """A refresh shows the image, the version and the dates that a release gave; no change is planned for them."""
    released = resource(FUNCTION, ["update"], {"image_uri": "a", "version": "1"}, {"image_uri": "b", "version": "2"})
    alias = resource(
        "module.service.aws_lambda_alias.live", ["update"], {"function_version": "1"}, {"function_version": "2"}
    )
    same = resource(FUNCTION, ["no-op"], {"image_uri": "b"}, {"image_uri": "b"})
    assert classified(plan(same, drifted=(released, alias))) == ([], [])


def test_an_attribute_that_somebody_changed_is_shown_from_what_was_applied_to_what_is() -> None:
    hand = resource(FUNCTION, ["update"], {"memory_size": 256, "version": "1"}, {"memory_size": 512, "version": "2"})
    back = resource(FUNCTION, ["update"], {"memory_size": 512}, {"memory_size": 256}, unknown={"last_modified": True})
    assert classified(plan(back, drifted=(hand,))) == ([(FUNCTION, "changed", "memory_size: 256 -> 512")], [])


def test_what_somebody_deleted_is_named_and_what_follows_from_it_is_not() -> None:
    role = "module.service.aws_iam_role.this"
    gone = resource(role, ["delete"], {"name": "r"}, None)
    again = resource(role, ["create"], None, {"name": "r"}, unknown={"arn": True})
    follows = resource(FUNCTION, ["update"], {"role": "arn"}, {}, unknown={"role": True})
    assert classified(plan(again, follows, drifted=(gone,))) == ([(role, "deleted")], [])


def test_what_was_deleted_and_is_no_longer_in_the_code_is_named_too() -> None:
    gone = resource("aws_sqs_queue.old", ["delete"], {"name": "q"}, None)
    assert classified(plan(drifted=(gone,))) == ([("aws_sqs_queue.old", "deleted")], [])


@pytest.mark.parametrize(
    ("actions", "how", "lines"),
    [
        pytest.param(["create"], "create", [], id="a new resource"),
        pytest.param(["delete"], "delete", [], id="a resource that the code lost"),
        pytest.param(["update"], "update", ["memory_size: 256 -> 512"], id="another value"),
        pytest.param(["delete", "create"], "replace", ["memory_size: 256 -> 512"], id="a replacement"),
        pytest.param(["create", "delete"], "replace", ["memory_size: 256 -> 512"], id="made before it is deleted"),
        pytest.param(["forget"], "forget", [], id="a removed block"),
    ],
)
def test_a_change_of_the_code_that_nobody_applied_is_no_drift(actions: list[str], how: str, lines: list[str]) -> None:
    change = resource(FUNCTION, actions, {"memory_size": 256}, {"memory_size": 512})
    assert classified(plan(change)) == ([], [(FUNCTION, how, *lines)])


def test_a_resource_with_a_foreign_and_an_own_change_is_in_both_lists() -> None:
    hand = resource(FUNCTION, ["update"], {"memory_size": 256, "timeout": 3}, {"memory_size": 512, "timeout": 3})
    change = resource(FUNCTION, ["update"], {"memory_size": 512, "timeout": 3}, {"memory_size": 256, "timeout": 9})
    assert classified(plan(change, drifted=(hand,))) == (
        [(FUNCTION, "changed", "memory_size: 256 -> 512")],
        [(FUNCTION, "update", "timeout: 3 -> 9")],
    )


def test_a_value_that_both_changed_is_in_both_lists() -> None:
    hand = resource(FUNCTION, ["update"], {"memory_size": 256}, {"memory_size": 512})
    change = resource(FUNCTION, ["update"], {"memory_size": 512}, {"memory_size": 1024})
    assert classified(plan(change, drifted=(hand,))) == (
        [(FUNCTION, "changed", "memory_size: 256 -> 512")],
        [(FUNCTION, "update", "memory_size: 512 -> 1024")],
    )


def test_where_the_code_is_what_was_applied_last_every_difference_came_from_outside() -> None:
    """A refresh that somebody wrote into the state leaves no drift in it."""
    update = resource(FUNCTION, ["update"], {"memory_size": 512}, {"memory_size": 256})
    create = resource("aws_sqs_queue.jobs", ["create"], None, {"name": "jobs"})
    assert classified(plan(update, create), is_unchanged=True) == (
        [(FUNCTION, "changed", "memory_size: 256 -> 512"), ("aws_sqs_queue.jobs", "deleted")],
        [],
    )


def test_a_tag_is_shown_once() -> None:
    hand = resource(
        FUNCTION, ["update"], {"tags": None, "tags_all": {}}, {"tags": {"by": "ann"}, "tags_all": {"by": "ann"}}
    )
    back = resource(
        FUNCTION, ["update"], {"tags": {"by": "ann"}, "tags_all": {"by": "ann"}}, {"tags": None, "tags_all": {}}
    )
    assert classified(plan(back, drifted=(hand,))) == ([(FUNCTION, "changed", "tags.by: none -> ann")], [])


def lines(before: Any, after: Any, **rest: Any) -> list[str]:
    change = {"before": before, "after": after, "after_unknown": {}, **rest}
    return [str(each) for each in attributes.changed(change)]


def test_values_that_are_secret_are_hidden_by_mark_by_place_by_name_and_by_shape() -> None:
    before = {
        "password": "old",
        "environment": [{"variables": {"TABLE": "a"}}],
        "marked": [{"deep": "x"}],
        "header": "none",
        "container_definitions": json.dumps([{"environment": [{"name": "A", "value": "one"}]}]),
    }
    after = {
        "password": "new",
        "environment": [{"variables": {"TABLE": "b", "MORE": "c"}}],
        "marked": [{"deep": "y"}],
        "header": "ghp_" + "a1" * 18,
        "container_definitions": json.dumps([{"environment": [{"name": "A", "value": "two"}]}]),
    }
    assert lines(before, after, before_sensitive={"marked": [{"deep": True}]}, after_sensitive={}) == [
        "container_definitions[0].environment[0].value: (hidden) -> (hidden)",
        "environment[0].variables.MORE: none -> (hidden)",
        "environment[0].variables.TABLE: (hidden) -> (hidden)",
        "header: none -> (hidden)",
        "marked[0].deep: (hidden) -> (hidden)",
        "password: (hidden) -> (hidden)",
    ]


def test_a_whole_block_with_a_secret_inside_is_hidden() -> None:
    assert lines({"x": ["a"]}, {"x": ["a", "password=hunter2"]}) == ['x: ["a"] -> (hidden)']
    assert lines({"x": None}, {"x": {"API_KEY": "abcdef"}}) == ["x.API_KEY: none -> (hidden)"]


def test_a_tag_called_environment_is_no_environment() -> None:
    assert lines({"tags": {"environment": "a"}}, {"tags": {"environment": "b"}}) == ["tags.environment: a -> b"]


def test_the_statement_of_a_policy_that_differs_is_shown_and_not_the_policy() -> None:
    before = json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject"}]})
    after = json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*"}]})
    assert lines({"policy": before}, {"policy": after}) == ["policy.Statement[0].Action: s3:GetObject -> s3:*"]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        pytest.param(["a"], ["a", "b"], 'x: ["a"] -> ["a", "b"]', id="a list"),
        pytest.param([{"a": 1}], [], "x[0].a: 1 -> none", id="a block that is gone"),
        pytest.param("", "a\nb", 'x: "" -> a b', id="lines"),
        pytest.param(True, False, "x: true -> false", id="a switch"),
        pytest.param("a" * 500, None, f"x: {'a' * 159}… -> none", id="a long text"),
        pytest.param(1, "1", "x: 1 -> 1", id="another type"),
    ],
)
def test_a_value_is_one_short_line(before: Any, after: Any, line: str) -> None:
    assert lines({"x": before}, {"x": after}) == [line]


def test_a_value_that_is_known_after_the_apply_says_so() -> None:
    assert lines({"x": "a"}, {}, after_unknown={"x": True}) == ["x: a -> (known after apply)"]
