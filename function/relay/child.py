"""A child execution: one target in another location, released by that location's own state machine.

It releases its target and keeps its lock until its parent's verdict comes: keep, or undo. If none comes it undoes the
release by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable

import outcome
from shared import aws, ledger, relay_client
from shared.errors import StillRollingBackError

from stepladder.ledger import schema
from stepladder.promotion.contract import (
    CHILD_POLL_SECONDS,
    CaughtError,
    ExecutionInput,
    RungDecision,
    RungInput,
    TargetInput,
    child_name,
)
from stepladder.promotion.requests.relay import (
    AnswerChildRequest,
    ChildState,
    EndChildRequest,
    PollChildRequest,
    StartChildRequest,
    StartChildResponse,
)
from stepladder.promotion.requests.rollback import RecoverRequest

_WAIT = float(CHILD_POLL_SECONDS)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_TOKEN_GONE = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")


def arn(execution_arn: str, environment: str) -> str:
    """Return the ARN of an execution's child for an environment. It needs no memory: any request finds the same one."""
    executions = os.environ["MACHINE"].replace(":stateMachine:", ":execution:")
    return f"{executions}:{child_name(execution_arn, environment)}"


def start(request: StartChildRequest) -> StartChildResponse:
    """Start the child, unless an earlier request has."""
    child_arn = arn(request["execution_arn"], request["target"]["environment"])
    try:
        aws.client("stepfunctions").start_execution(
            stateMachineArn=f"{os.environ['MACHINE']}:live",
            name=_name(child_arn),
            input=json.dumps(_input(request), sort_keys=True),
        )
    except Exception as error:
        if aws.code(error) != "ExecutionAlreadyExists":
            raise
    return {"execution_arn": child_arn}


def _input(request: StartChildRequest) -> ExecutionInput:
    """Return the child's input: a ladder of one rung with one target."""
    release, target = request["release"], request["target"]
    own: TargetInput = target.copy()
    own.pop("place", None)
    own.pop("begins_after", None)  # its parent has waited
    own.pop("verdict_seconds", None)
    rung: RungInput = {
        "name": target["environment"],
        "approval": False,
        "approval_seconds": 3600,
        "verdict_seconds": int(target["verdict_seconds"]),
        "targets": [own],
    }
    return {
        "release_id": release["id"],
        "parent": request["execution_arn"],
        "digest": release["digest"],
        "git_commit": release["git_commit"],
        "requested_by": release["requested_by"],
        "input_key": release["input_key"],
        "smoke_key": release["smoke_key"],
        "untested": release["untested"],
        "hotfix": bool(release["hotfix"]),
        "force": bool(release["force"]),
        "rungs": [rung],
    }


def poll(request: PollChildRequest) -> ChildState:
    """Poll the child: under way, waiting for its parent's decision, or ended and how.

    Waits a moment for a change when there is none.
    """
    return _wait(request, _is_waiting)


def answer(request: AnswerChildRequest) -> ChildState:
    """Send the child its parent's decision, and poll it: under way, or ended and how.

    The decision is sent whenever the child waits for it: an answer may have been lost.
    """

    def send(token: str) -> bool:
        _send(token, request["verdict"], request["execution_arn"])
        return False

    return _wait(request, send)


def _wait(request: PollChildRequest | AnswerChildRequest, is_waiting: Callable[[str], bool]) -> ChildState:
    child_arn = arn(request["execution_arn"], request["target"]["environment"])
    deadline, pause = time.monotonic() + _WAIT, _FIRST_PAUSE
    while True:
        execution = aws.client("stepfunctions").describe_execution(executionArn=child_arn)
        if execution["status"] != "RUNNING":
            return outcome.read(execution, request["target"]["environment"])
        question = ledger.read(schema.DECISION, execution=_name(child_arn))
        if question and question.token and is_waiting(question.token):
            return {"state": "waiting", "outcome": "", "error": "", "cause": ""}
        if time.monotonic() + pause > deadline:
            return {"state": "climbing", "outcome": "", "error": "", "cause": ""}
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _is_waiting(token: str) -> bool:
    """Say whether a task still waits for its token: one whose call failed after all has left it in the ledger."""
    try:
        aws.client("stepfunctions").send_task_heartbeat(taskToken=token)
    except Exception as error:
        if aws.code(error) not in _TOKEN_GONE:
            raise
        return False
    return True


def _send(token: str, decision: RungDecision, parent_arn: str) -> None:
    states = aws.client("stepfunctions")
    try:
        if decision["word"] == "keep":
            states.send_task_success(taskToken=token, output=json.dumps({"by": parent_arn}))
        else:
            states.send_task_failure(taskToken=token, error=decision["error"], cause=decision["cause"])
    except Exception as error:
        if aws.code(error) not in _TOKEN_GONE:
            raise


def end(request: EndChildRequest) -> ChildState:
    """Stop the child and have this location's rollback recover what it left; one that has ended is only read.

    `why` is the reason, which the outcome takes where the child has none of its own. DescribeExecution is eventually
    consistent, and the child's start may just have been requested: it is polled for `appears` seconds.
    """
    environment = request["target"]["environment"]
    child_arn, (error, cause) = arn(request["execution_arn"], environment), _plain(request["why"])
    execution = outcome.describe(child_arn, float(request["appears"]))
    if execution is None:
        return {"state": "ended", "outcome": request["unwritten"], "error": error, "cause": cause}
    if outcome.is_own_end(execution):
        return outcome.read(execution, environment)
    if execution["status"] == "RUNNING":
        aws.client("stepfunctions").stop_execution(
            executionArn=child_arn, error=error[:256] or "Stopped", cause=cause[:32_768]
        )
    recovery: RecoverRequest = {"action": "settle", "execution_arn": child_arn, "brief": True}
    settled = relay_client.invoke(relay_client.client(), os.environ["ROLLBACK"], recovery)["settled"]
    if not settled:  # rollback leaves a running execution alone, and may still read this one as such
        raise StillRollingBackError(f"{_name(child_arn)} was stopped, which does not show yet")
    ((result, own_cause),) = [(target["outcome"], target["cause"]) for target in settled]
    cause = own_cause or cause if result == "rollback_failed" else cause or own_cause
    return {
        "state": "ended",
        "outcome": request["unwritten"] if result == "untouched" else result,
        "error": error or "Abandoned",
        "cause": cause,
    }


def _plain(why: CaughtError) -> tuple[str, str]:
    """Return error and cause; of a function's error, which comes as JSON, the sentence."""
    cause = why.get("Cause", "")
    with contextlib.suppress(ValueError, KeyError, TypeError):
        cause = json.loads(cause)["errorMessage"]
    return why.get("Error", ""), str(cause)


def _name(execution_arn: str) -> str:
    return execution_arn.rpartition(":")[2]
