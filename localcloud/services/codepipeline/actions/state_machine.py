"""StepFunctions: an execution of a state machine.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-StepFunctions.html
"""

from __future__ import annotations

import json

from localcloud.cloud import ServiceError
from localcloud.services.codepipeline.context import ActionContext, FailedAction

_POLL = 0.2


def run(context: ActionContext) -> None:
    """Start an execution and wait until it ends."""
    action, given = context.action, context.action.configuration
    machine, prefix = given["StateMachineArn"], given.get("ExecutionNamePrefix") or ""
    text = _input(context)
    name = f"{prefix}-{action.id}" if prefix else action.id
    try:
        context.call("stepfunctions", "DescribeStateMachine", {"stateMachineArn": machine})
        params = {"stateMachineArn": machine, "name": name, "input": text}
        execution = str(context.call("stepfunctions", "StartExecution", params)["executionArn"])
        action.external_id = execution
        action.external_url = _link(context, execution)
        action.variables = {"StateMachineArn": machine, "ExecutionArn": execution}
        while (shown := context.call("stepfunctions", "DescribeExecution", {"executionArn": execution}))[
            "status"
        ] == "RUNNING":
            context.wait(_POLL)
    except ServiceError as error:
        code = "PermissionError" if "AccessDenied" in error.code else "JobFailed"
        raise FailedAction(f"{error.message} (Service: AWSStepFunctions; Error Code: {error.code})", code) from None
    if shown["status"] != "SUCCEEDED":
        why = ": ".join(part for part in (shown.get("error"), shown.get("cause")) if part)
        raise FailedAction(f"The execution {execution} ended {shown['status']}{f': {why}' if why else ''}")
    action.summary = f"Execution {name} succeeded"


def _input(context: ActionContext) -> str:
    given = context.action.configuration
    text = given.get("Input") or ""
    if given.get("InputType", "Literal") == "FilePath":
        if len(context.action.inputs) != 1 or not text:
            raise FailedAction("InputType FilePath needs one input artifact, and Input", "ConfigurationError")
        text = context.file(next(iter(context.action.inputs)), text)
    text = text or "{}"
    try:
        json.loads(text)
    except ValueError as error:
        raise FailedAction(f"The input is no JSON: {error}", "ConfigurationError") from None
    return text


def _link(context: ActionContext, execution: str) -> str:
    region = context.region
    return f"https://{region}.console.aws.amazon.com/states/home?region={region}#/v2/executions/details/{execution}"
