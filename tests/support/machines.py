"""State machines of a cloud, and what their tests write into definitions."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from asking import until


class Machines:
    """Make machines and run them."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.client = cloud.client("stepfunctions")

    def make(self, states: dict[str, Any], start: str = "", **more: Any) -> str:
        definition = {"StartAt": start or next(iter(states)), "States": states, **more}
        name = f"machine-{uuid4().hex[:12]}"
        return str(
            self.client.create_state_machine(name=name, roleArn=self.cloud.role, definition=json.dumps(definition))[
                "stateMachineArn"
            ]
        )

    def start(self, machine: str, data: Any = None, name: str = "") -> str:
        named = {"name": name} if name else {}
        return str(
            self.client.start_execution(stateMachineArn=machine, input=json.dumps(data or {}), **named)["executionArn"]
        )

    def end(self, execution: str, seconds: float | None = None) -> dict[str, Any]:
        return until(
            lambda: self.client.describe_execution(executionArn=execution), lambda e: e["status"] != "RUNNING", seconds
        )

    def run(self, states: dict[str, Any], data: Any = None, **more: Any) -> dict[str, Any]:
        return self.end(self.start(self.make(states, **more), data))

    def output(self, states: dict[str, Any], data: Any = None) -> Any:
        ended = self.run(states, data)
        assert ended["status"] == "SUCCEEDED", ended
        return json.loads(ended["output"])

    def events(self, execution: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.client.get_execution_history(executionArn=execution)["events"]
        return events


def sdk(action: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    state = {"Type": "Task", "Resource": f"arn:aws:states:::aws-sdk:{action}", "Parameters": parameters}
    return state | ({} if "Next" in more else {"End": True}) | more


def catch(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "T": state | {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]},
        "Caught": {"Type": "Pass", "End": True},
    }
