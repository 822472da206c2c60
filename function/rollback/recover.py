"""Recover an execution that ended without restoring what it changed: what it holds locked is unfinished."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import restore
from shared import aws, ledger, relay_client, serving
from shared.errors import RollbackFailedError, StillRollingBackError, TransientError

from stepladder.core.release_facts import LATEST
from stepladder.ledger.schema import FAILED, PROMOTE, SUCCEEDED, Holder, ReleaseEntry
from stepladder.promotion.contract import (
    ENDS,
    ExecutionInput,
    ReleaseInput,
    RungInput,
    TargetInput,
    TargetOutcome,
    TargetResult,
    release_of,
)
from stepladder.promotion.requests.rollback import RecoverResponse

_PARALLEL = 10
_FEW = 4  # targets that are recovered one after the other
Ends = Mapping[str, TargetOutcome]
"""By environment, the outcome of a target that the execution itself has finished with."""


def execution(arn: str, patience: float) -> RecoverResponse:
    """Recover an execution by its ARN; one that is still running is left alone."""
    described = aws.client("stepfunctions").describe_execution(executionArn=arn)
    if described["status"] == "RUNNING":
        return {"settled": []}
    started_with: ExecutionInput = json.loads(described["input"])
    all_targets = [target for rung in started_with["rungs"] for target in rung["targets"]]
    why = [described.get("error") or "stopped from outside", described.get("cause", "")]
    cause = f"the execution ended {described['status']}: {': '.join(part for part in why if part)}"
    ends = _ends(described, started_with["rungs"])
    return targets(arn, _release(started_with), all_targets, cause, patience, unwritten="untouched", ends=ends)


def _check_map_runs(arn: str) -> None:
    """Wait for the executions of a promotion of many targets: Step Functions stops them after the promotion itself.

    Raises `StillRollingBackError` while one may still act on its target. Only with several functions are there any.
    """
    if "FUNCTIONS" not in os.environ:
        return
    states = aws.client("stepfunctions")
    for map_run in states.list_map_runs(executionArn=arn)["mapRuns"]:
        counts = states.describe_map_run(mapRunArn=map_run["mapRunArn"])["executionCounts"]
        if counts["running"]:
            raise StillRollingBackError(f"{counts['running']} targets of {arn.rpartition(':')[2]} are still at work")


def _release(started_with: ExecutionInput) -> ReleaseInput:
    """Return the release of an execution's input; one of an older stepladder lacks some of it."""
    return {
        "id": started_with["release_id"],
        "digest": started_with["digest"],
        "git_commit": started_with["git_commit"],
        "requested_by": started_with["requested_by"],
        "input_key": started_with.get("input_key", ""),
        "smoke_key": started_with.get("smoke_key", ""),
        "untested": started_with.get("untested", ""),
        "hotfix": started_with.get("hotfix", False),
        "force": started_with.get("force", False),
    }


def _ends(described: Mapping[str, Any], rungs: Sequence[RungInput]) -> Ends:
    """Return the outcome of each target that an execution itself has finished with: all that are left are locks.

    A promotion that ended by itself says so of the last rung it came to, in its output or its cause; the rungs below
    went well, or it would not have come there.
    """
    try:
        if described["status"] == "SUCCEEDED":
            ended = [target for rung in json.loads(described["output"]) for target in rung["targets"]]
        elif described["status"] == "FAILED" and described.get("error") in ENDS:
            ended = json.loads(described["cause"])
        else:
            return {}
        ends = {target["environment"]: _outcome(**target) for target in ended if target.get("outcome")}
    except (KeyError, TypeError, ValueError):
        return {}
    names = [[target["environment"] for target in rung["targets"]] for rung in rungs]
    last = max((number for number, rung in enumerate(names) if set(rung) & set(ends)), default=0)
    lower = {name: _outcome(name, "unchanged") for rung in names[:last] for name in rung}
    return lower | ends


def _outcome(environment: str, outcome: TargetResult, error: str = "", cause: str = "") -> TargetOutcome:
    return {"environment": environment, "outcome": outcome, "error": error, "cause": cause}


