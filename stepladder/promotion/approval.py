"""Answer a promotion that waits for a person: read the task token, write who and why, send it."""

from __future__ import annotations

import json
from typing import Any

from stepladder.core.aws import error_code
from stepladder.core.clock import retrying, stamp
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.similar import did_you_mean
from stepladder.ledger import schema
from stepladder.ledger.schema import APPROVAL, Approval
from stepladder.ledger.table import CONDITION_FAILED
from stepladder.promotion.executions import Desk, Execution

_GONE = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")
_PATIENCE = 30.0  # seconds that an answer is sent again while Step Functions throttles or fails
APPROVED, REJECTED = "approved", "rejected"


def questions(desk: Desk, execution: Execution) -> list[Approval]:
    """Return what an execution has asked, newest last."""
    ledger = desk.rung.ledger
    answer = ledger.client.query(
        TableName=ledger.table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
        ExpressionAttributeValues={":pk": {"S": f"climb#{execution.name}"}, ":prefix": {"S": "approval#"}},
        ConsistentRead=True,
    )
    asked = [found for raw in answer["Items"] if (found := schema.record(Approval, raw))]
    return sorted(asked, key=lambda question: question.asked_at)


def decide(desk: Desk, execution: Execution, rung: str, why: str, *, approve: bool) -> Approval:
    """Approve or reject, and return the question as it was decided. The decision is recorded first, then sent.

    Between the two anything may fail or be killed; so the same decision may be given again, by anybody, and is sent
    again as it was recorded. Raises `BadInputError` when nothing was asked, `RefusedError` when the other answer was
    given before or the promotion no longer waits.
    """
    all_asked = questions(desk, execution)
    asked = [question for question in all_asked if not rung or question.rung == rung]
    if not asked:
        known = [question.rung for question in all_asked] or desk.rung.settings.ladder_environments
        raise BadInputError(
            f"promotion {execution.name} waits for no approval{f' of {rung}' if rung else ''}",
            kind="approval",
            hint=(rung not in known and did_you_mean(rung, known)) or "`inv promote.watch` shows where it is",
        )
    wanted = APPROVED if approve else REJECTED
    question = next((q for q in reversed(asked) if not q.decision), asked[-1])
    is_new = not question.decision and _record(desk, execution, question, wanted, why)
    now = _read(desk, execution, question)
    if now is None or not now.decision:
        raise RefusedError(
            f"the question of {question.rung} was asked anew while it was answered",
            kind="approval",
            hint="run the same command again",
        )
    if now.decision != wanted:
        raise RefusedError(
            f"{question.rung} was {now.decision} by {now.decided_by} before: {now.why or 'no reason given'}",
            kind="approval",
            hint="`inv promote.watch` shows where the promotion is",
        )
    sent = 0

    def send() -> None:
        nonlocal sent
        sent += 1
        _send(desk, now)

    try:
        retrying(send, desk.rung.clock, timeout=_PATIENCE)
    except Exception as error:
        if error_code(error) not in _GONE:
            raise
        if is_new and sent + _repeats(error) == 1:  # sent again, the token may be gone because the first one counted
            raise RefusedError(
                f"promotion {execution.name} no longer waits: the question was withdrawn or its time was up",
                kind="approval",
                hint="`inv promote.watch` shows how it went on; `inv promote` starts a new promotion",
            ) from error
    return now


def _send(desk: Desk, question: Approval) -> None:
    """Tell Step Functions what was decided."""
    if question.decision == APPROVED:
        output = json.dumps({"by": question.decided_by, "why": question.why})
        desk.sfn.send_task_success(taskToken=question.token, output=output)
    else:
        cause = f"rejected by {question.decided_by}: {question.why or 'no reason given'}"
        desk.sfn.send_task_failure(taskToken=question.token, error="ApprovalRejected", cause=cause)


def _repeats(error: Exception) -> int:
    """Return how often botocore had sent the request by itself before it got this answer."""
    response: dict[str, Any] = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def _read(desk: Desk, execution: Execution, question: Approval) -> Approval | None:
    """Read a question again, as it stands after a decision."""
    ledger = desk.rung.ledger
    key = APPROVAL.key(execution=execution.name, rung=question.rung)
    answer = ledger.client.get_item(TableName=ledger.table, Key=key, ConsistentRead=True)
    return schema.record(Approval, answer.get("Item"))


def _record(desk: Desk, execution: Execution, question: Approval, decision: str, why: str) -> bool:
    """Write a decision down unless there is one; say whether it is ours."""
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
            Key=APPROVAL.key(execution=execution.name, rung=question.rung),
            UpdateExpression="SET decision = :decision, decided_by = :by, why = :why, decided_at = :at",
            ConditionExpression="attribute_not_exists(decision) AND #token = :token",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues=values,
        )
    except Exception as error:
        if error_code(error) != CONDITION_FAILED:
            raise
        return False
    return True
