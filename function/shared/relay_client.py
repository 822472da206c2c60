"""Send requests to the relay, which alone can reach targets in another account or region."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, cast

from shared import aws, errors
from shared.errors import ElsewhereError, PipelineError
from stepladder.promotion.contract import ReleaseInput, TargetInput
from stepladder.promotion.requests.relay import ChildState, EndChildRequest, Served
from stepladder.promotion.requests.validate import CheckResponse

_READ_TIMEOUT = 290  # seconds; relay and rollback, which take longest to answer, have ten more


def check(release: ReleaseInput, target: TargetInput) -> CheckResponse:
    """Have a target checked in its own location."""
    return cast("CheckResponse", _send({"action": "check", "release": release, "target": target}))


def served(environment: str) -> Served:
    """Return what an environment in another location serves."""
    return cast("Served", _send({"action": "runs", "target": {"environment": environment}}))


def end(request: EndChildRequest) -> ChildState:
    """Have a target's child execution ended in its own location."""
    return cast("ChildState", _send(request))


def _send(request: Mapping[str, Any]) -> dict[str, Any]:
    return invoke(client(), os.environ["RELAY"], request)


def client(region: str | None = None) -> Any:
    """Return the client that invokes functions of the pipeline, in this region or another."""
    return aws.client("lambda", _READ_TIMEOUT, region)


def invoke(lambda_client: Any, function: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Invoke a function of the pipeline, in any location; raise its error under its own name."""
    answer = lambda_client.invoke(FunctionName=function, Payload=json.dumps(request).encode())
    body = json.loads(answer["Payload"].read() or b"null")
    if not answer.get("FunctionError"):
        return dict(body or {})
    name, message = str(body.get("errorType", "")), str(body.get("errorMessage", "no reason given"))
    error = getattr(errors, name, None)
    if isinstance(error, type) and issubclass(error, PipelineError):
        raise error(message)
    if name in ("Sandbox.Timedout", "Runtime.ExitError"):
        raise errors.TransientError(f"{name}: {message}")
    raise ElsewhereError(f"{function.rpartition(':')[2]} failed with {name or 'no name'}: {message}")
