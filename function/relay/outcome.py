"""How a child climb ended, in the words that the parent's targets end in."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any

import family
from shared import aws, elsewhere
from shared.errors import StillRollingBackError

_OURS = {"RefusedBeforeTraffic": "failed", "RolledBack": "rolled_back", "RollbackFailed": "rollback_failed"}


def end(event: dict[str, Any]) -> dict[str, Any]:
    """Stop the child and put back what it left, by this place's own rollback; one that has ended is told as it is.

    `why` is the reason, which becomes the outcome's where the child has none of its own. `appears` is for how many
    seconds a child is looked for: DescribeExecution is eventually consistent, and its start may just have been asked.
    """
    wanted, why = family.child(event), _plain(event["why"])
    found = describe(wanted, float(event["appears"]))
    if found is None:
        return {"state": "ended", "outcome": event["unwritten"], **why}
    if _is_told(found):
        return {"state": "ended", **read(found, event["target"]["environment"])}
    if found["status"] == "RUNNING":
        aws.client("stepfunctions").stop_execution(
            executionArn=wanted, error=why["error"][:256] or "Stopped", cause=why["cause"][:32_768]
        )
    asked = {"action": "settle", "execution_arn": wanted, "brief": True}
    settled = elsewhere.invoke(elsewhere.client(), os.environ["ROLLBACK"], asked)["settled"]
    if not settled:  # rollback leaves a running execution alone, and may still read this one as such
        raise StillRollingBackError(f"{family.name(wanted)} was stopped, which does not show yet")
    ((word, cause),) = [(target["outcome"], target["cause"]) for target in settled]
    told = {"error": why["error"] or "Abandoned", "cause": why["cause"] or cause}
    if word == "rollback_failed":
        told["cause"] = cause or told["cause"]
    return {"state": "ended", "outcome": event["unwritten"] if word == "untouched" else word, **told}


def read(found: dict[str, Any], environment: str) -> dict[str, str]:
    """Read an execution that has ended: its outcome for a target, with error and cause."""
    if found["status"] == "SUCCEEDED":
        rungs = json.loads(found.get("output") or "[]")
        return _of([target for rung in rungs for target in rung["targets"]], environment, "succeeded")
    if _is_told(found):
        return _of(json.loads(found["cause"]), environment, _OURS[found["error"]])
    # Cut off: what it left is put in order by this place's own rule, and by `end`, which knows how that went.
    cause = found.get("cause") or f"the climb there ended {found['status']}"
    return {"outcome": "cut_off", "error": found.get("error") or "Abandoned", "cause": cause}


def _is_told(found: dict[str, Any]) -> bool:
    """Say whether an execution ended under a name of ours, after it had put its target in order itself."""
    return found["status"] == "SUCCEEDED" or (found["status"] == "FAILED" and found.get("error") in _OURS)


def _of(targets: list[dict[str, str]], environment: str, otherwise: str) -> dict[str, str]:
    for target in targets:
        if target.get("environment") == environment:
            return {key: target.get(key, "") for key in ("outcome", "error", "cause")}
    return {"outcome": otherwise, "error": "", "cause": ""}


def describe(wanted: str, appears: float = 0) -> dict[str, Any] | None:
    """Describe an execution; None when it doesn't show within `appears` seconds."""
    deadline = time.monotonic() + appears
    while True:
        try:
            return dict(aws.client("stepfunctions").describe_execution(executionArn=wanted))
        except Exception as error:
            if aws.code(error) != "ExecutionDoesNotExist":
                raise
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.5)


def _plain(why: dict[str, str]) -> dict[str, str]:
    """Return error and cause; the sentence of a function's error, which comes as JSON."""
    cause = why.get("Cause", "")
    with contextlib.suppress(ValueError, KeyError, TypeError):
        cause = json.loads(cause)["errorMessage"]
    return {"error": why.get("Error", ""), "cause": str(cause)}