def targets(
    arn: str,
    release: ReleaseInput,
    of_execution: Sequence[TargetInput],
    cause: str,
    patience: float,
    unwritten: TargetResult = "failed",
    ends: Ends | None = None,
) -> RecoverResponse:
    """Recover some targets. A target is unfinished while the execution holds its lock; a finished one has its entry.

    `unwritten` is the outcome of one that has neither: the promotion never came to it, or to nothing on it. A target in
    another location has a child execution there, which is ended; a location that doesn't answer keeps no other one
    waiting. `ends` are the outcomes of targets that the execution has finished with: their locks are given back.
    """
    _check_map_runs(arn)
    remote = {target["environment"]: target for target in of_execution if "place" in target}
    own = {target["environment"]: target for target in of_execution if "place" not in target}
    if remote:
        relay_client.client()  # made once, before threads share it
    for service in ("codedeploy", "dynamodb", "lambda") if len(own) > _FEW else ():
        aws.client(service)

    def recover(name: str) -> TargetOutcome:
        finished = _finished(arn, release["id"], name, unwritten, (ends or {}).get(name))
        return finished or _unfinished(arn, release_of(release, own[name]), own[name], cause, patience)

    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="recover") as pool:
        ending = {name: pool.submit(_end_child, arn, target, cause, unwritten) for name, target in remote.items()}
        if len(own) > _FEW:
            recovering = {name: pool.submit(recover, name) for name in own}
            recovered = {name: future.result() for name, future in recovering.items()}
        else:
            recovered = {name: recover(name) for name in own}
    recovered |= {name: future.result() for name, future in ending.items()}
    return {"settled": [recovered[target["environment"]] for target in of_execution]}


def _end_child(arn: str, target: TargetInput, cause: str, unwritten: TargetResult) -> TargetOutcome:
    """End a target's child execution; `appears` is 0, since it was started long ago if ever."""
    child = relay_client.end(
        {
            "action": "end",
            "execution_arn": arn,
            "target": target,
            "why": {"Error": "Abandoned", "Cause": cause},
            "appears": 0,
            "unwritten": unwritten,
        }
    )
    return _outcome(target["environment"], child["outcome"] or "failed", child["error"], child["cause"])


def _finished(
    arn: str, release_id: str, environment: str, unwritten: TargetResult, end: TargetOutcome | None
) -> TargetOutcome | None:
    """Return the outcome of a target that needs nothing but its lock given back; None for one that needs more."""
    entry = ledger.entry(environment, release_id, arn)
    if ledger.is_held(environment, arn):
        if not (entry and entry.result == SUCCEEDED) and not end:
            return None
        ledger.give_lock_back(environment, arn)
    known = end or _outcome(environment, unwritten)
    if not entry:
        return known
    return _outcome(environment, cast("TargetResult", entry.result), known["error"], entry.cause or known["cause"])


def _unfinished(arn: str, release: ReleaseInput, target: TargetInput, cause: str, patience: float) -> TargetOutcome:
    """Restore a target that the execution left behind, record how that went and give its lock back."""
    environment = target["environment"]
    lock = ledger.lock(environment)
    if not lock:
        raise TransientError(f"the lock of {environment} was given back meanwhile")
    restored, result, why = _restore(release, target, lock, patience)
    entry = ledger.entry(environment, release["id"], arn)
    if entry and (result == FAILED or not ledger.is_held(environment, arn)):
        # another call did all of it meanwhile: what it recorded is how this ended
        outcome = _outcome(environment, cast("TargetResult", entry.result), "Abandoned", entry.cause)
    elif result == "failed" and not restored.version and _serves(target, release["digest"]):
        # a rung that ran the image already: nothing was to be released there, and nothing is to be recorded
        outcome = _outcome(environment, "unchanged")
    else:
        outcome = _outcome(environment, result, "Abandoned", f"Abandoned: {why or cause}")
        _record(arn, release, lock, restored, outcome)
    ledger.give_lock_back(environment, arn)
    return outcome


def _restore(
    release: ReleaseInput, target: TargetInput, lock: Holder, patience: float
) -> tuple[restore.Restored, TargetResult, str]:
    """Restore a target; return what that did, how it ended, and why it failed (empty when it didn't)."""
    try:
        restored = restore.restore(release["id"], target, lock.previous_version, lock.version, patience)
    except RollbackFailedError as error:
        return restore.Restored(False, error.deployment_id, error.version), "rollback_failed", str(error)
    # another call may have restored it, and given the lock back, since the lock was read
    return restored, "rolled_back" if restored.moved or lock.moved_to else "failed", ""


def _record(arn: str, release: ReleaseInput, lock: Holder, restored: restore.Restored, outcome: TargetOutcome) -> None:
    previous = lock.previous_version
    entry = ReleaseEntry(
        release_id=release["id"],
        environment=outcome["environment"],
        kind=PROMOTE,
        version=restored.version,
        previous_version="" if previous == LATEST else previous,
        digest=release["digest"],
        git_commit=release["git_commit"],
        requested_by=release["requested_by"],
        result=outcome["outcome"],
        started_at=lock.since,
        ended_at=ledger.stamp(time.time()),
        cause=outcome["cause"],
        execution_arn=arn,
        deployment_id=restored.deployment_id,
        input_key=release.get("input_key", ""),
        hotfix=bool(release.get("hotfix", False)),
    )
    ledger.record(entry)


def _serves(target: TargetInput, digest: str) -> bool:
    return serving.served(target["function"], target["alias"]) == {"digest": digest, "whole": True}
