"""Carry a climb to where a target is: another region, another account.

A task of Step Functions calls its own region only, and another account only with a role for each call. So the home
place, where the lowest rung is, asks the relay of the target's place to do one of a few operations with that place's
own state machine; this function is both ends. What may be asked for is the list below and nothing else, on targets
that the place's own Terraform names; whom a place answers to is its relay's resource policy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import child
import outcome
from shared import aws, below, elsewhere, serving
from shared.aws import explained
from shared.errors import RefusedError

_SHUT = ("AccessDeniedException", "ResourceNotFoundException")  # Lambda's answers of an Invoke that began nothing


@explained
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Do an operation on a target that is here, or have it done where the target is.

    `check`: may it be released? `start`: begin its climb. `look`: how far is it? `tell`: keep the release, or put it
    back. `end`: stop it and put it back, or say how it ended. `runs`: which image does it serve?
    """
    if event["action"] not in OPERATIONS:
        raise RefusedError(f"the relay does no {event['action']!r}")
    environment = event["target"]["environment"]
    away = json.loads(os.environ["ELSEWHERE"]).get(environment)
    if away:
        return _start(away, event) if event["action"] == "start" else _send(away, event)
    _own(event["target"])
    return OPERATIONS[event["action"]](event)


def _start(away: dict[str, str], event: dict[str, Any]) -> dict[str, Any]:
    """Start a child, if the rung below runs its digest; end it again if its parent was stopped meanwhile.

    A refusal means that there is no child: one that an earlier request began, whose answer was lost, is ended too.
    """
    try:
        for name in json.loads(os.environ["LADDER"])[event["target"]["environment"]]["below"]:
            below.check(name, _ask_runs(name), event["release"]["digest"])
    except RefusedError as error:
        _end(away, event, type(error).__name__, str(error), appears=0)
        raise
    try:
        started = _send(away, event)
    except Exception as error:
        if aws.code(error) not in _SHUT:
            raise
        raise RefusedError(f"{event['target']['environment']} can't be reached by the relay: {error}") from error
    parent = outcome.describe(event["execution_arn"])  # None: it began a moment ago, and doesn't show yet
    if parent and parent["status"] != "RUNNING":
        why = f"the climb that asked for this one ended {parent['status']}"
        _end(away, event, "Stopped", why, appears=5)
        raise RefusedError(why)
    return started


def _end(away: dict[str, str], event: dict[str, Any], error: str, cause: str, *, appears: float) -> None:
    why = {"Error": error, "Cause": cause}
    _send(away, {**event, "action": "end", "why": why, "appears": appears, "unwritten": "failed"})


def _send(away: dict[str, str], event: dict[str, Any]) -> dict[str, Any]:
    return elsewhere.invoke(elsewhere.client(away["region"]), away["relay"], event)


def _ask_runs(environment: str) -> dict[str, Any]:
    return dict(handler({"action": "runs", "target": {"environment": environment}}, None))


def _own(target: dict[str, Any]) -> dict[str, str]:
    """Return what Terraform says of a target; refuse one that isn't of this place."""
    known: dict[str, str] | None = json.loads(os.environ["LADDER"]).get(target["environment"])
    if known is None or target.get("function", known["function"]) != known["function"]:
        raise RefusedError(f"{target['environment']} is no rung of this place")
    return known


def _check(event: dict[str, Any]) -> dict[str, Any]:
    asked = {"action": "check", "release": event["release"], "targets": [event["target"]]}
    return elsewhere.invoke(elsewhere.client(), os.environ["VALIDATE"], asked)


def _runs(event: dict[str, Any]) -> dict[str, Any]:
    known = _own(event["target"])
    return serving.runs(known["function"], known["alias"])


OPERATIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "check": _check,
    "end": outcome.end,
    "look": child.look,
    "runs": _runs,
    "start": child.start,
    "tell": child.tell,
}
