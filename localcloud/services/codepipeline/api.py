"""CodePipeline, all of it: executions of Moto's succeed at once and run nothing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.services.codepipeline import states
from localcloud.services.codepipeline.engine import PipelineEngine, is_running
from localcloud.services.codepipeline.model import Pipeline, PipelineExecution
from localcloud.services.codepipeline.pipelines import Pipelines
from localcloud.services.codepipeline.watcher import BranchWatcher

QUEUE_LIMIT = 50


class CodePipelineApi(Pipelines):
    """The handlers of executions."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._engine = PipelineEngine(cloud, self._regions.lock)
        self._watcher = BranchWatcher(cloud, self._all, self._start_pushed)
        cloud.register("codepipeline", self)
        cloud.on_ready(self._recover)
        cloud.on_ready(self._watcher.run)

    def _all(self) -> list[Pipeline]:
        return [pipeline for region in self._regions for pipeline in list(region.pipelines.values())]

    def _recover(self) -> None:
        for pipeline in self._all():
            for execution in list(pipeline.executions.values()):
                if is_running(execution):
                    self._engine.recover(pipeline, execution)

    def _see(self, pipeline: Pipeline) -> None:
        self._watcher.see(pipeline)

    def _created(self, pipeline: Pipeline, caller: str) -> None:
        self._start(pipeline, ("CreatePipeline", caller), {}, {})

    def _start_pushed(self, pipeline: Pipeline, action: str, commit: str) -> None:
        self._start(pipeline, ("WebhookV2", _connection(pipeline, action)), {}, {action: commit})

    def _start(
        self, pipeline: Pipeline, trigger: tuple[str, str], given: dict[str, str], revisions: dict[str, str]
    ) -> PipelineExecution:
        now = self._cloud.clock.utcnow()
        declared = {str(each["name"]): each for each in pipeline.declaration.get("variables") or ()}
        values = {name: str(given.get(name, each.get("defaultValue") or "")) for name, each in declared.items()}
        with self._regions.lock:
            waiting = sum(is_running(each) for each in pipeline.executions.values())
            if pipeline.declaration["executionMode"] == "QUEUED" and waiting >= QUEUE_LIMIT:
                message = f"The pipeline {pipeline.name} has {QUEUE_LIMIT} executions in progress"
                raise ServiceError("ConcurrentPipelineExecutionsLimitExceededException", message)
            execution = PipelineExecution(
                str(uuid4()), pipeline.name, pipeline.declaration, now, now, trigger, inputs=values, revisions=revisions
            )
            pipeline.executions[execution.id] = execution
        self._engine.start(pipeline, execution)
        return execution

    def _named(self, request: AwsRequest) -> tuple[Pipeline, PipelineExecution]:
        pipeline = self._region(request).pipeline(str(request.params["pipelineName"]))
        return pipeline, pipeline.execution(str(request.params["pipelineExecutionId"]))

    # -- executions

    @handles
    def start_pipeline_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Start an execution, of the newest commits or of those that are named."""
        params = request.params
        pipeline = self._region(request).pipeline(str(params["name"]))
        token = str(params.get("clientRequestToken") or "")
        if token in pipeline.tokens:
            return {"pipelineExecutionId": pipeline.tokens[token]}
        given = {str(each["name"]): str(each["value"]) for each in params.get("variables") or ()}
        known = {str(each["name"]) for each in pipeline.declaration.get("variables") or ()}
        if unknown := sorted(set(given) - known):
            raise ServiceError("ValidationException", f"Pipeline {pipeline.name} has no variable {unknown[0]}")
        revisions = {
            str(each["actionName"]): str(each["revisionValue"]) for each in params.get("sourceRevisions") or ()
        }
        execution = self._start(pipeline, ("StartPipelineExecution", self._caller(request)), given, revisions)
        if token:
            pipeline.tokens[token] = execution.id
        return {"pipelineExecutionId": execution.id}

    @handles
    def stop_pipeline_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Stop an execution after the actions that run, or without waiting for them."""
        pipeline, execution = self._named(request)
        abandon = bool(request.params.get("abandon"))
        with self._regions.lock:
            if not is_running(execution):
                message = f"The execution is {execution.status}, and can't be stopped"
                raise ServiceError("PipelineExecutionNotStoppableException", message)
            if execution.status == "Stopping" and (execution.abandon or not abandon):
                raise ServiceError("DuplicatedStopRequestException", "The execution is being stopped already")
            execution.status, execution.abandon = "Stopping", abandon
            execution.stop_reason = str(request.params.get("reason") or "")
        self._engine.events.of_pipeline(pipeline, execution, "STOPPING")
        return {"pipelineExecutionId": execution.id}

    @handles
    def retry_stage_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Run an execution again from its failed stage."""
        pipeline, execution = self._named(request)
        stage = str(request.params["stageName"])
        if stage not in pipeline.stage_names():
            raise ServiceError("StageNotFoundException", f"Pipeline '{pipeline.name}' has no stage '{stage}'")
        with self._regions.lock:
            if execution.stages.get(stage) not in ("Failed", "Stopped") or is_running(execution):
                raise ServiceError("StageNotRetryableException", f"The stage {stage} of {execution.id} did not fail")
            if execution.mode != "PARALLEL" and states.latest_in(pipeline, stage) is not execution:
                message = f"{execution.id} isn't the latest execution in the stage {stage}"
                raise ServiceError("NotLatestPipelineExecutionException", message)
            self._engine.retry(pipeline, execution, stage, str(request.params["retryMode"]))
        return {"pipelineExecutionId": execution.id}

    @handles
    def put_approval_result(self, request: AwsRequest) -> dict[str, Any]:
        """Take a decision."""
        params = request.params
        pipeline = self._region(request).pipeline(str(params["pipelineName"]))
        where, result = (str(params["stageName"]), str(params["actionName"])), params["result"]
        with self._regions.lock:
            for execution in pipeline.executions.values():
                action = execution.latest_of(*where)
                if action is None or not action.token or action.token != params["token"]:
                    continue
                if action.decision or action.status != "InProgress":
                    raise ServiceError("ApprovalAlreadyCompletedException", "The approval has been given or refused")
                action.summary, action.updated_by = str(result["summary"]), self._caller(request)
                action.decision = str(result["status"])
                return {"approvedAt": self._cloud.clock.utcnow()}
        raise ServiceError("InvalidApprovalTokenException", "No approval that waits has this token")

    # -- reading

    @handles
    def get_pipeline_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Return an execution."""
        return {"pipelineExecution": self._named(request)[1].describe()}

    @handles
    def list_pipeline_executions(self, request: AwsRequest) -> dict[str, Any]:
        """List executions, newest first."""
        pipeline = self._region(request).pipeline(str(request.params["pipelineName"]))
        stage = ((request.params.get("filter") or {}).get("succeededInStage") or {}).get("stageName")
        executions = [
            each.summarise() for each in pipeline.newest() if stage is None or each.stages.get(stage) == "Succeeded"
        ]
        return states.page("pipelineExecutionSummaries", executions, request.params)

    @handles
    def list_action_executions(self, request: AwsRequest) -> dict[str, Any]:
        """List executions of actions, newest first."""
        pipeline = self._region(request).pipeline(str(request.params["pipelineName"]))
        wanted = request.params.get("filter") or {}
        latest = (wanted.get("latestInPipelineExecution") or {}).get("pipelineExecutionId")
        only = wanted.get("pipelineExecutionId") or latest
        details = [
            action.describe(execution.id, request.region)
            for execution in pipeline.newest()
            if only in (None, execution.id)
            for action in execution.actions[::-1]
        ]
        return states.page("actionExecutionDetails", details, request.params)

    @handles
    def get_pipeline_state(self, request: AwsRequest) -> dict[str, Any]:
        """Return what each stage does and did last."""
        return states.of_pipeline(self._region(request).pipeline(str(request.params["name"])))


def _connection(pipeline: Pipeline, action: str) -> str:
    actions = pipeline.declaration["stages"][0]["actions"]
    return next(str(each["configuration"]["ConnectionArn"]) for each in actions if each["name"] == action)


def install(cloud: Cloud) -> None:
    """Register the actions."""
    CodePipelineApi(cloud)
