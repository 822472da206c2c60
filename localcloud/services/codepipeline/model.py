"""What CodePipeline keeps: pipelines, their executions, and the actions' executions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.cloud import ServiceError
from stepladder.core.names import partition_of

RUNNING = ("InProgress", "Stopping")
MANUAL_MINUTES = 7 * 24 * 60


@dataclass
class ActionExecution:
    """One execution of one action. `outputs` are its artifacts by name: bucket and key."""

    id: str
    stage: str
    action: str
    declaration: dict[str, Any]
    started: datetime
    updated: datetime
    version: int = 1
    status: str = "InProgress"
    configuration: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, tuple[str, str]] = field(default_factory=dict)
    outputs: dict[str, tuple[str, str]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    external_id: str = ""
    external_url: str = ""
    log_stream: str = ""
    error_code: str = ""
    error_message: str = ""
    token: str = ""
    updated_by: str = ""
    decision: str = ""

    def latest(self) -> dict[str, Any]:
        """Return the execution as GetPipelineState does."""
        shown = {
            "actionExecutionId": self.id,
            "status": self.status,
            "summary": self.summary,
            "lastStatusChange": self.updated,
            "token": self.token if self.status == "InProgress" else "",
            "lastUpdatedBy": self.updated_by,
            "externalExecutionId": self.external_id,
            "externalExecutionUrl": self.external_url,
            "logStreamARN": self.log_stream,
            "errorDetails": self._error(),
        }
        return {name: value for name, value in shown.items() if value}

    def result(self) -> dict[str, Any]:
        """Return what came out of it, as ListActionExecutions does."""
        shown = {
            "externalExecutionId": self.external_id,
            "externalExecutionSummary": self.summary,
            "externalExecutionUrl": self.external_url,
            "errorDetails": self._error(),
            "logStreamARN": self.log_stream,
        }
        return {name: value for name, value in shown.items() if value}

    def describe(self, execution_id: str, region: str) -> dict[str, Any]:
        """Return the execution as ListActionExecutions does."""
        given = self.declaration
        sent: dict[str, Any] = {
            "actionTypeId": given["actionTypeId"],
            "configuration": given.get("configuration") or {},
            "resolvedConfiguration": self.configuration,
            "roleArn": given.get("roleArn"),
            "region": given.get("region") or region,
            "inputArtifacts": _located(self.inputs),
            "namespace": given.get("namespace"),
        }
        return {
            "pipelineExecutionId": execution_id,
            "actionExecutionId": self.id,
            "pipelineVersion": self.version,
            "stageName": self.stage,
            "actionName": self.action,
            "startTime": self.started,
            "lastUpdateTime": self.updated,
            "status": self.status,
            **({"updatedBy": self.updated_by} if self.updated_by else {}),
            "input": {name: value for name, value in sent.items() if value is not None},
            "output": {
                "outputArtifacts": _located(self.outputs),
                "executionResult": self.result(),
                "outputVariables": self.variables,
            },
        }

    def _error(self) -> dict[str, str]:
        return {"code": self.error_code, "message": self.error_message} if self.error_code else {}


@dataclass
class PipelineExecution:
    """One execution of a pipeline: with which declaration it runs, and how far it is.

    `artifacts` and `variables` are what actions left for later ones. `stages` are the states of those that it entered.
    """

    id: str
    pipeline: str
    declaration: dict[str, Any]
    started: datetime
    updated: datetime
    trigger: tuple[str, str]
    status: str = "InProgress"
    summary: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    artifacts: dict[str, tuple[str, str]] = field(default_factory=dict)
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)
    actions: list[ActionExecution] = field(default_factory=list)
    waiting_for: str = ""
    stop_reason: str = ""
    abandon: bool = False
    cancelled: bool = False
    attempt: int = 1
    retries: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """The version of the pipeline that it runs."""
        return int(self.declaration["version"])

    @property
    def mode(self) -> str:
        """The pipeline's execution mode as it began."""
        return str(self.declaration["executionMode"])

    def latest_of(self, stage: str, action: str) -> ActionExecution | None:
        """Return the last execution of an action."""
        return next((each for each in self.actions[::-1] if (each.stage, each.action) == (stage, action)), None)

    def summarise(self) -> dict[str, Any]:
        """Return the execution as ListPipelineExecutions does."""
        shown = {
            "pipelineExecutionId": self.id,
            "status": self.status,
            "statusSummary": self.summary,
            "startTime": self.started,
            "lastUpdateTime": self.updated,
            "sourceRevisions": [
                {"actionName": action, **{key: each[key] for key in ("revisionId", "revisionSummary", "revisionUrl")}}
                for action, each in list(self.sources.items())
            ],
            "trigger": self.describe_trigger(),
            "stopTrigger": {"reason": self.stop_reason} if self.stop_reason else None,
            "executionMode": self.mode,
            "executionType": "STANDARD",
        }
        return {name: value for name, value in shown.items() if value not in (None, "")}

    def describe(self) -> dict[str, Any]:
        """Return the execution as GetPipelineExecution does."""
        shown = {
            "pipelineName": self.pipeline,
            "pipelineVersion": self.version,
            "pipelineExecutionId": self.id,
            "status": self.status,
            "statusSummary": self.summary,
            "artifactRevisions": [
                {key: value for key, value in each.items() if key != "action"} for each in list(self.sources.values())
            ],
            "variables": [{"name": name, "resolvedValue": value} for name, value in self.inputs.items()],
            "trigger": self.describe_trigger(),
            "executionMode": self.mode,
            "executionType": "STANDARD",
        }
        return {name: value for name, value in shown.items() if value != ""}

    def describe_trigger(self) -> dict[str, str]:
        """Return what started it."""
        kind, detail = self.trigger
        return {"triggerType": kind, "triggerDetail": detail}


