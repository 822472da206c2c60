"""Answer a climb that waits for a person: find the task token in the ledger, write who and why, tell Step Functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from stepladder.aws import error_code
from stepladder.errors import BadInputError, RefusedError
from stepladder.promotion.desk import Desk, Execution
from stepladder.releases import records
from stepladder.releases.clock import stamp
from stepladder.releases.ledger import CONDITION_FAILED

_GONE = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")


@dataclass(frozen=True)
class Question:
    """A rung that waits. `token` is what Step Functions knows the waiting task by."""

    rung: str
    token: str
    asked_at: str
    requested_by: str
    decision: str = ""
    decided_by: str = ""


def questions(desk: Desk, execution: Execution) -> list[Question]:
    """Return what an execution has asked, newest rung last."""
    ledger = desk.rung.ledger
    answer = ledger.client.query(
        TableName=ledger.table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
        ExpressionAttributeValues={":pk": {"S": f"climb#{execution.name}"}, ":prefix": {"S": "approval#"}},
        ConsistentRead=True,
    )
    return [found for raw in answer["Items"] if (found := records.record(Question, raw))]


def decide(desk: Desk, execution: Execution, rung: str, why: str, *, approve: bool) -> Question:
    """Approve or reject. Raises `BadInputError` when nothing waits, `RefusedError` when it was answered before."""
    asked = [q for q in questions(desk, execution) if not q.decision and (not rung or q.rung == rung)]
    if not asked:
        raise BadInputError(
            f"climb {execution.name} waits for no approval{f' of {rung}' if rung else ''}",
            hint="`inv promote.watch` shows where it is",
        )
    question = asked[-1]
    _record(desk, execution, question, "approved" if approve else "rejected", why)
    who = desk.rung.requested_by
    try:
        if approve:
            desk.sfn.send_task_success(taskToken=question.token, output=json.dumps({"by": who, "why": why}))
        else:
            cause = f"rejected by {who}: {why or 'no reason given'}"
            desk.sfn.send_task_failure(taskToken=question.token, error="ApprovalRejected", cause=cause)
    except Exception as error:
        if error_code(error) not in _GONE:
            raise
        raise RefusedError(
            f"climb {execution.name} no longer waits: the question was withdrawn or its time was up",
            hint="`inv promote` starts a new climb",
        ) from error
    return question


def _record(desk: Desk, execution: Execution, question: Question, decision: str, why: str) -> None:
    ledger = desk.rung.ledger
    values: dict[str, Any] = {
        ":decision": {"S": decision},
        ":by": {"S": desk.rung.requested_by},
        ":why": {"S": why},
        ":at": {"S": stamp(desk.rung.clock.now())},
        ":token": {"S": question.token},
    }
    try:
        ledger.client.update_item(
            TableName=ledger.table,
            Key=records.key(f"climb#{execution.name}", f"approval#{question.rung}"),
            UpdateExpression="SET decision = :decision, decided_by = :by, why = :why, decided_at = :at",
            ConditionExpression="attribute_not_exists(decision) AND #token = :token",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues=values,
        )
    except Exception as error:
        if error_code(error) != CONDITION_FAILED:
            raise
        raise RefusedError(
            f"somebody has answered for {question.rung} already", hint="`inv promote.watch` shows where the climb is"
        ) from error
