"""CodePipeline: who makes a pipeline passes its connections to it.

https://docs.aws.amazon.com/dtconsole/latest/userguide/security-iam.html
"""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall
from localcloud.authorization.model import AccessRequest

SERVICE = "codepipeline.amazonaws.com"


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call that makes or changes a pipeline needs."""
    if call.action not in ("CreatePipeline", "UpdatePipeline"):
        return None
    own = calls.by_tables(call)
    return None if own is None else [*own, *_passed_connections(call)]


def _passed_connections(call: AwsCall) -> Iterable[AccessRequest]:
    stages = call.params.get("pipeline", {}).get("stages") or ()
    actions = [action for stage in stages for action in stage.get("actions") or ()]
    connections = [str((action.get("configuration") or {}).get("ConnectionArn", "")) for action in actions]
    for connection in dict.fromkeys(connections):
        if connection.startswith("arn:"):
            service = connection.split(":")[2]
            passed = {f"{service}:passedtoservice": (SERVICE,)}
            yield calls.request(call, f"{service}:PassConnection", connection, passed)
