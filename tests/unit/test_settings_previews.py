"""Previews: how they are called, and the environment that is derived for one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from stepladder.core import names
from stepladder.core.errors import BadInputError, ExitCode, RefusedError
from stepladder.core.names import is_preview, split_target, target_key
from stepladder.releases import release_command
from stepladder.settings import previews, secrets
from stepladder.settings.load import Settings, load

PLACE = {"account": "123456789012", "region": "eu-west-1"}
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:failed"
BASE: dict[str, Any] = {
    "project": "orders",
    "triggers": ["url-iam"],
    "function": {"memory_mb": 256, "environment": {"LEVEL": "INFO"}},
    "environments": {"staging": PLACE | {"function": {"memory_mb": 512}}, "production": PLACE},
    "previews": {"enabled": True},
}


def read(**changes: Any) -> Settings:
    return load(copy.deepcopy(BASE) | changes, Path())


def refused(name: str, **changes: Any) -> BadInputError:
    with pytest.raises(BadInputError) as caught:
        read(**changes).environment(name)
    assert caught.value.exit_code == ExitCode.BAD_INPUT
    return caught.value


@pytest.mark.parametrize("name", ["pr-1", "pr-123", "pr-999999999"])
def test_pr_and_a_number_is_a_preview_whose_name_is_as_long_as_an_environments_at_most(name: str) -> None:
    assert is_preview(name)
    assert len(name) <= 12
    assert names.preview(names.preview_number(name)) == name


@pytest.mark.parametrize("name", ["pr", "pr-", "pr-0", "pr-01", "pr-abc", "pr-1-2", "pr-1 ", "PR-1", "pr-1234567890"])
def test_nothing_else_is_a_preview_and_the_hint_says_how_they_are_called(name: str) -> None:
    assert not is_preview(name)
    hint = refused(name).hint
    assert hint.startswith("previews are called pr-<number") == name.startswith("pr-")


@pytest.mark.parametrize("environment", ["pr-12", "staging", "pr"])
@pytest.mark.parametrize("function", ["", "mailer", "daily-report", "pr-x"])
def test_a_target_of_a_preview_splits_into_what_it_was_made_of(environment: str, function: str) -> None:
    assert split_target(target_key(environment, function)) == (environment, function)


def test_a_preview_is_the_lowest_rungs_environment_with_a_name_of_its_own() -> None:
    settings = read()
    derived, own = settings.environment("pr-123"), settings.names("pr-123")
    assert (derived.name, derived.account, derived.function.memory_mb) == ("pr-123", PLACE["account"], 512)
    assert (own.function, own.log_group) == ("orders-pr-123", "/aws/lambda/orders-pr-123")
    assert own.state_key("service") == "pr-123/service.tfstate"
    assert (own.repository, settings.names("staging").repository) == ("orders-pr-images", "orders")
    assert "pr-123" not in settings.environments
    assert "pr-123" not in settings.ladder_environments


def test_the_settings_say_which_environment_a_preview_comes_from_and_what_differs() -> None:
    own = {"enabled": True, "environment": "production", "function": {"memory_mb": 1024, "reserved_concurrency": 2}}
    function = read(previews=own).environment("pr-1").function
    assert (function.memory_mb, function.reserved_concurrency, function.environment) == (1024, 2, {"LEVEL": "INFO"})


def test_a_preview_reaches_nobody_else() -> None:
    function = {
        "provisioned_concurrency": 3,
        "reserved_concurrency": 5,
        "async": {"on_failure": [QUEUE]},
        "alarms": {"topic_arns": ["arn:aws:sns:eu-west-1:123456789012:pager"]},
        "secrets": {
            "API_KEY": "ssm",
            "STRIPE": "secretsmanager:shared/stripe",
            "OWN": "ssm:${aws_ssm_parameter.own.name}",
        },
        "secrets_key": "arn:aws:kms:eu-west-1:123456789012:key/abc",
    }
    settings = read(
        function=function,
        release_command={"command": "migrate"},
        promotion={"rungs": {"staging": {"deployment": "AllAtOnce"}, "production": {"deployment": "AllAtOnce"}}},
    )
    derived = settings.environment("pr-1").function
    assert (derived.provisioned_concurrency, derived.reserved_concurrency) == (0, -1)
    assert (derived.asynchronous.on_failure, derived.alarms.topic_arns, derived.secrets_key) == ((), (), "")
    assert {each.name: each.reference for each in secrets.of(settings, "pr-1")} == {
        "API_KEY": "ssm:/orders/pr-secrets/API_KEY",
        "STRIPE": "secretsmanager:orders/pr-secrets/STRIPE",
        "OWN": "ssm:${aws_ssm_parameter.own.name}",
    }
    assert release_command.of(settings, "staging")
    assert release_command.of(settings, "pr-1") is None


@pytest.mark.parametrize(
    ("triggers", "own", "labels"),
    [
        (["url"], {}, ["url"]),
        ([{"kind": "url-iam", "name": "public"}, "sqs"], {}, ["url-iam"]),
        (["http-api"], {}, ["url-iam"]),
        ([{"kind": "http-api", "authorization": "none"}], {}, ["url"]),
        ([{"kind": "schedule", "expression": "rate(1 hour)"}, "sqs", "url"], {}, ["url"]),
        (["sqs"], {}, []),
        (["url"], {"url": False}, []),
        (["url"], {"triggers": ["sqs"]}, ["sqs"]),
        ([], {}, []),
    ],
)
def test_a_preview_is_called_by_its_url_alone_unless_more_is_asked_for(
    triggers: list[Any], own: dict[str, Any], labels: list[str]
) -> None:
    settings = read(triggers=triggers, previews={"enabled": True} | own)
    assert [each.label for each in settings.triggers_of(settings.environment("pr-1"))] == labels


def test_a_project_with_the_one_trigger_of_before_has_previews_too() -> None:
    old = {key: value for key, value in BASE.items() if key != "triggers"}
    settings = load(old | {"trigger": "sqs"}, Path())
    assert settings.triggers_of(settings.environment("pr-1")) == ()


def test_each_of_several_functions_has_its_own_settings_in_a_preview() -> None:
    settings = read(functions={"mailer": {"function": {"memory_mb": 128}, "triggers": ["url", "sqs"]}, "report": {}})
    view = settings.of_function("mailer")
    derived = view.environment("pr-7")
    assert (view.names("pr-7").function, derived.function.memory_mb) == ("orders-pr-7-mailer", 128)
    assert [each.label for each in view.triggers_of(derived)] == ["url"]
    assert settings.of_function("report").environment("pr-7").triggers == ()


def test_a_project_that_makes_no_previews_says_how_to() -> None:
    error = refused("pr-1", previews={})
    assert error.kind == "previews-disabled"
    assert error.hint.startswith("set `stepladder.previews.enabled` to true")


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"environment": "stagin"}, "stepladder.previews.environment is 'stagin'; allowed: one of staging, production"),
        ({"ttl_hours": 0}, "stepladder.previews.ttl_hours is 0"),
        ({"limit": 101}, "stepladder.previews.limit is 101"),
        ({"function": {"memory": 1}}, "stepladder.previews.function.memory is not a setting"),
        ({"function": []}, "stepladder.previews.function is []"),
        ({"enabled": "yes"}, "stepladder.previews.enabled is 'yes'"),
        ({"triggers": ["cron"]}, "stepladder.previews.triggers[0].kind is 'cron'"),
    ],
)
def test_previews_that_are_set_wrong_are_refused(own: dict[str, Any], message: str) -> None:
    assert any(problem.startswith(message) for problem in refused("pr-1", previews=own).problems)


def test_an_environment_called_pr_goes_on_working_until_previews_are_enabled_beside_it() -> None:
    both = BASE["environments"] | {"pr": PLACE}
    assert read(environments=both, previews={}).environment("pr").name == "pr"
    assert any("'pr' beside previews" in problem for problem in refused("pr", environments=both).problems)


def test_what_belongs_to_the_ladder_is_refused_for_a_preview() -> None:
    previews.refuse("staging", "be promoted")
    with pytest.raises(RefusedError, match="pr-3 is a preview and on no rung: it can't be promoted"):
        previews.refuse("pr-3", "be promoted")
