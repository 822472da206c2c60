"""CodePipeline: what a stage does when it fails, who may enter it, and which pushes start a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import until
from code_pipelines import CodePipelines, action, approval, build, stage

pytestmark = pytest.mark.cloud


@pytest.fixture
def pipelines(cloud: Any, tmp_path: Path) -> Iterator[CodePipelines]:
    made = CodePipelines(cloud, tmp_path)
    made.connect()
    made.repository.push("first", {"a": "a"})
    yield made
    for name in made.made:
        made.client.delete_pipeline(name=name)


def test_a_stage_retries_itself_once_or_is_skipped_when_it_says_so(pipelines: CodePipelines, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    second = pipelines.project(
        f"version: 0.2\nphases: {{build: {{commands: ['echo x >> {runs}', '[ -s {runs}2 ]']}}}}\n"
    )
    (tmp_path / "runs2").touch()
    name = pipelines.make(
        pipelines.source(),
        stage("Retried", build("Build", second), onFailure={"result": "RETRY"}),
    )
    assert pipelines.ended(name)["status"] == "Failed"
    assert runs.read_text().split() == ["x", "x"]
    assert pipelines.state(name, "Retried")["retryStageMetadata"]["autoStageRetryAttempt"] == 1
    failing = pipelines.project("version: 0.2\nphases: {build: {commands: ['false']}}\n")
    skipped = pipelines.make(
        pipelines.source(),
        stage("Skipped", build("Build", failing), onFailure={"result": "SKIP"}),
        stage("After", build("Build", pipelines.project())),
    )
    assert pipelines.ended(skipped)["status"] == "Succeeded"
    assert pipelines.state(skipped, "Skipped")["latestExecution"]["status"] == "Skipped"


def test_a_disabled_stage_lets_nothing_in_until_it_is_enabled(pipelines: CodePipelines) -> None:
    name = pipelines.make(pipelines.source(DetectChanges="false"), stage("Build", build("Build", pipelines.project())))
    assert pipelines.ended(name)["status"] == "Succeeded"
    where = {"pipelineName": name, "stageName": "Build", "transitionType": "Inbound"}
    pipelines.client.disable_stage_transition(**where, reason="a freeze")
    pipelines.client.start_pipeline_execution(name=name)
    shown = until(lambda: pipelines.state(name, "Build"), lambda each: bool(each["inboundExecutions"]))
    assert (shown["inboundTransitionState"]["enabled"], shown["inboundTransitionState"]["disabledReason"]) == (
        False,
        "a freeze",
    )
    pipelines.client.enable_stage_transition(**where)
    assert pipelines.ended(name, count=2)["status"] == "Succeeded"


def test_executions_of_a_parallel_pipeline_are_in_a_stage_together(pipelines: CodePipelines) -> None:
    settings = {"executionMode": "PARALLEL", "variables": [{"name": "who", "defaultValue": "Ann"}]}
    name = pipelines.make(pipelines.source(), stage("Approve", approval()), **settings)
    given = [{"name": "who", "value": "Bob"}]
    second = pipelines.client.start_pipeline_execution(name=name, variables=given)["pipelineExecutionId"]
    executions = [each["pipelineExecutionId"] for each in pipelines.executions(name)]
    until(
        lambda: [pipelines.actions(name, each).get("Approve", {}).get("status") for each in executions],
        lambda each: each == ["InProgress", "InProgress"],
    )
    shown = pipelines.client.get_pipeline_execution(pipelineName=name, pipelineExecutionId=second)["pipelineExecution"]
    assert shown["variables"] == [{"name": "who", "resolvedValue": "Bob"}]


def test_only_pushes_that_pass_the_trigger_start_the_pipeline(pipelines: CodePipelines) -> None:
    push = {"branches": {"includes": ["main"]}, "filePaths": {"includes": ["src/**"], "excludes": ["src/*.md"]}}
    git = {"sourceActionName": "Source", "push": [push]}
    trigger = {"providerType": "CodeStarSourceConnection", "gitConfiguration": git}
    stages = (pipelines.source(), stage("Approve", approval()))
    name = pipelines.make(*stages, triggers=[trigger])
    pipelines.repository.push("docs", {"src/a.md": "a", "README": "a"})
    every = pipelines.make(*stages)
    pipelines.repository.push("more docs", {"src/a.md": "b"})
    until(lambda: pipelines.executions(every), lambda each: len(each) == 2)
    commit = pipelines.repository.push("code", {"src/a.py": "a"})
    started = until(lambda: pipelines.executions(name), lambda each: len(each) == 2)
    until(lambda: pipelines.executions(name)[0].get("sourceRevisions"), bool)
    assert pipelines.executions(name)[0]["sourceRevisions"][0]["revisionId"] == commit
    assert started[0]["trigger"]["triggerType"] == "WebhookV2"


BUILD = action("Build", ("Build", "CodeBuild"), {}, inputs=["source"])
OTHER = action("Other", ("Deploy", "ECS"), {})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda made: made.make(made.source()), "InvalidStructureException"),
        (lambda made: made.make(stage("Approve", approval()), made.source()), "InvalidStructureException"),
        (
            lambda made: made.make(made.source(), stage("A", build("B", "x", inputs=["none"]))),
            "InvalidStructureException",
        ),
        (lambda made: made.make(made.source(), stage("A", approval(), approval())), "InvalidStructureException"),
        (lambda made: made.make(made.source(), stage("A", approval()), pipelineType="V1"), "InvalidStructureException"),
        (lambda made: made.make(made.source(), stage("A", BUILD)), "InvalidActionDeclarationException"),
        (lambda made: made.make(made.source(), stage("A", OTHER)), "NotOfferedByLocalCloud"),
        (
            lambda made: made.make(made.source(), stage("A", approval(), onFailure={"result": "ROLLBACK"})),
            "NotOfferedByLocalCloud",
        ),
    ],
    ids=[
        *("one stage", "no source first", "a missing artifact", "a name twice", "queued V1", "no project"),
        *("an action that is not offered", "a rollback"),
    ],
)
def test_a_pipeline_that_could_not_run_is_refused(pipelines: CodePipelines, code: Any, change: Any, error: str) -> None:
    assert code(change, pipelines) == error
    assert pipelines.made == []
