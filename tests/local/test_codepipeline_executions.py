"""CodePipeline: executions that wait, are stopped, are cancelled, and meet a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import until
from code_pipelines import APPROVED, CodePipelines, approval, stage

from localcloud import daemon

pytestmark = pytest.mark.cloud


@pytest.fixture
def pipelines(cloud: Any, tmp_path: Path) -> Iterator[CodePipelines]:
    made = CodePipelines(cloud, tmp_path)
    yield made
    for name in made.made:
        made.client.delete_pipeline(name=name)


@pytest.mark.parametrize(
    ("mode", "ends"),
    [("SUPERSEDED", ["Superseded", "Succeeded"]), ("QUEUED", ["Succeeded", "Succeeded"])],
)
def test_executions_wait_for_a_stage_that_is_taken(
    cloud: Any, pipelines: CodePipelines, mode: str, ends: list[str]
) -> None:
    pipelines.connect()
    pipelines.repository.push("first", {"a": "a"})
    name = pipelines.make(pipelines.source(DetectChanges="false"), stage("Approve", approval()), executionMode=mode)
    first = pipelines.executions(name)[0]["pipelineExecutionId"]
    until(lambda: pipelines.state(name, "Approve").get("latestExecution"), bool)
    later = []
    for _ in range(2):
        later.append(pipelines.client.start_pipeline_execution(name=name)["pipelineExecutionId"])
        until(
            lambda: [each["pipelineExecutionId"] for each in pipelines.state(name, "Approve")["inboundExecutions"]],
            lambda each: later[-1] in each,
        )
    for execution in (first, *later):
        approve(pipelines, name, execution)
    until(
        lambda: {each["pipelineExecutionId"]: each["status"] for each in pipelines.executions(name)},
        lambda each: [each[first], *(each[one] for one in later)] == ["Succeeded", *ends],
    )


def approve(pipelines: CodePipelines, name: str, execution: str) -> None:
    """Approve an execution once it waits, unless it has ended."""

    def state() -> str:
        shown = pipelines.state(name, "Approve")
        statuses = {each["pipelineExecutionId"]: each["status"] for each in pipelines.executions(name)}
        latest = shown["actionStates"][0].get("latestExecution", {})
        if shown["latestExecution"]["pipelineExecutionId"] == execution:
            return str(latest.get("token", ""))
        return "ended" if statuses[execution] == "Superseded" else ""

    token = until(state, bool)
    if token != "ended":
        pipelines.client.put_approval_result(
            pipelineName=name, stageName="Approve", actionName="Approve", result=APPROVED, token=token
        )


def test_an_execution_is_stopped_at_once_or_after_what_runs(cloud: Any, pipelines: CodePipelines, code: Any) -> None:
    pipelines.connect()
    pipelines.repository.push("first", {"a": "a"})
    name = pipelines.make(pipelines.source(), stage("Approve", approval()), stage("After", approval("Second")))
    execution = pipelines.executions(name)[0]["pipelineExecutionId"]
    until(
        lambda: pipelines.state(name, "Approve")["actionStates"][0].get("latestExecution", {}),
        lambda each: "token" in each,
    )
    stop = {"pipelineName": name, "pipelineExecutionId": execution}
    pipelines.client.stop_pipeline_execution(**stop, reason="enough")
    assert pipelines.executions(name)[0]["status"] == "Stopping"
    assert code(pipelines.client.stop_pipeline_execution, **stop) == "DuplicatedStopRequestException"
    pipelines.client.stop_pipeline_execution(**stop, abandon=True)
    assert pipelines.ended(name)["status"] == "Stopped"
    assert pipelines.actions(name, execution)["Approve"]["status"] == "Abandoned"
    assert code(pipelines.client.stop_pipeline_execution, **stop) == "PipelineExecutionNotStoppableException"


def test_a_change_of_the_pipeline_cancels_what_runs(pipelines: CodePipelines) -> None:
    pipelines.connect()
    pipelines.repository.push("first", {"a": "a"})
    name = pipelines.make(pipelines.source(), stage("Approve", approval()))
    until(lambda: pipelines.state(name, "Approve").get("latestExecution"), bool)
    declaration = pipelines.client.get_pipeline(name=name)["pipeline"]
    assert pipelines.client.update_pipeline(pipeline=declaration)["pipeline"]["version"] == 2
    until(lambda: pipelines.executions(name)[0]["status"], lambda each: each == "Cancelled")


def test_a_restart_fails_what_ran_and_goes_on_with_what_waited(cloud_of: Any, tmp_path: Path) -> None:
    environ, folder = {"STEPLADDER_LAUNCHER": "process"}, tmp_path / "cloud"
    info, _ = daemon.up(folder, data=tmp_path / "data", environ=environ)
    try:
        pipelines = CodePipelines(cloud_of(info), tmp_path)
        pipelines.connect()
        pipelines.repository.push("first", {"a": "a"})
        name = pipelines.make(pipelines.source(), stage("Approve", approval()))
        running = pipelines.executions(name)[0]["pipelineExecutionId"]
        until(lambda: pipelines.state(name, "Approve").get("latestExecution"), bool)
        waiting = pipelines.client.start_pipeline_execution(name=name)["pipelineExecutionId"]
        until(lambda: pipelines.state(name, "Approve")["inboundExecutions"], bool)
        daemon.down(folder)
        pipelines.repository.push("second", {"a": "b"})
        info, _ = daemon.up(folder, data=tmp_path / "data", environ=environ)
        pipelines.client = cloud_of(info).client("codepipeline")
        approve(pipelines, name, waiting)
        pushed = until(lambda: pipelines.executions(name), lambda each: len(each) == 3)[0]
        assert pushed["trigger"]["triggerType"] == "WebhookV2"
        statuses = {each["pipelineExecutionId"]: each["status"] for each in pipelines.executions(name)}
        assert statuses[running] == "Failed"
        until(lambda: pipelines.executions(name)[1]["status"], lambda each: each == "Succeeded")
        assert "restarted" in pipelines.error(name, running, "Approve")["message"]
    finally:
        daemon.down(folder)
