"""Roll back: stop the climb's deployment, wait for CodeDeploy's own rollback, restore the recorded version.

`restore` is a task of the state machine, for one target. `release_first` is another: it moves an alias that never
served a release to its first version, and is here because no other function's role may move an alias. `settle` puts all
targets of an execution in order that ended without doing so itself (stopped from outside, timed out): EventBridge and
`inv promote` ask for it. All look first and change only what isn't as it should be, so each may run any number of
times.
"""

from __future__ import annotations

from typing import Any

import restore
import settle
from shared.aws import explained
from shared.errors import StillRollingBackError

_SHORT = 20.0  # seconds; the state machine asks again


@explained
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer an `action` of those above, or an EventBridge event "Step Functions Execution Status Change"."""
    if event.get("action") == "restore":
        version = event["version"]
        done = restore.restore(event["release"]["id"], event["target"], event["previous_version"], version, _SHORT)
        return {
            "moved": done.moved,
            "deployment_id": done.deployment_id,
            "cause": done.cause,
            "blames_version": done.blames_version,
        }
    if event.get("action") == "release_first":
        return restore.release_first(event["release"]["id"], event["execution_arn"], event["target"], event["version"])
    patience = max(_SHORT, context.get_remaining_time_in_millis() / 1000 - 15)
    if event.get("action") == "settle":
        if "targets" in event:
            return settle.settle(event["execution_arn"], event["release"], event["targets"], event["cause"], _SHORT)
        return settle.execution(event["execution_arn"], _SHORT if event.get("brief") else patience)
    told = settle.execution(event["detail"]["executionArn"], patience)
    if not told["settled"]:  # DescribeExecution is eventually consistent; Lambda sends an event that fails again
        raise StillRollingBackError("the execution ended, which does not show yet")
    return told
