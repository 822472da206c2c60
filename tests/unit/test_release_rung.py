"""What a rung's facts have in common wherever they stand, and when a CI job is at work."""

from __future__ import annotations

import json

import pytest
from botocore.session import get_session

from localcloud.services.codedeploy import model
from stepladder.core import resources
from stepladder.core.ci import in_ci
from stepladder.core.names import ALARMS, Names
from stepladder.core.release_facts import ACTIVE

ENDED = {"Succeeded", "Failed", "Stopped"}


def test_every_state_of_a_deployment_that_is_not_its_end_is_active() -> None:
    states = get_session().get_service_model("codedeploy").shape_for("DeploymentStatus").enum
    assert set(ACTIVE) == set(states) - ENDED


def test_the_states_of_an_active_deployment_are_the_same_in_the_definition() -> None:
    definition = resources.folder("terraform") / "modules" / "delivery" / "promotion.asl.json"
    lists = _values(json.loads(definition.read_text()), "IncludeOnlyStatuses")
    assert model.ACTIVE == ACTIVE
    assert lists == [list(ACTIVE)] * len(lists)
    assert lists


def test_the_alarms_are_those_of_the_service_module() -> None:
    text = (resources.folder("terraform") / "modules" / "service" / "alarms.tf").read_text()
    assert [name for name in ALARMS if f'"${{local.name}}-{name}"' in text] == list(ALARMS)
    assert text.count('resource "aws_cloudwatch_metric_alarm"') == len(ALARMS)
    assert Names("hello", "staging", "123456789012", "eu-west-1").alarms[0] == "hello-staging-errors"


@pytest.mark.parametrize(
    ("value", "is_ci"),
    [("true", True), ("1", True), ("TRUE", True), ("woodpecker", True), ("false", False), ("0", False), ("", False)],
)
def test_ci_is_what_the_variable_says(monkeypatch: pytest.MonkeyPatch, value: str, is_ci: bool) -> None:
    monkeypatch.setenv("CI", value)
    assert in_ci() is is_ci


def _values(node: object, key: str) -> list[object]:
    """Return every value of a key in a JSON document."""
    if isinstance(node, dict):
        return [value for k, v in node.items() for value in ([v] if k == key else _values(v, key))]
    return [value for part in node for value in _values(part, key)] if isinstance(node, list) else []
