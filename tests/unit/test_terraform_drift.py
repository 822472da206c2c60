"""What a plan in JSON shows: changed outside Terraform, changed in the code, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from stepladder.commands.infra_drift import _line
from stepladder.terraform import drift

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
    return [(each.address, each.how, *map(_line, each.attributes)) for each in differences]


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
    assert classified(plan(back, drifted=(hand,))) == ([(FUNCTION, "changed", 'tags.by: (none) -> "ann"')], [])


def test_what_is_secret_is_hidden() -> None:
    hand = resource(
        FUNCTION,
        ["update"],
        {"environment": [{"variables": {"TABLE": "a"}}], "note": "x"},
        {"environment": [{"variables": {"TABLE": "b"}}], "note": "y"},
        before_sensitive={},
        after_sensitive={"note": True},
    )
    back = resource(
        FUNCTION,
        ["update"],
        {"environment": [{"variables": {"TABLE": "b"}}], "note": "y"},
        {"environment": [{"variables": {"TABLE": "a"}}], "note": "x"},
        before_sensitive={"note": True},
    )
    lines = ["environment[0].variables.TABLE: (hidden) -> (hidden)", "note: (hidden) -> (hidden)"]
    assert classified(plan(back, drifted=(hand,))) == ([(FUNCTION, "changed", *lines)], [])
