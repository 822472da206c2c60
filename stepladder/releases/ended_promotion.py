"""Recover what a promotion that has ended still holds locked: the pipeline's rollback function does it, for anybody.

A promotion gives its locks back itself. When that failed, or it was cut off, its lock would stand until its lease runs
out, hours later. An execution that has ended is provably dead, so its lock may be taken as soon as the rollback
function has restored what it left, and recorded it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from stepladder.core.aws import Aws, error_code
from stepladder.core.clock import Clock, never_began, retrying
from stepladder.core.release_facts import RUNNING
from stepladder.ledger.schema import Holder

PATIENCE = 900.0
_AGAIN = ("StillRollingBackError", "TransientError")
_BRIEF = 20.0  # seconds; a lock that nobody can give back now is a lease that runs out
_RUNS = 300.0  # seconds, the rollback function's timeout in terraform/modules/delivery


@dataclass(frozen=True)
class Recovered:
    """What the rollback function said: each target's outcome; or the `error` and `cause` that it ended with."""

    targets: tuple[dict[str, str], ...] = ()
    error: str = ""
    cause: str = ""


def recover(aws: Aws, function: str, execution_arn: str, clock: Clock, *, patience: float = PATIENCE) -> Recovered:
    """Have the rollback function recover an execution that has ended; any number of times, by anybody."""
    client = aws.client("lambda", lasting=_RUNS)  # sent once: a slow recovery must not run beside itself
    payload = json.dumps({"action": "settle", "execution_arn": execution_arn}).encode()
    error = cause = ""
    for _ in clock.polls(patience):
        answer = retrying(
            lambda: client.invoke(FunctionName=function, Payload=payload), clock, timeout=60, passes=never_began
        )
        body = json.loads(answer["Payload"].read() or b"null")
        if not answer.get("FunctionError"):
            if body["settled"]:
                return Recovered(tuple(body["settled"]))
            # DescribeExecution is eventually consistent: there the execution is running still, and nothing was done
            error, cause = "StillRollingBackError", "the execution does not end"
            continue
        error, cause = str(body.get("errorType", "")), str(body.get("errorMessage", ""))
        if error not in _AGAIN:
            break
    return Recovered(error=error, cause=cause)


def has_ended(aws: Aws, holder: Holder) -> bool:
    """Say whether a lock's holder is an execution of Step Functions that has ended."""
    if ":execution:" not in holder.run_id:
        return False
    execution: dict[str, Any] = aws.client("stepfunctions").describe_execution(executionArn=holder.run_id)
    return str(execution["status"]) not in RUNNING


def free(aws: Aws, function: str, holder: Holder, clock: Clock) -> bool:
    """Recover an ended promotion that holds a lock; say whether its lock may be tried for again.

    What can't be found out, or isn't allowed, leaves the lock as it is: its lease runs out.
    """
    try:
        return has_ended(aws, holder) and not recover(aws, function, holder.run_id, clock, patience=_BRIEF).error
    except Exception as error:
        if not error_code(error):
            raise
        return False
