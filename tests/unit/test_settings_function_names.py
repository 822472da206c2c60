"""Names in AWS that two of several functions would share, or that stepladder's own resources have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stepladder.core.errors import BadInputError
from stepladder.settings.load import load

PLACE = {"account": "123456789012", "region": "eu-west-1"}
RULE = {"kind": "eventbridge", "pattern": {"source": ["shop"]}}


def problems(functions: dict[str, Any], triggers: list[Any] | None = None, env: str = "staging") -> tuple[str, ...]:
    raw = {
        "project": "sample",
        "environments": {env: PLACE, "production": PLACE},
        "rungs": [env, "production"],
        "functions": functions,
        "triggers": triggers or [],
    }
    try:
        load(raw, Path())
    except BadInputError as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    ("own", "named", "shared"),
    [
        ([{"kind": "sqs", "name": "mailer"}], {"mailer": {"triggers": ["sqs"]}}, "the queue sample-staging-mailer,"),
        (
            [{"kind": "schedule", "name": "mailer"}],
            {"mailer": {"triggers": ["schedule"]}},
            "the schedule sample-staging-mailer,",
        ),
        (
            [RULE | {"name": "mailer"}],
            {"mailer": {"triggers": [RULE]}},
            "the rule of the bus default sample-staging-mailer,",
        ),
        (
            [{"kind": "url", "name": "mailer-url"}],
            {"mailer": {"triggers": ["url"]}},
            "the stack sample-staging-mailer-url,",
        ),
        (
            [],
            {"mailer": {"triggers": [{"kind": "sqs", "name": "jobs"}]}, "mailer-jobs": {"triggers": ["sqs"]}},
            "the queue sample-staging-mailer-jobs,",
        ),
        (
            ["sqs"],
            {"dead-letters": {"triggers": ["sqs"]}},
            "the queue sample-staging-dead-letters,",
        ),
    ],
)
def test_two_functions_whose_triggers_make_the_same_name_are_refused_once(
    own: list[Any], named: dict[str, Any], shared: str
) -> None:
    (problem,) = problems(named, own)
    assert shared in problem


@pytest.mark.parametrize(
    ("own", "named"),
    [
        ([{"kind": "sqs", "name": "mailer"}], {"mailer": {"triggers": ["schedule"]}}),
        ([{"kind": "sqs", "name": "jobs"}], {"mailer": {"triggers": [{"kind": "sqs", "name": "jobs"}]}}),
        ([RULE | {"name": "mailer", "bus": "orders"}], {"mailer": {"triggers": [RULE]}}),
        (
            [{"kind": "sqs", "name": "mailer", "queue_arn": "arn:aws:sqs:eu-west-1:123456789012:theirs"}],
            {"mailer": {"triggers": ["sqs"]}},
        ),
    ],
)
def test_names_of_different_sorts_or_places_are_no_problem(own: list[Any], named: dict[str, Any]) -> None:
    assert problems(named, own) == ()


@pytest.mark.parametrize("env", ["ci", "pipeline", "pr", "promotion"])
def test_an_environment_whose_functions_would_be_named_as_stepladders_own_resources_is_refused(env: str) -> None:
    (problem,) = problems({"verify": {}}, env=env)
    assert f"sample-{env}-" in problem
    assert problems({}, env=env) == ()
