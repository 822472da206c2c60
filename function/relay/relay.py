"""Carry requests to where a target is: another region, another account.

A task of Step Functions calls its own region only, and another account only with a role for each call. So the primary
location, where the lowest rung is, sends one of a few requests to the relay of the target's location, which carries it
out with its own state machine; this function is both ends. The actions below are all that it does, on targets that its
location's Terraform names. Its resource policy says which accounts may invoke it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypedDict, cast

import child
import notice
import outcome
from shared import aws, ladder, lower_rung, relay_client, serving
from shared.aws import explained
from shared.errors import RefusedError

from stepladder.core.names import split_target
from stepladder.promotion.requests.relay import (
    AnswerChildRequest,
    CheckTargetRequest,
    ChildState,
    EndChildRequest,
    PollChildRequest,
    Served,
    ServedRequest,
    StartChildRequest,
    StartChildResponse,
)
from stepladder.promotion.requests.validate import CheckRequest, CheckResponse

_NEVER_BEGAN = (
    "AccessDeniedException",
    "ResourceNotFoundException",
)  # Lambda's answers of an Invoke that began nothing

RelayRequest = (
    AnswerChildRequest | CheckTargetRequest | EndChildRequest | PollChildRequest | ServedRequest | StartChildRequest
)
RelayResponse = CheckResponse | ChildState | Served | StartChildResponse | notice.Notice | Mapping[str, Any]


class _Relay(TypedDict):
    """The relay of another location, as Terraform names it."""

    region: str
    relay: str


@explained
def handler(event: RelayRequest | notice.PipelineEvent, _context: object) -> RelayResponse:
    """Carry out an action on a target of this location, or send it to the relay of the target's location.

    EventBridge calls it with CodePipeline's events too (`notice`).

    `check`: may it be released? `start`: start its child execution. `look`: poll it. `tell`: send it the verdict.
    `end`: stop it and recover what it left, or read how it ended. `runs`: which image does it serve?
    """
    if "detail" in event:
        return notice.handle(cast("notice.PipelineEvent", event))
    if event["action"] not in ACTIONS:
        raise RefusedError(f"the relay does no {event['action']!r}")
    remote = _relay_of(event["target"]["environment"])
    if remote:
        return _start(remote, event) if event["action"] == "start" else _send(remote, event)
    _check_own(event["target"])
    return ACTIONS[event["action"]](event)


def _start(remote: _Relay, request: StartChildRequest) -> Mapping[str, Any]:
    """Start a child if the rung below serves its digest; end it again if its parent was stopped meanwhile.

    A refusal means that there is no child: one that an earlier request began, whose answer was lost, is ended too.
    """
    target, digest = request["target"], request["release"]["digest"]
    try:
        for key in _rung(target["environment"])["below"]:
            lower_rung.check(key, _served(key), digest)
    except RefusedError as error:
        _end(remote, request, type(error).__name__, str(error), appears=0)
        raise
    try:
        started = _send(remote, request)
    except Exception as error:
        if aws.code(error) not in _NEVER_BEGAN:
            raise
        raise RefusedError(f"{target['environment']} can't be reached by the relay: {error}") from error
    parent = outcome.describe(request["execution_arn"])  # None: it began a moment ago, and doesn't show yet
    if parent and parent["status"] != "RUNNING":
        why = f"the promotion that started this one ended {parent['status']}"
        _end(remote, request, "Stopped", why, appears=5)
        raise RefusedError(why)
    return started


def _served(key: str) -> Served:
    """Return what a target serves, in whichever location it is."""
    request: ServedRequest = {"action": "runs", "target": {"environment": key}}
    remote = _relay_of(key)
    if remote:
        return cast("Served", _send(remote, request))
    return _runs(request)


def _end(remote: _Relay, request: StartChildRequest, error: str, cause: str, *, appears: float) -> None:
    end: EndChildRequest = {
        "action": "end",
        "execution_arn": request["execution_arn"],
        "target": request["target"],
        "why": {"Error": error, "Cause": cause},
        "appears": appears,
        "unwritten": "failed",
    }
    _send(remote, end)


def _relay_of(key: str) -> _Relay | None:
    relays: dict[str, _Relay] = json.loads(os.environ["ELSEWHERE"])
    return relays.get(split_target(key)[0])


def _send(remote: _Relay, request: Mapping[str, Any]) -> dict[str, Any]:
    return relay_client.invoke(relay_client.client(remote["region"]), remote["relay"], request)


def _check_own(target: Mapping[str, Any]) -> ladder.LadderRung:
    """Return what Terraform says of a target; refuse one that isn't of this location."""
    rung = _rung(target["environment"])
    if target.get("function", rung["function"]) != rung["function"]:
        raise RefusedError(f"{target['environment']} is no rung of this place")
    return rung


def _rung(key: str) -> ladder.LadderRung:
    rung = ladder.find(key)
    if rung is None:
        raise RefusedError(f"{key} is no rung of this place")
    return rung


def _check(request: CheckTargetRequest) -> CheckResponse:
    check: CheckRequest = {"action": "check", "release": request["release"], "targets": [request["target"]]}
    return {"unchanged": relay_client.invoke(relay_client.client(), os.environ["VALIDATE"], check)["unchanged"]}


def _runs(request: ServedRequest) -> Served:
    rung = _check_own(request["target"])
    return serving.served(rung["function"], rung["alias"])


ACTIONS: dict[str, Callable[[Any], RelayResponse]] = {
    "check": _check,
    "end": child.end,
    "look": child.poll,
    "runs": _runs,
    "start": child.start,
    "tell": child.answer,
}
