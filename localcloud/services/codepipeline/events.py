"""The events of CodePipeline.

https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localcloud.events import emit
from localcloud.services.codepipeline.model import ActionExecution, Pipeline, PipelineExecution

if TYPE_CHECKING:
    from localcloud.cloud import Cloud


class PipelineEvents:
    """Sends what happens to executions, stages and actions to EventBridge."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def of_pipeline(self, pipeline: Pipeline, execution: PipelineExecution, state: str) -> None:
        """Send the event of an execution."""
        kind, detail = execution.trigger
        trigger = {"trigger-type": kind, "trigger-detail": detail}
        self._send("Pipeline", pipeline, execution, {"execution-trigger": trigger, "state": state})

    def of_stage(self, pipeline: Pipeline, execution: PipelineExecution, stage: str, state: str) -> None:
        """Send the event of a stage."""
        self._send("Stage", pipeline, execution, {"stage": stage, "state": state})

    def of_action(self, pipeline: Pipeline, execution: PipelineExecution, action: ActionExecution, state: str) -> None:
        """Send the event of an action. One that failed says why."""
        kind = action.declaration["actionTypeId"]
        result = {
            "external-execution-url": action.external_url,
            "external-execution-summary": action.error_message or action.summary,
            "external-execution-id": action.external_id,
            "error-code": action.error_code,
        }
        detail = {
            "stage": action.stage,
            "action": action.action,
            "action-execution-id": action.id,
            "state": state,
            "region": pipeline.arn.split(":")[3],
            "type": {name: kind[name] for name in ("owner", "provider", "category", "version")},
            "input-artifacts": _artifacts(action.inputs),
            "output-artifacts": _artifacts(action.outputs),
        }
        shown = {name: value for name, value in result.items() if value}
        self._send("Action", pipeline, execution, detail | ({"execution-result": shown} if shown else {}))

    def _send(self, what: str, pipeline: Pipeline, execution: PipelineExecution, detail: Mapping[str, Any]) -> None:
        common = {
            "pipeline": pipeline.name,
            "execution-id": execution.id,
            "start-time": _text(execution.started),
            "version": execution.version,
            "pipeline-execution-attempt": execution.attempt,
        }
        _, _, _, region, account, _ = pipeline.arn.split(":", 5)
        where = {"region": region, "account": account}
        kind = f"CodePipeline {what} Execution State Change"
        emit(self._cloud, "aws.codepipeline", kind, {**common, **detail}, resources=[pipeline.arn], **where)


def _artifacts(artifacts: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"name": name, "s3location": {"bucket": bucket, "key": key}} for name, (bucket, key) in artifacts.items()]


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
