"""Give a version the next width of a shift by the state machine: a share of the alias's traffic, or all of it."""

from __future__ import annotations

from typing import Any

import restore
from shared import aws, ledger, serving
from shared.errors import NotServedError, RefusedError

from stepladder.promotion.contract import ShiftProgress, TargetInput
from stepladder.promotion.requests.rollback import MoveTrafficRequest

PRECONDITION = "PreconditionFailedException"
_ALL = 100
_ATTEMPTS = 5


def run(request: MoveTrafficRequest) -> ShiftProgress:
    """Move traffic to the width that the progress names, from the one before it only. Any number of times.

    The lock has the version before the first move, and afterwards that traffic moved, so that a promotion which is cut
    off between can be rolled back, and a lost answer of the rollback is none.
    """
    target, shifted, version = request["target"], request["shifted"], request["version"]
    environment, execution = target["environment"], request["execution_arn"]
    if not ledger.note(environment, execution, version=version):
        raise RefusedError(f"the lock of {environment} was lost before release {request['release']['id']} could shift")
    _move(target, request["previous_version"], version, shifted["step"])
    restore.note_moved(target, execution, request["previous_version"], version)
    at = request["at"]
    return {
        "step": shifted["step"],
        "polls": shifted["polls"],
        "began": shifted["began"] or at,
        "moved": at,
        "moves": [*shifted.get("moves", ()), at],
        "questioned": "",
        "wait": target["poll_seconds"],
        "move": "wait",
        "why": shifted["why"],
    }


def _move(target: TargetInput, previous: str, version: str, step: int) -> None:
    function, name, widths = target["function"], target["alias"], target["shift"]["widths"]
    before, wanted = widths[step - 1] if step else 0, widths[step]
    for _ in range(_ATTEMPTS):
        alias = serving.alias(function, name)
        if alias.is_split(previous, version, wanted):
            return  # by a call whose answer was lost
        if not alias.is_split(previous, version, before):
            break
        try:
            aws.client("lambda").update_alias(
                FunctionName=function, Name=name, RevisionId=alias.revision, **_routing(previous, version, wanted)
            )
        except Exception as error:
            if aws.code(error) != PRECONDITION:
                raise
    alias = serving.alias(function, name)
    if not alias.is_split(previous, version, wanted):
        raise NotServedError(f"somebody else moved alias {name} of {function} during the promotion: it serves {alias}")


def _routing(previous: str, version: str, percent: int) -> dict[str, Any]:
    if percent == _ALL:
        return {"FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": {}}}
    return {
        "FunctionVersion": previous,
        "RoutingConfig": {"AdditionalVersionWeights": {version: percent / _ALL}},
    }
