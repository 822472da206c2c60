"""Approve or reject a promotion that waits for it: record who decided and why, then send the decision."""

from __future__ import annotations

import json
from typing import Any

from stepladder.core.aws import error_code
from stepladder.core.clock import retrying, stamp
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError
from stepladder.core.similar import did_you_mean
from stepladder.ledger import schema
from stepladder.ledger.items import CONDITION_FAILED
from stepladder.ledger.schema import APPROVAL, Approval
from stepladder.promotion.executions import Execution, StateMachine

_GONE = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")
_PATIENCE = 30.0  # seconds for which a decision is sent again while Step Functions throttles or fails
_LONGEST_JOB = 6 * 3600.0  # seconds for which a request is awaited: a hosted runner's longest job
APPROVED, REJECTED = "approved", "rejected"
_CANARY = ":canary"  # ends the name of a canary's question


def requests(machine: StateMachine, execution: Execution) -> list[Approval]:
    """Return the requests for approval of an execution, newest last."""
    ledger = machine.rung.ledger
    answer = ledger.client.query(
        TableName=ledger.table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
        ExpressionAttributeValues={":pk": {"S": f"climb#{execution.name}"}, ":prefix": {"S": "approval#"}},
        ConsistentRead=True,
    )
    approvals = [approval for raw in answer["Items"] if (approval := schema.record(Approval, raw))]
    return sorted(approvals, key=lambda question: question.asked_at)


def await_request(machine: StateMachine, execution: Execution, rung: str) -> bool:
    """Wait until a promotion asks for an approval that nobody gave yet; return False when it ends before.

    Raises `NotReadyError` when neither happened within the time that a CI job may take.
    """
    for _ in machine.rung.clock.polls(_LONGEST_JOB):
        if any(_is_open(each) and _is_of(each, rung) for each in requests(machine, execution)):
            return True
        now = machine.describe(execution.arn)
        if now is None or not now.is_running:
            return False
    raise NotReadyError(
        f"promotion {execution.name} has asked for no approval in {_LONGEST_JOB / 3600:.0f} hours",
        kind="approval",
        hint="`inv promote.watch` shows where it is",
    )


def _is_open(question: Approval) -> bool:
    """Return whether a question waits for an answer. That of a canary has no task token: the promotion polls it."""
    return not question.decision and (bool(question.token) or question.rung.endswith(_CANARY))


def _is_of(question: Approval, rung: str) -> bool:
    """Return whether a question is of a rung, or of a canary on it; an empty one stands for all."""
    return rung in ("", question.rung, question.rung.removesuffix(_CANARY))


def decide(machine: StateMachine, execution: Execution, rung: str, why: str, *, approve: bool) -> Approval:
    """Approve or reject; return the request with its decision. The decision is recorded first, then sent.

    The process may be killed between the two. So the same decision may be given again, by anybody. It is then sent as
    it was recorded. Raises `BadInputError` when no approval was requested, `RefusedError` when the opposite was decided
    before or the promotion no longer waits.
    """
    all_requests = requests(machine, execution)
    requests_of_rung = [question for question in all_requests if _is_of(question, rung)]
    if not requests_of_rung:
        known = [question.rung for question in all_requests] or machine.rung.settings.ladder_environments
        raise BadInputError(
            f"promotion {execution.name} waits for no approval{f' of {rung}' if rung else ''}",
            kind="approval",
            hint=(rung not in known and did_you_mean(rung, known)) or "`inv promote.watch` shows where it is",
        )
    wanted = APPROVED if approve else REJECTED
    question = next((q for q in reversed(requests_of_rung) if not q.decision), requests_of_rung[-1])
    is_new = not question.decision and _record(machine, execution, question, wanted, why)
    now = _read(machine, execution, question)
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
        _send(machine, now)

    try:
        retrying(send, machine.rung.clock, timeout=_PATIENCE)
    except Exception as error:
        if error_code(error) not in _GONE:
            raise
        if (
            is_new and sent + _repeats(error) == 1
        ):  # after a repeat, the token may be gone because the first one arrived
            raise RefusedError(
                f"promotion {execution.name} no longer waits: the question was withdrawn or its time was up",
                kind="approval",
                hint="`inv promote.watch` shows how it went on; `inv promote` starts a new promotion",
            ) from error
    return now


def _send(machine: StateMachine, question: Approval) -> None:
    """Send a decision to Step Functions. A canary's is read in the ledger at its next poll, so nothing is sent."""
    if question.rung.endswith(_CANARY):
        return
    if question.decision == APPROVED:
        output = json.dumps({"by": question.decided_by, "why": question.why})
        machine.sfn.send_task_success(taskToken=question.token, output=output)
    else:
        cause = f"rejected by {question.decided_by}: {question.why or 'no reason given'}"
        machine.sfn.send_task_failure(taskToken=question.token, error="ApprovalRejected", cause=cause)


def _repeats(error: Exception) -> int:
    """Return how many times botocore had repeated the request before this error."""
    response: dict[str, Any] = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def _read(machine: StateMachine, execution: Execution, question: Approval) -> Approval | None:
    """Read a request for approval as it is now; None when it is gone."""
    ledger = machine.rung.ledger
    key = APPROVAL.key(execution=execution.name, rung=question.rung)
    answer = ledger.client.get_item(TableName=ledger.table, Key=key, ConsistentRead=True)
    return schema.record(Approval, answer.get("Item"))


def _record(machine: StateMachine, execution: Execution, question: Approval, decision: str, why: str) -> bool:
    """Record a decision unless there is one; return whether it was recorded."""
    ledger = machine.rung.ledger
    values: dict[str, Any] = {
        ":decision": {"S": decision},
        ":by": {"S": machine.rung.requested_by},
        ":why": {"S": why},
        ":at": {"S": stamp(machine.rung.clock.now())},
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
