"""What GetPipelineState shows: of each stage the latest execution in it, and of each action its latest execution."""

from __future__ import annotations

from typing import Any

from localcloud.services.codepipeline.model import RUNNING, Pipeline, PipelineExecution, Transition


def latest_in(pipeline: Pipeline, stage: str) -> PipelineExecution | None:
    """Return the last execution that entered a stage."""
    return next((each for each in pipeline.newest() if stage in each.stages), None)


def of_pipeline(pipeline: Pipeline) -> dict[str, Any]:
    """Return the state of a pipeline."""
    return {
        "pipelineName": pipeline.name,
        "pipelineVersion": pipeline.declaration["version"],
        "stageStates": [_stage(pipeline, stage) for stage in pipeline.declaration["stages"]],
        "created": pipeline.created,
        "updated": pipeline.updated,
    }


def _stage(pipeline: Pipeline, stage: dict[str, Any]) -> dict[str, Any]:
    name = str(stage["name"])
    latest = latest_in(pipeline, name)
    waiting = [
        {"pipelineExecutionId": each.id, "status": each.status, "type": "STANDARD"}
        for each in pipeline.newest()[::-1]
        if each.waiting_for == name and each.status in RUNNING
    ]
    shown: dict[str, Any] = {
        "stageName": name,
        "inboundExecutions": waiting,
        "inboundTransitionState": pipeline.transitions.get(name, Transition()).describe(),
        "actionStates": [_action(latest, name, action) for action in stage["actions"]],
    }
    if waiting:
        shown["inboundExecution"] = waiting[-1]
    if latest is not None:
        shown["latestExecution"] = {
            "pipelineExecutionId": latest.id,
            "status": latest.stages[name],
            "type": "STANDARD",
        }
        if name in latest.retries:
            automatic, manual = latest.retries[name]
            shown["retryStageMetadata"] = {
                "autoStageRetryAttempt": automatic,
                "manualStageRetryAttempt": manual,
                "latestRetryTrigger": "ManualStageRetry" if manual else "AutomatedStageRetry",
            }
    return shown


def _action(execution: PipelineExecution | None, stage: str, action: dict[str, Any]) -> dict[str, Any]:
    name = str(action["name"])
    shown: dict[str, Any] = {"actionName": name}
    latest = execution.latest_of(stage, name) if execution else None
    if latest is not None:
        shown["latestExecution"] = latest.latest()
    if execution and name in execution.sources:
        source = execution.sources[name]
        shown["currentRevision"] = {
            "revisionId": source["revisionId"],
            "revisionChangeId": source["revisionId"],
            "created": execution.started,
        }
        shown["revisionUrl"] = source["revisionUrl"]
    return shown


def page(key: str, items: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    """Return a page of a list."""
    start = int(params.get("nextToken") or 0)
    end = start + int(params.get("maxResults") or 100)
    return {key: items[start:end]} | ({"nextToken": str(end)} if end < len(items) else {})
