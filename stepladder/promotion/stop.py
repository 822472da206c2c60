"""Stop a promotion and roll back what it changed, and redrive one that ended."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from stepladder.aws_lambda import deployments
from stepladder.core import names
from stepladder.core.aws import explain
from stepladder.core.clock import stamp
from stepladder.core.errors import BadInputError
from stepladder.core.process_identity import release_id
from stepladder.core.release_facts import belongs_to
from stepladder.ledger import schema
from stepladder.ledger.schema import HOOK, HookNote
from stepladder.ledger.table import Ledger
from stepladder.promotion import outcome
from stepladder.promotion.contract import CUT_OFF, TargetInput
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.outcome import PromotionOutcome
from stepladder.promotion.subject import check_mark
from stepladder.promotion.subjects import promoted
from stepladder.promotion.watch import watch
from stepladder.releases.rung import Rung

_STOPPED = "Stopped"
_AT_ONCE = 8  # targets whose deployment is stopped at once


def stop(machine: StateMachine, execution: Execution, why: str) -> tuple[Execution, PromotionOutcome]:
    """Stop a promotion; every target then serves what it did before.

    While CodeDeploy shifts, its deployment is stopped. The promotion then rolls back by itself, and is watched to its
    end. Otherwise the execution is stopped, and what it held is recovered. Who stopped it and why is recorded.
    """
    cause = f"stopped by {machine.rung.requested_by}: {why or 'no reason given'}"
    if _stop_deployments(machine, execution, cause):
        return watch(machine, execution)
    machine.sfn.stop_execution(executionArn=execution.arn, error=_STOPPED, cause=cause)
    ended = machine.describe(execution.arn) or execution
    return ended, outcome.recover_cut_off(machine, ended)


def _stop_deployments(machine: StateMachine, execution: Execution, cause: str) -> bool:
    targets = {target["environment"]: target for target in execution.targets}
    clients = {key: machine.at(key) for key in targets}  # made once, before threads share them
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="stop") as pool:
        stopped = pool.map(lambda key: _stop_deployment(clients[key], targets[key], execution, cause), targets)
        return any(list(stopped))


def _stop_deployment(rung: Rung, target: TargetInput, execution: Execution, cause: str) -> bool:
    """Stop the promotion's deployment of a target, if one is under way; return whether there was one."""
    codedeploy, stopped = rung.aws.client("codedeploy"), False
    for deployment in deployments.active(codedeploy, target["application"], target["deployment_group"]):
        info = codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]
        if belongs_to(info.get("description", ""), execution.input["release_id"]):
            _record_reason(rung.ledger, deployment, cause)
            if deployments.stop(codedeploy, deployment):
                stopped = True
            else:
                _delete_record_reason(rung.ledger, deployment)
    return stopped


def _record_reason(ledger: Ledger, deployment: str, cause: str) -> None:
    """Record why a deployment is stopped, for the rollback function. A reason that a check has written before stays.

    StopDeployment itself takes no reason. An error of AWS is ignored: stopping matters more.
    """
    note = HookNote(why=cause, error=_STOPPED, at=stamp(ledger.clock.now()))
    try:
        ledger.client.put_item(
            TableName=ledger.table,
            Item=schema.item(HOOK.key(deployment=deployment), note),
            ConditionExpression="attribute_not_exists(pk)",
        )
    except Exception as error:
        if explain(error) is None:
            raise


def _delete_record_reason(ledger: Ledger, deployment: str) -> None:
    """Delete the reason of a deployment that had ended before it could be stopped: its own cause stands."""
    try:
        ledger.client.delete_item(
            TableName=ledger.table,
            Key=HOOK.key(deployment=deployment),
            ConditionExpression="#error = :stopped",
            ExpressionAttributeNames={"#error": "error"},
            ExpressionAttributeValues={":stopped": {"S": _STOPPED}},
        )
    except Exception as error:
        if explain(error) is None:
            raise


def may_resume(machine: StateMachine, execution: Execution) -> bool:
    """Return whether a promotion that ended can go on where it was cut off; else it starts from the beginning.

    Raises `RefusedError` when it would start with a digest that was marked bad since, and `BadInputError` for a
    promotion that is under way or has succeeded.
    """
    if execution.is_running or execution.status == "SUCCEEDED":
        raise BadInputError(
            f"promotion {execution.name} {'is under way' if execution.is_running else 'has succeeded'}",
            kind="no-promotion",
            hint="`inv promote.watch` shows it",
        )
    if execution.status in CUT_OFF and _holds_locks(machine, execution):
        return True
    if not execution.input["force"]:
        for digest in dict.fromkeys(promoted(execution.input).values()):
            for rung in machine.representatives:
                check_mark(rung, digest)
    return False


def resume(machine: StateMachine, execution: Execution) -> Execution:
    """Resume a promotion where it was cut off, with the definition and the functions that it began with."""
    machine.sfn.redrive_execution(executionArn=execution.arn)
    return machine.describe(execution.arn) or execution


def restart(machine: StateMachine, execution: Execution) -> Execution:
    """Start a promotion that ended from the beginning: a new execution of the same digest under a new release id.

    One that failed stands on a Fail state, which Step Functions' own redrive would only fail again.
    """
    new_id = release_id(machine.rung.clock.now(), machine.newest_release())
    again = execution.input.copy()
    again["release_id"], again["requested_by"] = new_id, machine.rung.requested_by
    again.setdefault("untested", "")  # inputs of an older stepladder lack it
    base, _, attempt = execution.name.rpartition("-")
    existing = {other["name"] for other in machine.executions()}
    number = int(attempt) + 1 if attempt.isdigit() else 1
    while f"{base}-{number}" in existing:
        number += 1
    answer = machine.sfn.start_execution(
        stateMachineArn=f"{machine.arn}:{names.ALIAS}",
        name=f"{base}-{number}",
        input=json.dumps(again, sort_keys=True),
    )
    return machine.describe(answer["executionArn"]) or execution


def _holds_locks(machine: StateMachine, execution: Execution) -> bool:
    """Return whether the execution still holds its locks: then it was not recovered yet, and can go on."""
    # those of other locations are held by child executions
    keys = [target["environment"] for target in execution.targets if "place" not in target]
    holders = [snapshot.lock for snapshot in machine.rung.ledger.snapshots(keys).values()]
    return any(holder and holder.run_id == execution.arn for holder in holders)
