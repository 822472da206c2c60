"""Targets of named functions, as the pipeline's functions know them: Terraform says which there are."""

import importlib
import json

import pytest
from fakes.pipeline import NEW, release, target
from fakes.pipeline_calls import configure_validate

LADDER = {
    "qa": {"function": "orders-qa", "alias": "live", "below": [], "elsewhere": True},
    "production": {"function": "orders-production", "alias": "live", "below": ["qa"]},
}


@pytest.fixture
def ladder(pipeline, monkeypatch, tmp_path):
    configure_validate(pipeline, monkeypatch, tmp_path)
    monkeypatch.setenv("LADDER", json.dumps(LADDER))
    return importlib.import_module("shared.ladder")


def test_a_named_function_stands_on_itself_in_the_environments_below(ladder, monkeypatch):
    monkeypatch.setenv("FUNCTIONS", "all")
    mailer = ladder.find("production-mailer")
    assert mailer == {"function": "orders-production-mailer", "alias": "live", "below": ["qa-mailer"]}
    assert ladder.lower(mailer) == {
        "qa-mailer": {"function": "orders-qa-mailer", "alias": "live", "below": [], "elsewhere": True}
    }


@pytest.mark.parametrize(
    ("functions", "known"),
    [(None, ["production"]), ("all", ["production", "production-mailer"]), ("named", ["production-mailer"])],
)
def test_terraform_says_which_functions_are_targets(ladder, monkeypatch, functions, known):
    if functions:
        monkeypatch.setenv("FUNCTIONS", functions)
    keys = ("production", "production-mailer", "nowhere", "nowhere-mailer")
    assert [key for key in keys if ladder.find(key)] == known


def test_a_named_function_is_checked_by_its_own_image_in_its_own_place(ladder, pipeline, monkeypatch):
    monkeypatch.setenv("FUNCTIONS", "all")
    monkeypatch.setenv("RELAY", "relay")
    asked = []
    pipeline.aws.lambda_.pipeline["relay"] = lambda event: asked.append(event) or {"unchanged": True}
    own = {"digest": "sha256:own", "git_commit": "c2", "input_key": "k2", "smoke_key": "smoke/2", "untested": ""}
    mailer = target(environment="qa-mailer", function="orders-qa-mailer") | {"release": own}
    event = {"action": "check", "release": release(), "targets": [mailer], "execution_arn": "arn:e"}
    assert pipeline.validate.handler(event, None) == {"unchanged": True}
    assert asked[0]["release"] == release() | own
    assert asked[0]["release"]["digest"] != NEW


def test_a_function_of_another_target_is_refused(ladder, pipeline, monkeypatch):
    monkeypatch.setenv("FUNCTIONS", "all")
    wrong = target(environment="production-mailer", function="orders-production-biller")
    with pytest.raises(pipeline.errors.RefusedError, match=r"production-mailer \(orders-production-biller\)"):
        pipeline.validate.handler(
            {"action": "validate", "release": release(), "target": wrong, "execution_arn": "a"}, None
        )


def test_children_of_functions_with_long_names_have_names_that_fit_and_differ(ladder):
    contract = importlib.import_module("stepladder.promotion.contract")
    names = {contract.child_name("arn:e", f"production-{'x' * 40}{n}") for n in range(3)}
    assert len(names) == 3
    assert max(map(len, names)) <= 80
