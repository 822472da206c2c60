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
    }
    targets = [target for rung in told["rungs"] for target in rung["targets"]]
    cause = f"the execution ended {found['status']}: {found.get('error') or 'stopped from outside'}"
    return settle(arn, release, targets, cause, patience, unwritten="untouched")


def settle(
    arn: str,
    release: dict[str, Any],
    targets: list[dict[str, Any]],
    cause: str,
    patience: float,
    unwritten: str = "failed",
) -> dict[str, Any]:
    """Settle some targets. A target is unfinished while the execution holds its lock; a finished one has its entry.

    `unwritten` is the outcome of one that has neither: the climb never came to it, or to nothing on it. A target in
    another place has a climb of its own there, which is ended; a place that doesn't answer keeps no other one waiting.
    """
    away = {target["environment"]: target for target in targets if "place" in target}
    here = [target for target in targets if target["environment"] not in away]
    if away:
        elsewhere.client()  # made once, before threads share it
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="away") as pool:
        asked = {name: pool.submit(_away, arn, target, cause, unwritten) for name, target in away.items()}
        found = {target["environment"]: _finished(arn, release["id"], target, unwritten) for target in here}
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


def _finished(arn: str, release_id: str, target: dict[str, Any], unwritten: str) -> dict[str, Any] | None:
    """Return the outcome of a target that needs nothing; None for one that does."""
    environment = target["environment"]
    entry = ledger.get(f"env#{environment}", f"release#{release_id}")
    written = entry if entry.get("execution_arn") == arn else {}
    if ledger.lock(environment).get("run_id") == arn:
        if written.get("result") != "succeeded":
            return None
        ledger.give_lock_back(environment, arn)
    cause = written.get("cause", "")
    return {"environment": environment, "outcome": written.get("result", unwritten), "error": "", "cause": cause}


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
        result = "rolled_back" if done.moved else "failed"
    except RollbackFailedError as error:
        result, cause = "rollback_failed", str(error)
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
