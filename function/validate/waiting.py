"""Wait for what AWS does in its own time: an update of a function, a published version, the beginning of a deployment.

Each wait is short and asks often; `StillWaitingError` lets the state machine come back. A Wait state can't be shorter
than a second, and most updates are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from shared import aws, deployments, serving
from shared.errors import RefusedError, StillWaitingError

_SECONDS = 20.0
_FIRST, _MOST = 0.05, 1.0


def updated(event: dict[str, Any]) -> dict[str, Any]:
    """Wait until $LATEST has taken its image; return the revision that it has then.

    Refuses code or a `configuration` (its hash) that isn't what Validate saw: what is published next serves traffic.
    """
    function = event["target"]["function"]
    for _ in _polls():
        seen = aws.client("lambda").get_function_configuration(FunctionName=function)
        if seen["LastUpdateStatus"] == "Failed":
            reason = seen.get("LastUpdateStatusReason") or "no reason given"
            raise RefusedError(f"{function} could not take the image: {reason}")
        if seen["LastUpdateStatus"] == "Successful":
            if seen["CodeSha256"] != event["sha256"]:
                raise RefusedError(f"somebody else gave {function} other code during this climb")
            if serving.configuration(seen) != event["configuration"]:
                raise RefusedError(f"somebody changed the configuration of {function} during this promotion")
            return {"revision": seen["RevisionId"]}
    raise StillWaitingError(f"{function} is still being updated")


def active(event: dict[str, Any]) -> dict[str, Any]:
    """Wait until a published version can be called."""
    function, version = event["target"]["function"], event["version"]
    for _ in _polls():
        seen = aws.client("lambda").get_function_configuration(FunctionName=function, Qualifier=version)
        if seen["State"] == "Failed":
            reason = seen.get("StateReason") or "no reason given"
            raise RefusedError(f"version {version} of {function} can't be started: {reason}")
        if seen["State"] == "Active":
            return {"state": "Active"}
    raise StillWaitingError(f"version {version} of {function} is not ready yet")


def deployed(event: dict[str, Any]) -> dict[str, Any]:
    """Stay with a deployment until it ends or weighs the alias (from then on it is probed), or for one wait's time.

    An alias that serves what is neither the old nor the new version is the probe's to judge, too.
    """
    target, status = event["target"], ""
    ours = {event["version"], event["previous_version"]}
    for _ in _polls():
        status = deployments.get(event["deployment_id"]).status
        alias = serving.alias(target["function"], target["alias"])
        if status not in deployments.ACTIVE or alias.weights or alias.version not in ours:
            break
    return {"status": status}


def _polls() -> Iterator[None]:
    deadline, pause = time.monotonic() + _SECONDS, _FIRST
    while True:
        yield
        if time.monotonic() + pause > deadline:
            return
        time.sleep(pause)
        pause = min(pause * 1.5, _MOST)