@dataclass
class Transition:
    """Whether executions may enter a stage."""

    enabled: bool = True
    reason: str = ""
    by: str = ""
    at: datetime | None = None

    def describe(self) -> dict[str, Any]:
        """Return the transition as GetPipelineState does."""
        shown = {"lastChangedBy": self.by, "lastChangedAt": self.at, "disabledReason": self.reason}
        return {"enabled": self.enabled, **{name: value for name, value in shown.items() if value}}


@dataclass
class Pipeline:
    """A pipeline. `heads` are the commits that its sources were last seen at, by the names of their actions."""

    arn: str
    declaration: dict[str, Any]
    created: datetime
    updated: datetime
    tags: dict[str, str] = field(default_factory=dict)
    transitions: dict[str, Transition] = field(default_factory=dict)
    executions: dict[str, PipelineExecution] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.declaration["name"])

    def newest(self) -> list[PipelineExecution]:
        """Return the executions, newest first. Others may start meanwhile."""
        return list(self.executions.values())[::-1]

    def stage_names(self) -> list[str]:
        """Return the names of the stages, in order."""
        return [str(stage["name"]) for stage in self.declaration["stages"]]

    def execution(self, execution_id: str) -> PipelineExecution:
        """Return an execution, or raise the service's error."""
        execution = self.executions.get(execution_id)
        if execution is None:
            raise ServiceError(
                "PipelineExecutionNotFoundException",
                f"The requested pipeline execution does not exist: {execution_id} of {self.name}",
            )
        return execution


@dataclass
class PipelineRegion:
    """All pipelines of one account and region, by their names."""

    account: str
    region: str
    pipelines: dict[str, Pipeline] = field(default_factory=dict)

    def arn(self, name: str) -> str:
        """Return the ARN of a pipeline."""
        return f"arn:{partition_of(self.region)}:codepipeline:{self.region}:{self.account}:{name}"

    def pipeline(self, name: str) -> Pipeline:
        """Return a pipeline, or raise the service's error."""
        if name not in self.pipelines:
            message = f"Account '{self.account}' does not have a pipeline with name '{name}'"
            raise ServiceError("PipelineNotFoundException", message)
        return self.pipelines[name]

    def tagged(self, arn: str) -> Pipeline:
        """Return a pipeline by its ARN, or raise the service's error."""
        pipeline = self.pipelines.get(arn.rpartition(":")[2])
        if pipeline is None or pipeline.arn != arn:
            raise ServiceError("ResourceNotFoundException", f"The resource {arn} does not exist")
        return pipeline


def actions_of(declaration: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield each action of a pipeline with the name of its stage."""
    for stage in declaration["stages"]:
        for action in stage["actions"]:
            yield str(stage["name"]), action


def _located(artifacts: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"name": name, "s3location": {"bucket": bucket, "key": key}} for name, (bucket, key) in artifacts.items()]
