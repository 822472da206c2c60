"""What the relay says of a pipeline of CodePipeline: which action failed, why, the command that shows more."""

from __future__ import annotations

import io
import json
import urllib.error
from typing import Any

import pytest
from fakes.pipeline import refusal

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:orders-promotion"
EXECUTION = MACHINE.replace(":stateMachine:", ":execution:")
BUILD = "orders-pipeline-check:0d7a5b6c"
SETTINGS = {
    "api": "https://api.github.com",
    "name": "orders-pipeline",
    "project": "orders",
    "provider": "github",
    "repository": "acme/orders",
    "rungs": ["staging", "production"],
    "token": "/orders/codepipeline/forge-token",
    "topic": "arn:aws:sns:eu-west-1:123456789012:orders-promotion",
}
PHASES = {
    "a failed command": ("uv run --locked inv test", "exit status 1"),
    "a rollback that failed": ("uv run --locked inv deploy --env staging", "exit status 5"),
}


class Client:
    """Every service that is called besides those of a promotion, in one."""

    def __init__(self) -> None:
        self.published: list[dict[str, str]] = []
        self.events: list[dict[str, str]] = []
        self.builds: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []
        self.token: str | None = "secret"
        self.revisions = [{"name": "source", "revisionId": "c0ffee"}]
        self.refuses = ""

    def publish(self, **message: str) -> None:
        self.published.append(message)

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - as in AWS's API
        if self.refuses == "put_events":
            raise refusal("AccessDeniedException")
        self.events += Entries
        return {"FailedEntryCount": 0}

    def batch_get_builds(self, ids: list[str]) -> dict[str, Any]:
        return {"builds": [self.builds[name] for name in ids if name in self.builds]}

    def get_log_events(self, **request: Any) -> dict[str, Any]:
        if self.refuses == "get_log_events":
            raise refusal("AccessDeniedException")
        assert (request["logGroupName"], request["startFromHead"]) == ("/aws/codebuild/orders-pipeline-check", False)
        return {"events": [{"message": line + "\n"} for line in self.log]}

    def get_parameter(self, Name: str, WithDecryption: bool) -> dict[str, Any]:  # noqa: N803
        if self.token is None:
            raise refusal("ParameterNotFound")
        assert (Name, WithDecryption) == (SETTINGS["token"], True)
        return {"Parameter": {"Value": self.token}}

    def get_pipeline_execution(self, **_: str) -> dict[str, Any]:
        return {"pipelineExecution": {"artifactRevisions": self.revisions}}

    def build(self, command: str, reason: str, *, name: str = BUILD) -> None:
        message = f"Error while executing command: {command}. Reason: {reason}"
        self.builds[name] = {
            "logs": {"groupName": "/aws/codebuild/orders-pipeline-check", "streamName": "0d7a5b6c"},
            "phases": [
                {"phaseType": "INSTALL", "phaseStatus": "SUCCEEDED", "contexts": [{"message": ""}]},
                {"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{"message": message}]},
                {"phaseType": "COMPLETED"},
            ],
        }


class World:
    """The relay, what it calls, and the requests that a forge got."""

    def __init__(self, pipeline: Any, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pipeline, self.client, self.requests = pipeline, client, []
        self.answer: Exception | None = None
        monkeypatch.setattr(pipeline.flag.urllib.request, "urlopen", self._open)

    def _open(self, request: Any, timeout: float) -> io.BytesIO:
        assert timeout
        self.requests.append(request)
        if self.answer:
            raise self.answer
        return io.BytesIO(b"{}")

    def failed(self, provider: str = "CodeBuild", identity: str = BUILD, **changes: Any) -> dict[str, str]:
        detail = {
            "pipeline": "orders-pipeline",
            "execution-id": "7e1a",
            "stage": "Check",
            "action": "Check",
            "state": "FAILED",
            "type": {"owner": "AWS", "category": "Build", "provider": provider, "version": "1"},
            "execution-result": {
                "external-execution-id": identity,
                "external-execution-summary": "Build terminated with state: FAILED",
                "error-code": "JobFailed",
            },
        }
        event = {"source": "aws.codepipeline", "detail-type": "CodePipeline Action Execution State Change"}
        result: dict[str, str] = self.pipeline.relay.handler({**event, "detail": detail | changes}, None)
        return result

    def succeeded(self) -> dict[str, str]:
        detail = {"pipeline": "orders-pipeline", "execution-id": "7e1a", "state": "SUCCEEDED"}
        result: dict[str, str] = self.pipeline.relay.handler({"detail": detail}, None)
        return result

    @property
    def message(self) -> str:
        (published,) = self.client.published
        assert published["TopicArn"] == SETTINGS["topic"]
        return published["Message"]


@pytest.fixture
def world(pipeline, monkeypatch) -> World:
    client, others = Client(), pipeline.aws.client
    own = ("sns", "events", "codebuild", "logs", "ssm", "codepipeline")
    monkeypatch.setattr(pipeline.aws_module, "client", lambda name, *_, **__: client if name in own else others(name))
    monkeypatch.setenv("PIPELINE", json.dumps(SETTINGS))
    monkeypatch.setenv("MACHINE", MACHINE)
    return World(pipeline, client, monkeypatch)


def test_a_failed_build_is_said_with_its_stage_its_command_its_exit_code_and_stepladder_s_own_error(world):
    world.client.build(*PHASES["a failed command"])
    world.client.log = ["1 failed", "error: the tests failed [failed]", "", "hint: run `inv test` here"]
    notice = world.failed()
    assert (
        notice["why"] == "`inv test` ended with exit code 1 (it failed): the tests failed [failed]; run `inv test` here"
    )
    assert world.message.splitlines() == [
        "The pipeline of orders failed in stage Check, action Check:",
        notice["why"],
        "",
        "Show more: inv test",
        "Its log: aws logs tail /aws/codebuild/orders-pipeline-check --log-stream-names 0d7a5b6c",
        "Its execution: orders-pipeline 7e1a",
    ]
    assert world.client.published[0]["Subject"] == "orders: pipeline failed in Check/Check"


def test_the_event_holds_the_same_for_whoever_else_listens(world):
    world.client.build(*PHASES["a failed command"])
    world.failed()
    (event,) = world.client.events
    assert (event["Source"], event["DetailType"]) == ("stepladder", "Pipeline Failed")
    detail = json.loads(event["Detail"])
    assert detail["why"] in world.message
    assert (detail["stage"], detail["action"], detail["more"]) == ("Check", "Check", "inv test")
    assert (detail["project"], detail["pipeline"], detail["execution_id"]) == ("orders", "orders-pipeline", "7e1a")


@pytest.mark.parametrize("code", ["2", "3", "4", "5", "6", "7"])
def test_an_exit_code_is_said_in_words(world, code):
    world.client.build("uv run --locked inv deploy --env staging", f"exit status {code}")
    assert f"exit code {code} ({world.pipeline.failure.CODES[code]})" in world.failed()["why"]


@pytest.mark.parametrize(
    ("name", "command", "more"),
    [
        ("orders-pipeline-check:1", "uv run --locked inv check", "inv check"),
        ("orders-pipeline-deploy:1", "uv run --locked inv deploy --env staging", "inv status --env staging"),
        ("orders-pipeline-promote:1", "uv run --locked inv promote --prepare p.json", "inv promote --dry-run"),
    ],
)
def test_the_command_that_shows_more_is_that_of_the_build(world, name, command, more):
    world.client.build(command, "exit status 4", name=name)
    world.failed(identity=name)
    assert f"Show more: {more}\n" in world.message


def test_a_build_that_ended_without_a_command_s_exit_code_is_said_in_codebuild_s_words(world):
    world.client.build("x", "y")
    world.client.builds[BUILD]["phases"][1]["contexts"] = [{"message": "Build has timed out."}]
    assert world.failed()["why"] == "Build has timed out."
    assert "Show more: aws logs tail /aws/codebuild/orders-pipeline-check" in world.message


def test_a_build_that_is_gone_and_a_log_that_cant_be_read_leave_the_rest(world):
    assert world.failed()["why"] == "Build terminated with state: FAILED"
    world.client.published.clear()
    world.client.refuses = "get_log_events"
    world.client.build(*PHASES["a rollback that failed"])
    assert world.failed()["why"].endswith("exit code 5 (the rollback failed: a person must act now)")


def test_a_promotion_that_was_rolled_back_is_said_with_the_target_that_failed(world):
    targets = [
        {"environment": "prodeu", "outcome": "rolled_back", "error": "SiblingFailed", "cause": "produs failed"},
        {"environment": "produs", "outcome": "rolled_back", "error": "SmokeFailedError", "cause": "says hello: 500"},
    ]
    name = "codepipeline-1624a1d1"
    world.pipeline.aws.states.executions[f"{EXECUTION}:{name}"] = {
        "status": "FAILED",
        "error": "RolledBack",
        "cause": json.dumps(targets),
    }
    where = {"stage": "Release", "action": "Promote"}
    assert world.failed("StepFunctions", f"{EXECUTION}:{name}", **where)["why"] == "RolledBack: produs: says hello: 500"
    assert f"Show more: inv promote.watch --name {name}\n" in world.message
    assert "Its log" not in world.message


@pytest.mark.parametrize("identity", ["", "codepipeline-gone"])
def test_a_promotion_that_cant_be_read_is_said_in_codepipeline_s_words(world, identity):
    assert world.failed("StepFunctions", identity)["why"] == "Build terminated with state: FAILED"
    assert "Show more: inv promote" in world.message


def test_a_source_that_failed_leads_to_the_connection(world):
    result = {"external-execution-summary": "[Connection] is not available", "error-code": "ConfigurationError"}
    world.failed("CodeStarSourceConnection", **{"execution-result": result, "stage": "Source"})
    assert "Show more: inv tf.output --env staging --root delivery" in world.message


def test_a_subject_is_cut_to_what_sns_takes(world):
    world.client.build(*PHASES["a failed command"])
    world.failed(action="A" * 100)
    assert len(world.client.published[0]["Subject"]) == 100


def test_an_event_that_cant_be_put_stops_nothing(world, capsys):
    world.client.refuses = "put_events"
    world.client.build(*PHASES["a failed command"])
    assert "is flagged failure" in world.failed()["commit"]
    assert "the event could not be put" in capsys.readouterr().out


class TestCommit:
    def test_a_failure_flags_it_at_github(self, world):
        world.client.build(*PHASES["a failed command"])
        assert world.failed()["commit"] == "commit c0ffee is flagged failure"
        (request,) = world.requests
        assert (request.method, request.full_url) == (
            "POST",
            "https://api.github.com/repos/acme/orders/statuses/c0ffee",
        )
        assert request.headers["Authorization"] == "Bearer secret"
        body = json.loads(request.data)
        assert (body["state"], body["context"]) == ("failure", "stepladder/codepipeline")
        assert body["description"].startswith("Check/Check: `inv test` ended with exit code 1")
        assert len(body["description"]) <= 140

    def test_a_pipeline_that_succeeded_flags_it_too_and_nothing_is_said(self, world):
        assert world.succeeded()["commit"] == "commit c0ffee is flagged success"
        assert (world.client.published, world.client.events) == ([], [])

    def test_gitlab_has_an_api_of_its_own(self, world, monkeypatch):
        own = SETTINGS | {"provider": "gitlab", "api": "https://gitlab.com/api/v4", "repository": "acme/shop/orders"}
        monkeypatch.setenv("PIPELINE", json.dumps(own))
        world.client.build(*PHASES["a failed command"])
        world.failed()
        (request,) = world.requests
        assert request.full_url == "https://gitlab.com/api/v4/projects/acme%2Fshop%2Forders/statuses/c0ffee"
        assert request.headers["Private-token"] == "secret"
        assert json.loads(request.data)["state"] == "failed"

    def test_without_a_token_it_is_left_alone(self, world):
        world.client.token = None
        assert "holds no token" in world.succeeded()["commit"]
        assert world.requests == []

    def test_a_source_that_failed_has_none(self, world):
        world.client.revisions = []
        assert world.succeeded()["commit"] == "no commit was flagged: the source gave none"

    def test_a_forge_that_refuses_stops_nothing_and_prints_no_token(self, world, capsys):
        world.answer = urllib.error.HTTPError("https://api.github.com", 403, "rate limited", {}, None)
        world.client.build(*PHASES["a failed command"])
        assert "403" in world.failed()["commit"]
        printed = capsys.readouterr().out
        assert "the commit was not flagged: HTTPError" in printed
        assert "secret" not in printed


def test_without_a_pipeline_the_relay_does_what_it_did(pipeline, monkeypatch):
    monkeypatch.delenv("PIPELINE", raising=False)
    with pytest.raises(pipeline.errors.RefusedError, match="the relay does no 'dance'"):
        pipeline.relay.handler({"action": "dance"}, None)
