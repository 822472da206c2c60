"""Run executions of pipelines, each on a thread of its own: stage by stage, the actions of one run order at once."""

from __future__ import annotations

import itertools
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from localcloud.callers import ServiceCaller
from localcloud.services.codepipeline import stages, variables
from localcloud.services.codepipeline.actions import approval, build, source, state_machine
from localcloud.services.codepipeline.context import ActionAbandoned, ActionContext, FailedAction
from localcloud.services.codepipeline.events import PipelineEvents
from localcloud.services.codepipeline.model import RUNNING, ActionExecution, Pipeline, PipelineExecution
from localcloud.services.codepipeline.stages import StageGate
from localcloud.services.codepipeline.variables import VariableError

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

PRINCIPAL = "codepipeline.amazonaws.com"
RUNNERS = {
    "CodeStarSourceConnection": source.run,
    "CodeBuild": build.run,
    "StepFunctions": state_machine.run,
    "Manual": approval.run,
}
FAILED_ACTIONS, ALL_ACTIONS = "FAILED_ACTIONS", "ALL_ACTIONS"
_RESTARTED = "The local cloud was restarted while the action ran."


class PipelineEngine:
    """Runs executions."""

    def __init__(self, cloud: Cloud, lock: Any) -> None:
        self._cloud = cloud
        self._lock = lock
        self._gate = StageGate(cloud, lock)
        self.events = PipelineEvents(cloud)

    def start(self, pipeline: Pipeline, execution: PipelineExecution) -> None:
        """Run an execution in the background from its first stage."""
        self.events.of_pipeline(pipeline, execution, "STARTED")
        self._run_in_background(pipeline, execution, 0, ALL_ACTIONS)

    def retry(self, pipeline: Pipeline, execution: PipelineExecution, stage: str, mode: str) -> None:
        """Run an execution again from a stage that failed."""
        self._reopen(execution, stage, by_hand=True)
        self.events.of_pipeline(pipeline, execution, "RESUMED")
        names = [str(each["name"]) for each in execution.declaration["stages"]]
        self._run_in_background(pipeline, execution, names.index(stage), mode)

    def recover(self, pipeline: Pipeline, execution: PipelineExecution) -> None:
        """Resume an execution that waited for a stage when the cloud ended, and fail one that was in a stage."""
        names = [str(each["name"]) for each in execution.declaration["stages"]]
        if execution.waiting_for in names and "InProgress" not in execution.stages.values():
            self._run_in_background(pipeline, execution, names.index(execution.waiting_for), ALL_ACTIONS)
            return
        for action in execution.actions:
            if action.status == "InProgress":
                self._end_action(pipeline, execution, action, "Failed", "InternalError", _RESTARTED)
        for stage, status in execution.stages.items():
            if status == "InProgress":
                self._leave(pipeline, execution, stage, "Failed")
        self._end(pipeline, execution, "Failed")

    def _run_in_background(self, pipeline: Pipeline, execution: PipelineExecution, first: int, mode: str) -> None:
        arguments = (pipeline, execution, first, mode)
        threading.Thread(target=self._guard, args=arguments, daemon=True, name=f"pipeline-{execution.id}").start()

    def _guard(self, pipeline: Pipeline, execution: PipelineExecution, first: int, mode: str) -> None:
        try:
            self._run(pipeline, execution, first, mode)
        except Exception:  # noqa: BLE001 - a bug must not leave an execution in progress for ever
            traceback.print_exc(file=sys.stderr)
            for stage, status in execution.stages.items():
                if status == "InProgress":
                    self._gate.leave(execution, stage, "Failed")
            self._end(pipeline, execution, "Failed", "The local cloud broke; its log has the traceback.")

    def _run(self, pipeline: Pipeline, execution: PipelineExecution, first: int, mode: str) -> None:
        for stage in execution.declaration["stages"][first:]:
            name = str(stage["name"])
            entered = self._gate.enter(pipeline, execution, name)
            if entered == stages.CLOSED:
                return
            if entered != stages.ENTERED:
                self._end(pipeline, execution, entered)
                return
            status = self._stage(pipeline, execution, stage, mode)
            mode = ALL_ACTIONS
            if status is None:
                return
            self._leave(pipeline, execution, name, status)
            if status in ("Cancelled", "Failed", "Stopped"):
                self._end(pipeline, execution, status)
                return
        stopped = execution.status == "Stopping"
        self._end(pipeline, execution, "Stopped" if stopped else "Succeeded")

    # -- stages

    def _stage(self, pipeline: Pipeline, execution: PipelineExecution, stage: dict[str, Any], mode: str) -> str | None:
        """Run a stage and return how it ended, or None when the cloud ends. A failed one may be retried once."""
        name, failure = str(stage["name"]), stage.get("onFailure") or {}
        by_retry = name in execution.retries
        self.events.of_stage(pipeline, execution, name, "RESUMED" if by_retry else "STARTED")
        status = self._actions(pipeline, execution, stage, mode)
        if status == "Failed" and failure.get("result") == "RETRY" and not by_retry:
            self._reopen(execution, name, by_hand=False)
            again = (failure.get("retryConfiguration") or {}).get("retryMode") or FAILED_ACTIONS
            self.events.of_stage(pipeline, execution, name, "RESUMED")
            status = self._actions(pipeline, execution, stage, again)
        return "Skipped" if status == "Failed" and failure.get("result") == "SKIP" else status

    def _reopen(self, execution: PipelineExecution, stage: str, *, by_hand: bool) -> None:
        with self._lock:
            automatic, manual = execution.retries.get(stage, (0, 0))
            execution.retries[stage] = (automatic + (not by_hand), manual + by_hand)
            execution.attempt += 1
            if by_hand:
                execution.status, execution.abandon = "InProgress", False
                execution.stop_reason = execution.summary = ""

    def _actions(
        self, pipeline: Pipeline, execution: PipelineExecution, stage: dict[str, Any], mode: str
    ) -> str | None:
        name = str(stage["name"])
        ordered = sorted(stage["actions"], key=lambda each: int(each["runOrder"]))
        for _, group in itertools.groupby(ordered, key=lambda each: int(each["runOrder"])):
            due = [each for each in group if mode != FAILED_ACTIONS or not _has_succeeded(execution, name, each)]
            with ThreadPoolExecutor(max(1, len(due)), thread_name_prefix=f"action-{name}") as pool:
                statuses = list(pool.map(lambda each: self._action(pipeline, execution, name, each), due))
            if self._cloud.stopping.is_set() and None in statuses:
                return None
            if execution.cancelled:
                return "Cancelled"
            if execution.status == "Stopping":
                return "Stopped"
            if any(status != "Succeeded" for status in statuses):
                return "Failed"
        return "Succeeded"

    def _leave(self, pipeline: Pipeline, execution: PipelineExecution, stage: str, status: str) -> None:
        self._gate.leave(execution, stage, status)
        self.events.of_stage(pipeline, execution, stage, _state(status))

    def _end(self, pipeline: Pipeline, execution: PipelineExecution, status: str, summary: str = "") -> None:
        with self._lock:
            execution.status, execution.updated = status, self._cloud.clock.utcnow()
            execution.summary, execution.waiting_for = summary, ""
        self.events.of_pipeline(pipeline, execution, _state(status))

    # -- actions

    def _action(
        self, pipeline: Pipeline, execution: PipelineExecution, stage: str, declared: dict[str, Any]
    ) -> str | None:
        """Run an action and return how it ended, or None when the cloud ends."""
        now = self._cloud.clock.utcnow()
        action = ActionExecution(str(uuid4()), stage, str(declared["name"]), declared, now, now, execution.version)
        with self._lock:
            execution.actions.append(action)
        try:
            self._prepare(pipeline, execution, action)
            self.events.of_action(pipeline, execution, action, "STARTED")
            _, _, _, _, account, _ = pipeline.arn.split(":", 5)
            caller = ServiceCaller(PRINCIPAL, pipeline.arn, account, str(execution.declaration["roleArn"]))
            context = ActionContext(self._cloud, pipeline, execution, action, caller)
            RUNNERS[str(declared["actionTypeId"]["provider"])](context)
        except FailedAction as failure:
            self._end_action(pipeline, execution, action, "Failed", failure.code, str(failure))
        except ActionAbandoned:
            if self._cloud.stopping.is_set():
                return None
            self._end_action(pipeline, execution, action, "Abandoned")
        except Exception as error:  # noqa: BLE001 - a bug must not leave an action in progress for ever
            traceback.print_exc(file=sys.stderr)
            message = f"The local cloud broke; its log has the traceback: {error!r}"
            self._end_action(pipeline, execution, action, "Failed", "InternalError", message)
        else:
            self._end_action(pipeline, execution, action, "Succeeded")
        return action.status

    def _prepare(self, pipeline: Pipeline, execution: PipelineExecution, action: ActionExecution) -> None:
        """Resolve what the action refers to. Raises `FailedAction`."""
        declared = action.declaration
        own = {"PipelineExecutionId": execution.id, "PipelineName": pipeline.name}
        namespaces = {**execution.variables, "codepipeline": own, "variables": execution.inputs}
        try:
            action.configuration = variables.resolve_all(declared["configuration"], namespaces)
        except VariableError as error:
            raise FailedAction(str(error), "ConfigurationError") from None
        for each in declared["inputArtifacts"]:
            name = str(each["name"])
            if name not in execution.artifacts:
                raise FailedAction(f"The action that makes the artifact {name} made none", "ConfigurationError")
            action.inputs[name] = execution.artifacts[name]

    def _end_action(
        self,
        pipeline: Pipeline,
        execution: PipelineExecution,
        action: ActionExecution,
        status: str,
        code: str = "",
        message: str = "",
    ) -> None:
        with self._lock:
            action.error_code, action.error_message = code, message
            action.status, action.updated = status, self._cloud.clock.utcnow()
            execution.updated = action.updated
            if status == "Succeeded":
                execution.artifacts.update(action.outputs)
                if namespace := action.declaration.get("namespace"):
                    execution.variables[str(namespace)] = action.variables
        self.events.of_action(pipeline, execution, action, status.upper())


def _state(status: str) -> str:
    """Return a status as events have it."""
    return {"Cancelled": "CANCELED", "Skipped": "SUCCEEDED"}.get(status, status.upper())


def _has_succeeded(execution: PipelineExecution, stage: str, declared: dict[str, Any]) -> bool:
    latest = execution.latest_of(stage, str(declared["name"]))
    return latest is not None and latest.status == "Succeeded"


def is_running(execution: PipelineExecution) -> bool:
    """Say whether an execution is still under way."""
    return execution.status in RUNNING
