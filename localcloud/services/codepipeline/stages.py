"""Who may enter a stage, and when: one execution at a time, in order, unless the pipeline runs them in parallel.

https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from localcloud.services.codepipeline.model import RUNNING, Pipeline, PipelineExecution, Transition

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

ENTERED, CLOSED, CANCELLED, SUPERSEDED, STOPPED = "", "closed", "Cancelled", "Superseded", "Stopped"
"""What becomes of an execution at a stage. The last three are its status then."""
_POLL = 0.1


class StageGate:
    """Lets executions into stages. `lock` guards all of CodePipeline's state."""

    def __init__(self, cloud: Cloud, lock: Any) -> None:
        self._cloud = cloud
        self._changed = threading.Condition(lock)

    def enter(self, pipeline: Pipeline, execution: PipelineExecution, stage: str) -> str:
        """Wait until an execution may enter a stage. Return whether it did, or what became of it."""
        with self._changed:
            execution.waiting_for = stage
            self._changed.notify_all()
            try:
                while True:
                    if self._cloud.stopping.is_set():
                        return CLOSED
                    if execution.cancelled:
                        return CANCELLED
                    if execution.status == "Stopping":
                        return STOPPED
                    if execution.mode == "SUPERSEDED" and self._later(pipeline, execution, stage):
                        return SUPERSEDED
                    if self._is_free(pipeline, execution, stage):
                        execution.stages[stage] = "InProgress"
                        return ENTERED
                    self._changed.wait(_POLL)
            finally:
                if not self._cloud.stopping.is_set():
                    execution.waiting_for = ""
                self._changed.notify_all()

    def leave(self, execution: PipelineExecution, stage: str, status: str) -> None:
        """Say how an execution left a stage."""
        with self._changed:
            execution.stages[stage] = status
            self._changed.notify_all()

    @staticmethod
    def _later(pipeline: Pipeline, execution: PipelineExecution, stage: str) -> bool:
        """Say whether a later execution waits for the same stage."""
        executions = list(pipeline.executions.values())
        later = executions[executions.index(execution) + 1 :]
        return any(each.waiting_for == stage and each.status in RUNNING for each in later)

    @staticmethod
    def _is_free(pipeline: Pipeline, execution: PipelineExecution, stage: str) -> bool:
        if not pipeline.transitions.get(stage, Transition()).enabled:
            return False
        if execution.mode == "PARALLEL":
            return True
        executions = list(pipeline.executions.values())
        earlier = executions[: executions.index(execution)]
        if any(each.stages.get(stage) == "InProgress" for each in executions if each is not execution):
            return False
        return not any(each.waiting_for == stage and each.status in RUNNING for each in earlier)
