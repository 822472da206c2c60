"""A project that CodePipeline delivers, from an empty repository to production, with IAM enforced."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import example_projects
import front_doors
import pytest
import roles
from forge_server import REPOSITORY
from shell import ACCOUNT, REGION, Shell

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

NAME, PIPELINE = "orders", "orders-pipeline"
UV = """\
#!/bin/sh
if [ "$1 $2 $3" != "run --locked inv" ]; then echo "a build runs tasks only, not: uv $*" >&2; exit 64; fi
shift 3
exec {python} -m invoke "$@"
"""
SECONDS = 400


class Statuses(BaseHTTPRequestHandler):
    """The forge's API of commit statuses: `given` are the path and the state of each."""

    given: list[tuple[str, str]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] == "Bearer token":
            self.given.append((self.path, body["state"]))
        self.send_response(201)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, front_doors.Repository]]:
    """A repository that was never pushed, its pipeline, and a local cloud that has what the builds' image has."""
    folder = tmp_path_factory.mktemp("codepipeline")
    (folder / "bin").mkdir()
    uv = folder / "bin" / "uv"
    uv.write_text(UV.format(python=sys.executable), encoding="utf-8")
    uv.chmod(0o755)
    shell, repository = front_doors.make(folder, NAME, "github")
    settings = {"enabled": True, "provider": "github", "repository": REPOSITORY}
    front_doors.change_settings(shell, lambda given: given | {"codepipeline": settings})
    bare = folder / "orders.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare], check=True)
    repository.git("remote", "set-url", "origin", str(bare))
    shell.env["PATH"] = f"{uv.parent}:{shell.env['PATH']}"
    with shell.local_cloud():
        _prepare(shell, bare)
        repository.commit("Deliver by CodePipeline")
        yield shell, repository


def _prepare(shell: Shell, bare: Path) -> None:
    """Do what a person does before the first push: apply the foundation and the pipeline, complete the connection."""
    front_doors.bootstrap(shell)
    shell.inv("tf.plan --env staging --root delivery")
    shell.inv("tf.apply --env staging --root delivery")
    order = {"connection": NAME, "repository": REPOSITORY, "path": str(bare)}
    shell.page("connections", "POST", json.dumps(order).encode())


def pushed(shell: Shell, repository: front_doors.Repository) -> tuple[str, dict[str, Any]]:
    """Push and wait until the execution of that commit has ended; return how, and its actions by their names."""
    client, commit = shell.client("codepipeline"), repository.head
    repository.git("push", "--quiet", "origin", "main")
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for each in client.list_pipeline_executions(pipelineName=PIPELINE)["pipelineExecutionSummaries"]:
            revisions = [source["revisionId"] for source in each.get("sourceRevisions", ())]
            if revisions == [commit] and each["status"] != "InProgress":
                only = {"pipelineExecutionId": each["pipelineExecutionId"]}
                details = client.list_action_executions(pipelineName=PIPELINE, filter=only)["actionExecutionDetails"]
                return each["status"], {action["actionName"]: action for action in details}
        time.sleep(0.5)
    raise AssertionError(shell.inv("local.logs").stdout)


def artifact(shell: Shell) -> bytes:
    """The file that the preparation left for the promotion."""
    s3, bucket = shell.client("s3"), f"{NAME}-artifacts-{ACCOUNT}-{REGION}"
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{PIPELINE}/")["Contents"]
    (key,) = (each["Key"] for each in listed if "/promotion/" in each["Key"])
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return zipfile.ZipFile(io.BytesIO(body)).read("promotion.json")


@pytest.fixture
def flags(door: tuple[Shell, front_doors.Repository]) -> Iterator[list[tuple[str, str]]]:
    """A forge that the relay flags commits at, with a token: the settings take no address without https."""
    shell, _ = door
    handler = type("Handler", (Statuses,), {"given": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    shell.client("ssm").put_parameter(Name=f"/{NAME}/codepipeline/forge-token", Value="token", Type="SecureString")
    client, relay = shell.client("lambda"), f"{NAME}-pipeline-relay"
    variables = client.get_function_configuration(FunctionName=relay)["Environment"]["Variables"]
    own = json.loads(variables["PIPELINE"]) | {"api": f"http://127.0.0.1:{server.server_port}"}
    client.update_function_configuration(
        FunctionName=relay, Environment={"Variables": variables | {"PIPELINE": json.dumps(own)}}
    )
    yield handler.given
    server.shutdown()
    server.server_close()


def test_a_push_goes_from_an_empty_repository_to_production(door: tuple[Shell, front_doors.Repository]) -> None:
    shell, repository = door
    status, actions = pushed(shell, repository)
    assert {name: action["status"] for name, action in actions.items()} == dict.fromkeys(
        ("Source", "Check", "Deploy", "Prepare", "Promote"), "Succeeded"
    )
    assert status == "Succeeded"
    serving = shell.statuses()
    assert serving["production"]["digest"] == serving["staging"]["digest"]
    execution = actions["Promote"]["output"]["outputVariables"]["ExecutionArn"]
    given = shell.client("stepfunctions").describe_execution(executionArn=execution)["input"]
    assert given.encode() == artifact(shell)
    assert shell.record("promote")["how"] == "unchanged", "a promotion that CodePipeline started is one like any other"
    example_projects.assert_nothing_was_denied(shell)


def test_a_push_that_fails_stops_the_pipeline_and_is_reported_with_its_reason(
    door: tuple[Shell, front_doors.Repository], flags: list[tuple[str, str]]
) -> None:
    shell, repository = door
    before = {env: row["digest"] for env, row in shell.statuses().items()}
    sqs = shell.client("sqs")
    url = sqs.create_queue(QueueName="notices")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    roles.let_services_send(sqs, url, queue)
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}-promotion"
    shell.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    test = shell.folder / "tests" / "test_handler.py"
    test.write_text("def test_never() -> None:\n    raise AssertionError\n", encoding="utf-8")
    commit = repository.commit("Break the tests")
    status, actions = pushed(shell, repository)
    assert (status, set(actions)) == ("Failed", {"Source", "Check"})
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    text = json.loads(message["Body"])["Message"]
    assert text.startswith(
        "The pipeline of orders failed in stage Check, action Check:\n`inv test` ended with exit code"
    )
    assert "aws logs tail /aws/codebuild/orders-pipeline-check" in text
    example_projects.eventually(lambda: flags, [(f"/repos/{REPOSITORY}/statuses/{commit}", "failure")])
    assert {env: row["digest"] for env, row in shell.statuses().items()} == before
    example_projects.assert_nothing_was_denied(shell)
