"""How a child execution ended, in the words that its parent's targets end in."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from shared import aws

from stepladder.promotion.contract import TargetOutcome, TargetResult
from stepladder.promotion.requests.relay import ChildState

_OWN_ENDS: dict[str, TargetResult] = {
    "RefusedBeforeTraffic": "failed",
    "RolledBack": "rolled_back",
    "RollbackFailed": "rollback_failed",
}


def read(execution: Mapping[str, Any], environment: str) -> ChildState:
    """Read an execution that has ended: its outcome for a target, with error and cause."""
    if execution["status"] == "SUCCEEDED":
        rungs = json.loads(execution.get("output") or "[]")
        return _of([target for rung in rungs for target in rung["targets"]], environment, "succeeded")
    if is_own_end(execution):
        return _of(json.loads(execution["cause"]), environment, _OWN_ENDS[execution["error"]])
    # Cut off: this location's own EventBridge rule recovers what it left, and so does `end`, which knows how that went.
    cause = execution.get("cause") or f"the child execution ended {execution['status']}"
    return {"state": "ended", "outcome": "cut_off", "error": execution.get("error") or "Abandoned", "cause": cause}


def is_own_end(execution: Mapping[str, Any]) -> bool:
    """Say whether an execution came to an end of its definition, so that its target is released or restored."""
    status = execution["status"]
    return bool(status == "SUCCEEDED" or (status == "FAILED" and execution.get("error") in _OWN_ENDS))


def _of(targets: Sequence[TargetOutcome], environment: str, otherwise: TargetResult) -> ChildState:
    for target in targets:
        if target.get("environment") == environment:
            error, cause = target.get("error", ""), target.get("cause", "")
            return {"state": "ended", "outcome": target.get("outcome", ""), "error": error, "cause": cause}
    return {"state": "ended", "outcome": otherwise, "error": "", "cause": ""}


def describe(execution_arn: str, appears: float = 0) -> Mapping[str, Any] | None:
    """Describe an execution; None when it doesn't show within `appears` seconds."""
    deadline = time.monotonic() + appears
    while True:
        try:
            return dict(aws.client("stepfunctions").describe_execution(executionArn=execution_arn))
        except Exception as error:
            if aws.code(error) != "ExecutionDoesNotExist":
                raise
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.5)
