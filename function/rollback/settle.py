"""Put an execution in order that ended without doing so: what it holds locked is unfinished."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import restore
from shared import aws, elsewhere, ledger, serving
from shared.errors import RollbackFailedError

_PARALLEL = 10
_OWN_ENDS = ("RefusedBeforeTraffic", "RolledBack", "RollbackFailed")


def execution(arn: str, patience: float) -> dict[str, Any]:
    """Settle an execution by its ARN; one that is still running is left alone."""
    found = aws.client("stepfunctions").describe_execution(executionArn=arn)
    if found["status"] == "RUNNING":
        return {"settled": []}
    told = json.loads(found["input"])
    release = {
        "id": told["release_id"],
        "digest": told["digest"],
        "git_commit": told["git_commit"],
        "requested_by": told["requested_by"],
        "input_key": told.get("input_key", ""),
        "hotfix": told.get("hotfix", False),
    }
    targets = [target for rung in told["rungs"] for target in rung["targets"]]
    why = [found.get("error") or "stopped from outside", found.get("cause", "")]
    cause = f"the execution ended {found['status']}: {': '.join(part for part in why if part)}"
    return settle(arn, release, targets, cause, patience, unwritten="untouched", ends=_ends(found, told["rungs"]))


def _ends(found: dict[str, Any], rungs: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the outcome of each target that an execution itself has finished with: all that are left are locks.

    A promotion that ended by itself says so of the last rung it came to, in its output or its cause; the rungs below
    went well, or it would not have come there.
    """
    try:
        if found["status"] == "SUCCEEDED":
            ended = [target for rung in json.loads(found["output"]) for target in rung["targets"]]
        elif found["status"] == "FAILED" and found.get("error") in _OWN_ENDS:
            ended = json.loads(found["cause"])
        else:
            return {}
        ends = {target["environment"]: dict(target) for target in ended if target.get("outcome")}
    except (KeyError, TypeError, ValueError):
        return {}
    names = [[target["environment"] for target in rung["targets"]] for rung in rungs]
    last = max((number for number, targets in enumerate(names) if set(targets) & set(ends)), default=0)
    below = {name: {"outcome": "unchanged"} for targets in names[:last] for name in targets}
    return below | ends


def settle(
    arn: str,
    release: dict[str, Any],
    targets: list[dict[str, Any]],
    cause: str,
    patience: float,
    unwritten: str = "failed",
    ends: dict[str, dict[str, str]] | None = None,
) -> dict[str, Any]:
    """Settle some targets. A target is unfinished while the execution holds its lock; a finished one has its entry.

    `unwritten` is the outcome of one that has neither: the climb never came to it, or to nothing on it. A target in
    another place has a climb of its own there, which is ended; a place that doesn't answer keeps no other one waiting.
    `ends` are the outcomes of targets that the execution has finished with: their locks are given back.
    """
    ends = ends or {}
    away = {target["environment"]: target for target in targets if "place" in target}
    here = [target for target in targets if target["environment"] not in away]
    if away:
        elsewhere.client()  # made once, before threads share it
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="away") as pool:
        asked = {name: pool.submit(_away, arn, target, cause, unwritten) for name, target in away.items()}
        found = {
            name: _finished(arn, release["id"], name, unwritten, ends.get(name))
            for name in (t["environment"] for t in here)
        }
        done = {
            target["environment"]: found[target["environment"]] or _unfinished(arn, release, target, cause, patience)
            for target in here
        }
    done |= {name: answer.result() for name, answer in asked.items()}
    return {"settled": [done[target["environment"]] for target in targets]}


def _away(arn: str, target: dict[str, Any], cause: str, unwritten: str) -> dict[str, Any]:
    why = {"Error": "Abandoned", "Cause": cause}
    ended = elsewhere.ask("end", execution_arn=arn, target=target, why=why, appears=0, unwritten=unwritten)
    return {"environment": target["environment"], **{key: ended[key] for key in ("outcome", "error", "cause")}}


def _finished(
    arn: str, release_id: str, environment: str, unwritten: str, end: dict[str, str] | None
) -> dict[str, Any] | None:
    """Return the outcome of a target that needs nothing but its lock given back; None for one that needs more."""
    entry = ledger.get(f"env#{environment}", f"release#{release_id}")
    written = entry if entry.get("execution_arn") == arn else {}
    if ledger.lock(environment).get("run_id") == arn:
        if written.get("result") != "succeeded" and not end:
            return None
        ledger.give_lock_back(environment, arn)
    told = end or {"outcome": unwritten}
    return {
        "environment": environment,
        "outcome": written.get("result", told["outcome"]),
        "error": told.get("error", ""),
        "cause": written.get("cause", told.get("cause", "")),
    }


def _unfinished(
    arn: str, release: dict[str, Any], target: dict[str, Any], cause: str, patience: float
) -> dict[str, Any]:
    """Put a target back that the execution left behind, and write down how that went."""
    environment = target["environment"]
    held = ledger.lock(environment)
    previous = held["previous_version"]
    done = restore.Restored(moved=False)
    try:
        done = restore.restore(release["id"], target, previous, held.get("version", ""), patience)
        # another call may have put it back, and given the lock back, since the lock was read
        result = "rolled_back" if done.moved or held.get("moved_to") else "failed"
    except RollbackFailedError as error:
        result, cause = "rollback_failed", str(error)
    written = ledger.get(f"env#{environment}", f"release#{release['id']}")
    ours = written.get("execution_arn") == arn
    if ours and (result == "failed" or ledger.lock(environment).get("run_id") != arn):
        # another call did all of it meanwhile: what it found and recorded is how this ended
        ledger.give_lock_back(environment, arn)
        return {
            "environment": environment,
            "outcome": written["result"],
            "error": "Abandoned",
            "cause": written.get("cause", ""),
        }
    if result == "failed" and not done.version and _serves(target, release["digest"]):
        # a rung that ran the image already: nothing was to be released there, and nothing is to be recorded
        ledger.give_lock_back(environment, arn)
        return {"environment": environment, "outcome": "unchanged", "error": "", "cause": ""}
    cause = f"Abandoned: {cause}"
    ledger.record(
        environment,
        release["id"],
        {
            "kind": "promote",
            "version": done.version,
            "previous_version": "" if previous == serving.LATEST else previous,
            "digest": release["digest"],
            "git_commit": release["git_commit"],
            "requested_by": release["requested_by"],
            "input_key": release.get("input_key", ""),
            "hotfix": bool(release.get("hotfix", False)),
            "execution_arn": arn,
            "deployment_id": done.deployment_id,
            "result": result,
            "cause": cause,
            "started_at": held["since"],
            "ended_at": ledger.stamp(time.time()),
        },
    )
    ledger.give_lock_back(environment, arn)
    return {"environment": environment, "outcome": result, "error": "Abandoned", "cause": cause}


def _serves(target: dict[str, Any], digest: str) -> bool:
    return serving.runs(target["function"], target["alias"]) == {"digest": digest, "whole": True}
