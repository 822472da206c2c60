"""The two calls that change a function, made where the history of an execution doesn't see their answers."""

import json

import pytest
from fakes.pipeline import FUNCTION, refusal, target

CONFIGURATION = {
    "CodeSha256": "s",
    "RevisionId": "r2",
    "Version": "9",
    "Environment": {"Variables": {"TOKEN": "secret"}},
}
EVENTS = {
    "update": {"target": target(image_uri="r/o@sha256:b")},
    "publish": {"target": target(), "sha256": "s", "revision": "r1", "description": "rel=1"},
}
CALLS = {"update": "update_function_code", "publish": "publish_version"}


@pytest.fixture
def ask(pipeline):
    """Ask for one of the two; `made` are the requests that Lambda got."""

    def asked(action, failure=None):
        def call(**request):
            asked.made.append(request)
            if failure:
                raise failure
            return CONFIGURATION

        setattr(pipeline.aws.lambda_, CALLS[action], call)
        return pipeline.validate.handler({"action": action, "execution_arn": "e", **EVENTS[action]}, None)

    asked.made = []
    return asked


def test_an_image_is_given_and_only_its_hash_told(ask):
    assert ask("update") == {"sha256": "s"}
    assert ask.made == [{"FunctionName": FUNCTION, "ImageUri": "r/o@sha256:b", "Publish": False}]


def test_what_was_seen_is_published_and_only_the_version_told(ask):
    assert ask("publish") == {"version": "9"}
    assert ask.made == [{"FunctionName": FUNCTION, "CodeSha256": "s", "RevisionId": "r1", "Description": "rel=1"}]


@pytest.mark.parametrize("action", CALLS)
def test_no_environment_variable_is_told(ask, action):
    assert "secret" not in json.dumps(ask(action))


ANSWERS = {
    "PreconditionFailedException": "StaleRevisionError",
    "ResourceConflictException": "StillWaitingError",
    "ResourceNotFoundException": "RefusedError",
    "InvalidParameterValueException": "RefusedError",
    "CodeStorageExceededException": "RefusedError",
    "TooManyRequestsException": "TransientError",
    "ServiceException": "TransientError",
}


@pytest.mark.parametrize("action", CALLS)
@pytest.mark.parametrize(("code", "name"), ANSWERS.items())
def test_what_lambda_refuses_is_told_in_the_names_that_the_definition_knows(pipeline, ask, action, code, name):
    with pytest.raises(getattr(pipeline.errors, name)) as told:
        ask(action, refusal(code, 500 if code == "ServiceException" else 400))
    assert code in str(told.value)


@pytest.mark.parametrize("action", CALLS)
def test_an_answer_that_was_cut_short_is_asked_for_again(pipeline, ask, action, monkeypatch):
    monkeypatch.delitem(CONFIGURATION, "CodeSha256")
    monkeypatch.delitem(CONFIGURATION, "Version")
    with pytest.raises(pipeline.errors.TransientError):
        ask(action)
