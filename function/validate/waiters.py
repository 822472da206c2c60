"""Wait for what AWS does in its own time: an update of a function, a published version, the start of a deployment.

Each wait is short and polls often; after `StillWaitingError` the state machine sends the request again. A Wait state
can't be shorter than a second, and most updates are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import change
from shared import aws, deployments, serving
from shared.errors import RefusedError, StillWaitingError

from stepladder.core.release_facts import ACTIVE
from stepladder.promotion.requests.validate import (
    ActiveRequest,
    ActiveResponse,
    DeployedRequest,
    DeployedResponse,
    UpdatedRequest,
    UpdatedResponse,
)

_SECONDS = 20.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


def updated(request: UpdatedRequest) -> UpdatedResponse:
    """Wait until $LATEST has taken its image; return the revision that it has then.

    Refuses code or a `configuration` (its hash) that isn't what Validate saw: what is published next serves traffic.
    """
    function = request["target"]["function"]
    for _ in _polls():
        latest = aws.client("lambda").get_function_configuration(FunctionName=function)
        if latest["LastUpdateStatus"] == "Failed":
            reason = latest.get("LastUpdateStatusReason") or "no reason given"
            restored = change.give_back(request["target"], latest["RevisionId"])
            raise RefusedError(f"{function} could not take the image: {reason}; {restored}")
        if latest["LastUpdateStatus"] == "Successful":
            if latest["CodeSha256"] != request["sha256"]:
                raise RefusedError(f"somebody else gave {function} other code during this promotion")
            if serving.configuration(latest) != request["configuration"]:
                raise RefusedError(f"somebody changed the configuration of {function} during this promotion")
            return {"revision": latest["RevisionId"]}
    raise StillWaitingError(f"{function} is still being updated")


def active(request: ActiveRequest) -> ActiveResponse:
    """Wait until a published version can be called."""
    function, version = request["target"]["function"], request["version"]
    for _ in _polls():
        published = aws.client("lambda").get_function_configuration(FunctionName=function, Qualifier=version)
        if published["State"] == "Failed":
            reason = published.get("StateReason") or "no reason given"
            raise RefusedError(f"version {version} of {function} can't be started: {reason}")
        if published["State"] == "Active":
            return {"state": "Active"}
    raise StillWaitingError(f"version {version} of {function} is not ready yet")


def deployed(request: DeployedRequest) -> DeployedResponse:
    """Poll a deployment until it ends or splits the traffic (from then on it is probed), or for one wait's time.

    An alias that serves any version but the old and the new one is for the probe to judge, too.
    """
    target, status = request["target"], ""
    expected = {request["version"], request["previous_version"]}
    for _ in _polls():
        status = deployments.get(request["deployment_id"]).status
        alias = serving.alias(target["function"], target["alias"])
        if status not in ACTIVE or alias.weights or alias.version not in expected:
            break
    return {"status": status}


def _polls() -> Iterator[None]:
    deadline, pause = time.monotonic() + _SECONDS, _FIRST_PAUSE
    while True:
        yield
        if time.monotonic() + pause > deadline:
            return
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
