"""A fake of Step Functions: executions that are listed, described, started and redriven, and never go on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


class StepFunctions:
    """Executions by ARN, as DescribeExecution answers them; `changes` are the calls that changed one.

    `started` are the names of those that were started.
    """

    def __init__(self, *executions: dict[str, Any]) -> None:
        self.executions = {execution["executionArn"]: execution for execution in executions}
        self.changes: list[str] = []
        self.started: list[str] = []

    def list_executions(self, **_: Any) -> dict[str, Any]:
        return {"executions": [{**e, "name": arn.rpartition(":")[2]} for arn, e in self.executions.items()]}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803 - as in AWS's API
        return self.executions[executionArn]

    def redrive_execution(self, *, executionArn: str) -> None:  # noqa: N803
        self.changes.append("redrive")
        self.executions[executionArn]["status"] = "RUNNING"

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, str]:  # noqa: A002, N803
        self.changes.append("start")
        self.started.append(name)
        arn = f"{stateMachineArn.replace('stateMachine', 'execution').rpartition(':')[0]}:{name}"
        self.executions[arn] = {
            "executionArn": arn,
            "status": "RUNNING",
            "input": input,
            "startDate": datetime.now(UTC),
        }
        return {"executionArn": arn}
