"""What a review says of a plan, from the JSON of `terraform show`: all that is lost, no secret."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

import pytest

from stepladder.core import shapes
from stepladder.terraform import review as reviews
from stepladder.terraform.redaction import HIDDEN, UNKNOWN
from stepladder.terraform.review import RootReview

PASSWORD = "correct-horse-battery"
TOKEN = "ghp_" + "a1B2" * 9


def resource(kind: str, *actions: str, name: str = "this", reason: str = "", **change: Any) -> dict[str, Any]:
    made = {"before": None, "after": None, "after_unknown": {}, "before_sensitive": {}, "after_sensitive": {}, **change}
    return {
        "address": f"module.service.{kind}.{name}",
        "mode": "managed",
        "type": kind,
        "name": name,
        "change": {"actions": list(actions), **made},
        **({"action_reason": reason} if reason else {}),
    }


def reviewed(*resources: dict[str, Any], **more: Any) -> RootReview:
    return reviews.review("service", "abc", {"resource_changes": list(resources), **more})


def attributes(*resources: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(a.path, a.before, a.after) for change in reviewed(*resources).changes for a in change.attributes]


def test_what_is_lost_comes_first_and_the_rest_is_counted() -> None:
    made = reviewed(
        resource("aws_sqs_queue", "create", after={"name": "orders"}),
        resource("aws_iam_role", "update", before={"path": "/"}, after={"path": "/a/"}),
        resource("aws_dynamodb_table", "delete", "create", before={"name": "a"}, after={"name": "b"}),
        resource("aws_cloudwatch_metric_alarm", "delete", reason="delete_because_no_resource_config"),
        resource("aws_s3_bucket", "forget"),
        resource("aws_sns_topic", "no-op"),
        {**resource("aws_caller_identity", "read"), "mode": "data"},
    )
    assert [(c.type, c.action, c.guarded, c.reason) for c in made.changes] == [
        ("aws_cloudwatch_metric_alarm", "delete", False, "no_resource_config"),
        ("aws_dynamodb_table", "replace", True, ""),
        ("aws_s3_bucket", "remove", False, ""),
        ("aws_sqs_queue", "create", False, ""),
        ("aws_iam_role", "update", False, ""),
    ]
    assert str(made.counts) == "2 to add, 1 to change, 2 to destroy"
    assert not made.changes_function()


def test_a_move_and_an_import_say_from_where() -> None:
    moved = {**resource("aws_sqs_queue", "no-op"), "previous_address": "aws_sqs_queue.old"}
    imported = resource("aws_lambda_function", "no-op", importing={"id": "orders-staging"})
    both = {
        **resource("aws_sns_topic", "update", importing={"id": "t"}, before={"a": 1}, after={"a": 2}),
        "previous_address": "x",
    }
    made = reviewed(moved, imported, both)
    assert [(c.action, c.previous_address, c.import_id) for c in made.changes] == [
        ("update", "x", "t"),
        ("import", "", "orders-staging"),
        ("move", "aws_sqs_queue.old", ""),
    ]
    assert str(made.counts) == "2 to import, 0 to add, 1 to change, 0 to destroy"


def test_what_forces_a_replacement_stands_first() -> None:
    (change,) = reviewed(
        resource(
            "aws_dynamodb_table",
            "delete",
            "create",
            before={"arn": "arn:a", "billing_mode": "PROVISIONED", "attribute": [{"name": "id", "type": "S"}]},
            after={"billing_mode": "PAY_PER_REQUEST", "attribute": [{"name": "id", "type": "N"}]},
            after_unknown={"arn": True},
            replace_paths=[["attribute", 0, "type"]],
        )
    ).changes
    assert [(a.path, a.before, a.after, a.forces) for a in change.attributes] == [
        ("attribute[0].type", '"S"', '"N"', True),
        ("billing_mode", '"PROVISIONED"', '"PAY_PER_REQUEST"', False),
        ("arn", '"arn:a"', UNKNOWN, False),
    ]


def test_a_policy_is_compared_part_by_part() -> None:
    before = {"Version": "2012-10-17", "Statement": [{"Action": "s3:GetObject", "Resource": "a"}]}
    after = {"Version": "2012-10-17", "Statement": [{"Action": ["s3:GetObject", "s3:PutObject"], "Resource": "a"}]}
    change = resource(
        "aws_iam_policy", "update", before={"policy": json.dumps(before)}, after={"policy": json.dumps(after)}
    )
    assert attributes(change) == [("policy.Statement[0].Action", '"s3:GetObject"', '["s3:GetObject", "s3:PutObject"]')]


SECRETS: dict[str, dict[str, Any]] = {
    "an attribute that the provider calls sensitive": resource(
        "aws_db_instance",
        "update",
        before={"password": "old-secret-value"},
        after={"password": PASSWORD},
        after_sensitive={"password": True},
    ),
    "a value of the code that is sensitive, deep in a block": resource(
        "aws_thing",
        "update",
        before={"block": [{"deep": {"x": "old-secret-value"}}]},
        after={"block": [{"deep": {"x": PASSWORD}}]},
        after_sensitive={"block": [{"deep": {"x": True}}]},
    ),
    "one that was sensitive and is no longer": resource(
        "aws_thing", "update", before={"x": PASSWORD}, after={"x": "plain"}, before_sensitive={"x": True}
    ),
    "a whole block that is sensitive": resource(
        "aws_thing", "update", before={"b": []}, after={"b": [{"x": PASSWORD}]}, after_sensitive={"b": True}
    ),
    "a whole resource that is sensitive": resource("aws_thing", "create", after={"x": PASSWORD}, after_sensitive=True),
    "a variable of the function's environment": resource(
        "aws_lambda_function",
        "update",
        before={"environment": [{"variables": {"MODE": "plain"}}]},
        after={"environment": [{"variables": {"MODE": PASSWORD}}]},
    ),
    "an environment that is made": resource(
        "aws_lambda_function", "update", before={}, after={"environment": [{"variables": {"MODE": PASSWORD}}]}
    ),
    "an environment that becomes unknown": resource(
        "aws_lambda_function",
        "update",
        before={"environment": [{"variables": {"MODE": PASSWORD}}]},
        after={},
        after_unknown={"environment": True},
    ),
    "a variable of a container, in JSON": resource(
        "aws_ecs_task_definition",
        "update",
        before={"container_definitions": "[]"},
        after={"container_definitions": json.dumps([{"environment": [{"name": "MODE", "value": PASSWORD}]}])},
    ),
    "JSON in place of a text": resource(
        "aws_thing", "update", before={"x": "text"}, after={"x": json.dumps({"environment": {"A": PASSWORD}})}
    ),
    "a variable of a build": resource(
        "aws_codebuild_project",
        "update",
        before={"environment": [{"environment_variable": []}]},
        after={"environment": [{"environment_variable": [{"name": "MODE", "value": PASSWORD}]}]},
    ),
    "a block that names a secret": resource(
        "aws_thing", "update", before={"setting": []}, after={"setting": [{"name": "DB_PASSWORD", "value": PASSWORD}]}
    ),
    "a script that a machine starts with": resource(
        "aws_instance", "update", before={"user_data": "old-secret-value"}, after={"user_data": PASSWORD}
    ),
    "a name that says so": resource("aws_thing", "create", after={"settings": {"db_password": PASSWORD}}),
    "a shape that says so": resource("aws_thing", "update", before={"note": "a"}, after={"note": f"use {TOKEN} here"}),
    "a shape in a list": resource("aws_thing", "create", after={"notes": ["a", TOKEN]}),
    "a sensitive value amid another attribute": resource(
        "aws_thing",
        "update",
        before={"command": "run", "key": "old-secret-value"},
        after={"command": f"run --with={PASSWORD} now", "key": PASSWORD},
        after_sensitive={"key": True},
    ),
    "a sensitive value with a quote, amid JSON": resource(
        "aws_thing",
        "update",
        before={"command": "run"},
        after={"command": json.dumps({"with": f'{PASSWORD}"'}), "key": f'{PASSWORD}"'},
        after_sensitive={"key": True},
    ),
    "a sensitive value in the middle of one that is cut": resource(
        "aws_thing",
        "update",
        before={"command": "run"},
        after={"command": "x" * 150 + PASSWORD, "key": PASSWORD},
        after_sensitive={"key": True},
    ),
}


@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_is_hidden_wherever_it_stands(what: str) -> None:
    made = reviewed(SECRETS[what])
    text = json.dumps(asdict(made), ensure_ascii=False)
    for secret in (PASSWORD, TOKEN, "old-secret-value", PASSWORD[:12]):
        assert secret not in text
    assert HIDDEN in text or "{…}" in text


def test_a_sensitive_output_is_hidden_where_an_attribute_repeats_it() -> None:
    change = resource("aws_thing", "update", before={"x": "a"}, after={"x": f"b {PASSWORD}"})
    outputs = {"o": {"actions": ["create"], "before": None, "after": PASSWORD, "after_sensitive": True}}
    assert PASSWORD not in json.dumps(asdict(reviewed(change, output_changes=outputs)))


def test_the_name_of_a_variable_is_shown_and_its_value_is_not() -> None:
    change = SECRETS["a variable of the function's environment"]
    assert attributes(change) == [("environment[0].variables.MODE", HIDDEN, HIDDEN)]
    assert reviewed(change).changes_function()


def test_a_change_is_one_of_the_function_whose_module_it_is_in() -> None:
    change = resource("aws_lambda_function", "update", before={"timeout": 1}, after={"timeout": 2})
    mailer = change | {"address": 'module.functions["mailer"].aws_lambda_function.this'}
    own = change | {"address": "module.service.aws_lambda_function.this"}
    changed = {name: reviewed(mailer).changes_function(name) for name in ("", "mailer", "mailer2")}
    assert changed == {"": False, "mailer": True, "mailer2": False}
    assert {name: reviewed(own).changes_function(name) for name in ("", "mailer")} == {"": True, "mailer": False}


def test_what_is_made_shows_what_is_set_and_known() -> None:
    change = resource(
        "aws_sqs_queue",
        "create",
        after={"name": "orders", "tags": {}, "policy": None, "delay_seconds": 0, "kms": "", "list": []},
        after_unknown={"arn": True, "policy": True},
    )
    assert attributes(change) == [("delay_seconds", "(none)", "0"), ("name", "(none)", '"orders"')]


def test_a_long_value_is_cut_and_a_long_list_of_attributes_is_counted() -> None:
    long = resource("aws_thing", "update", before={"x": "a"}, after={"x": "b" * 1000})
    assert attributes(long)[0][2].endswith("(842 more characters)")
    (many,) = reviewed(resource("aws_thing", "create", after={f"x{n:03}": n for n in range(100)})).changes
    assert (len(many.attributes), many.left_out) == (40, 60)


@pytest.mark.parametrize(
    "document", [{}, {"resource_changes": None}, {"resource_changes": [{"change": None}]}], ids=str
)
def test_a_plan_without_changes_is_an_empty_review(document: dict[str, Any]) -> None:
    assert reviews.review("service", "abc", document).changes == ()


def test_a_review_is_read_back_as_it_was_written() -> None:
    made = reviewed(*SECRETS.values())
    assert shapes.build(RootReview, json.loads(json.dumps(made.record()))) == made


def test_secrets_that_overlap_are_hidden_as_one_and_the_mark_itself_is_kept() -> None:
    sensitive = {"a": "abcdefgh", "b": "efghijkl", "c": "hidden", "d": "abcdef"}
    secret = resource(
        "terraform_data", "update", before={}, after=sensitive, after_sensitive=dict.fromkeys(sensitive, True), name="s"
    )
    shown = resource("terraform_data", "update", before={"text": "x"}, after={"text": "1 abcdefghijkl, hidden 2"})
    assert ("text", '"x"', f'"1 {HIDDEN}, {HIDDEN} 2"') in attributes(secret, shown)


def test_a_plan_with_a_thousand_secrets_and_changes_is_reviewed_in_seconds() -> None:
    def numbered(number: int) -> dict[str, Any]:
        before, after = ({f"a{i}": f"{side} {number} {i}" for i in range(10)} for side in ("old", "new"))
        return resource(
            "terraform_data",
            "update",
            before={**before, "password": f"secret {number}"},
            after={**after, "password": f"changed secret {number}"},
            before_sensitive={"password": True},
            after_sensitive={"password": True},
            name=f"n{number}",
        )

    started = time.process_time()
    made = reviewed(*map(numbered, range(1000)))
    assert time.process_time() - started < 5
    assert len(made.changes) == 1000


@pytest.mark.parametrize("depth", [80, 600, 5000])
def test_json_that_is_nested_too_deep_is_hidden_whole(depth: int) -> None:
    before, after = ('{"a":' * depth + f'{{"password": "{text}"}}' + "}" * depth for text in ("old1", "new2"))
    made = attributes(resource("terraform_data", "update", before={"input": before}, after={"input": after}))
    assert made == [("input", HIDDEN, HIDDEN)]
