"""Ask the relay about a target that is in another account or region: only it can reach there."""

from __future__ import annotations

import json
import os
from typing import Any

from shared import aws, errors
from shared.errors import ElsewhereError, PipelineError

_READ_TIMEOUT = 290  # seconds; relay and rollback, which take longest to answer, have ten more


def ask(action: str, **more: Any) -> dict[str, Any]:
    """Have the relay do one of its operations and return its answer; an error comes back as the error that it was."""
    return invoke(client(), os.environ["RELAY"], {"action": action, **more})


def client(region: str | None = None) -> Any:
    """Return the client by which functions of the pipeline are asked, here or in another region."""
    return aws.client("lambda", _READ_TIMEOUT, region)


def invoke(by: Any, function: str, event: dict[str, Any]) -> dict[str, Any]:
    """Invoke a function of the pipeline by a client, here or elsewhere; raise its error under its own name."""
    answer = by.invoke(FunctionName=function, Payload=json.dumps(event).encode())
    body = json.loads(answer["Payload"].read() or b"null")
    if not answer.get("FunctionError"):
        return dict(body or {})
    name, message = str(body.get("errorType", "")), str(body.get("errorMessage", "no reason given"))
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, PipelineError):
        raise kind(message)
    if name in ("Sandbox.Timedout", "Runtime.ExitError"):
        raise errors.TransientError(f"{name}: {message}")
    raise ElsewhereError(f"{function.rpartition(':')[2]} failed with {name or 'no name'}: {message}")
