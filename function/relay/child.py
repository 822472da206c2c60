"""A child climb: one target of another place's climb, by this place's own state machine.

It releases its target, then waits with the lock in its hand for the parent's word: keep, or put back. If none comes it
puts back by itself.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import family
import outcome
from shared import aws, ledger

_STAYS = 5.0  # seconds that a look waits for something to happen: a Wait state can't be shorter than a second
_FIRST, _MOST = 0.05, 1.0
_GONE = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")


def start(event: dict[str, Any]) -> dict[str, Any]:
    """Start the child, or find that it was started."""
    release, target = event["release"], event["target"]
    rung = {
        "name": target["environment"],
        "approval": False,
        "approval_seconds": 3600,
        "verdict_seconds": int(target["verdict_seconds"]),
        "targets": [{key: value for key, value in target.items() if key not in ("place", "verdict_seconds")}],
    }
    told = {"release_id": release["id"], "parent": event["execution_arn"], "rungs": [rung]}
    told |= {
        key: release[key] for key in ("digest", "git_commit", "requested_by", "input_key", "smoke_key", "untested")
    }
    told |= {key: bool(release[key]) for key in ("hotfix", "force")}
    wanted = family.child(event)
    try:
        aws.client("stepfunctions").start_execution(
            stateMachineArn=f"{os.environ['MACHINE']}:live",
            name=family.name(wanted),
            input=json.dumps(told, sort_keys=True),
        )
    except Exception as error:
        if aws.code(error) != "ExecutionAlreadyExists":
            raise
    return {"execution_arn": wanted}


def look(event: dict[str, Any]) -> dict[str, Any]:
    """Say how far the child is: climbing, waiting (for the parent's word), or ended and how.

    Stays a moment when nothing new is to be said.
    """
    return _watch(event, _waits)


def tell(event: dict[str, Any]) -> dict[str, Any]:
    """Give the child the parent's word, and say how far it is: climbing, or ended and how.

    It is told again as often as it asks: a question is repeated when the answer to it was lost.
    """

    def answer(token: str) -> bool:
        _tell(token, event)
        return False

    return _watch(event, answer)


def _watch(event: dict[str, Any], waits: Callable[[str], bool]) -> dict[str, Any]:
    wanted = family.child(event)
    deadline, pause = time.monotonic() + _STAYS, _FIRST
    while True:
        found = aws.client("stepfunctions").describe_execution(executionArn=wanted)
        if found["status"] != "RUNNING":
            return {"state": "ended", **outcome.read(found, event["target"]["environment"])}
        token = ledger.get(f"climb#{family.name(wanted)}", "verdict").get("token", "")
        if token and waits(token):
            return {"state": "waiting", "outcome": "", "error": "", "cause": ""}
        if time.monotonic() + pause > deadline:
            return {"state": "climbing", "outcome": "", "error": "", "cause": ""}
        time.sleep(pause)
        pause = min(pause * 1.5, _MOST)


def _waits(token: str) -> bool:
    """Say whether a task still waits for its token: one whose call failed after all has left it in the ledger."""
    try:
        aws.client("stepfunctions").send_task_heartbeat(taskToken=token)
    except Exception as error:
        if aws.code(error) not in _GONE:
            raise
        return False
    return True


def _tell(token: str, event: dict[str, Any]) -> None:
    states = aws.client("stepfunctions")
    verdict = event["verdict"]
    try:
        if verdict["word"] == "keep":
            states.send_task_success(taskToken=token, output=json.dumps({"by": event["execution_arn"]}))
        else:
            states.send_task_failure(taskToken=token, error=verdict["error"], cause=verdict["cause"])
    except Exception as error:
        if aws.code(error) not in _GONE:
            raise
