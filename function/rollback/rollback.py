"""Roll back: stop the promotion's deployment, wait for CodeDeploy's own rollback, restore the recorded version.

`restore` is a task of the state machine, for one target. `release_first` is another: it moves an alias that never
served a release to its first version, and is here because no other function's role may move an alias. `settle` recovers
an execution that ended without doing so itself (stopped from outside, timed out): EventBridge and `inv promote` send
it. All look first and change only what isn't as it should be, so each may run any number of times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import recover
import restore
import widen
from shared.aws import explained
from shared.errors import StillRollingBackError

from stepladder.promotion.contract import AliasServes, Context, ShiftProgress
from stepladder.promotion.requests.rollback import (
    EndedEvent,
    MoveTrafficRequest,
    RecoverRequest,
    RecoverResponse,
    ReleaseFirstRequest,
    RestoreRequest,
    RestoreResponse,
)

_SHORT = 20.0  # seconds; the state machine sends the request again

RollbackRequest = RestoreRequest | ReleaseFirstRequest | MoveTrafficRequest | RecoverRequest | EndedEvent
RollbackResponse = RestoreResponse | AliasServes | ShiftProgress | RecoverResponse


@explained
def handler(event: RollbackRequest, context: Context) -> RollbackResponse:
    """Answer an `action` of those above, or an EventBridge event "Step Functions Execution Status Change"."""
    patience = max(_SHORT, context.get_remaining_time_in_millis() / 1000 - 15)
    if "detail" in event:
        return _recover_ended(event, patience)
    return ACTIONS[event["action"]](event, patience)


def restore_target(request: RestoreRequest, _patience: float) -> RestoreResponse:
    """Put the alias of one target back."""
    release_id, version = request["release"]["id"], request["version"]
    restored = restore.restore(release_id, request["target"], request["previous_version"], version, _SHORT)
    return {
        "moved": restored.moved,
        "deployment_id": restored.deployment_id,
        "cause": restored.cause,
        "blames_version": restored.blames_version,
    }


def release_first(request: ReleaseFirstRequest, _patience: float) -> AliasServes:
    """Move the alias of one target to its first version."""
    release_id, version = request["release"]["id"], request["version"]
    return restore.release_first(release_id, request["execution_arn"], request["target"], version)


def move_traffic(request: MoveTrafficRequest, _patience: float) -> ShiftProgress:
    """Give the new version of one target its next width."""
    return widen.run(request)


def recover_targets(request: RecoverRequest, patience: float) -> RecoverResponse:
    """Recover the targets that the request names, or all targets of the execution."""
    execution_arn = request["execution_arn"]
    if "targets" in request:
        return recover.targets(execution_arn, request["release"], request["targets"], request["cause"], _SHORT)
    return recover.execution(execution_arn, _SHORT if request.get("brief") else patience)


def _recover_ended(event: EndedEvent, patience: float) -> RecoverResponse:
    recovered = recover.execution(event["detail"]["executionArn"], patience)
    if not recovered["settled"]:  # DescribeExecution is eventually consistent; Lambda sends an event that fails again
        raise StillRollingBackError("the execution ended, which does not show yet")
    return recovered


ACTIONS: dict[str, Callable[[Any, float], RollbackResponse]] = {
    "release_first": release_first,
    "restore": restore_target,
    "settle": recover_targets,
    "shift": move_traffic,
}
