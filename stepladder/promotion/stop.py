"""Stop a climb without leaving anything behind, and take up one that was cut off."""

from __future__ import annotations

import json

from stepladder.aws_lambda import deployments
from stepladder.core import names
from stepladder.core.aws import explain
from stepladder.core.clock import stamp
from stepladder.core.errors import BadInputError
from stepladder.core.process_identity import release_id
from stepladder.ledger import schema
from stepladder.ledger.schema import HOOK, HookNote
from stepladder.ledger.table import Ledger
from stepladder.promotion import outcome, start
from stepladder.promotion.executions import Desk, Execution
from stepladder.promotion.outcome import Verdict
from stepladder.promotion.watch import watch

_STOPPED = "Stopped"
_CUT_OFF = ("ABORTED", "TIMED_OUT")


def stop(desk: Desk, execution: Execution, why: str) -> tuple[Execution, Verdict]:
    """Stop a climb and leave every target where it began.

    While CodeDeploy shifts, its deployment is stopped and the climb rolls back by itself, which is watched to its end.
    Before that the execution is stopped, and what it held is put in order. Who stopped it and why is kept either way.
    """
    cause = f"stopped by {desk.rung.requested_by}: {why or 'no reason given'}"
    if _stop_deployments(desk, execution, cause):
        return watch(desk, execution)
    desk.sfn.stop_execution(executionArn=execution.arn, error=_STOPPED, cause=cause)
    ended = desk.describe(execution.arn) or execution
    return ended, outcome.settle(desk, ended)


def _stop_deployments(desk: Desk, execution: Execution, cause: str) -> bool:
    ours = f"rel={execution.input['release_id']} "
    stopped = False
    for target in execution.targets:
        codedeploy = desk.at(target["environment"]).aws.client("codedeploy")
        for deployment in deployments.active(codedeploy, target["application"], target["deployment_group"]):
            info = codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]
            if info.get("description", "").startswith(ours):
                ledger = desk.at(target["environment"]).ledger
                _note(ledger, deployment, cause)
                if deployments.stop(codedeploy, deployment):
                    stopped = True
                else:
                    _forget(ledger, deployment)
    return stopped


def _note(ledger: Ledger, deployment: str, cause: str) -> None:
    """Note why a deployment is stopped, where the rollback function looks for it, unless a check has said no before.

    StopDeployment takes no reason. That it can't be noted keeps nobody from stopping.
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


def _forget(ledger: Ledger, deployment: str) -> None:
    """Take back that a deployment was stopped which had ended by itself: why it failed, if it did, is its own word."""
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


def redrive(desk: Desk, execution: Execution) -> Execution:
    """Take up a climb that ended: where it was cut off if nothing was put in order yet, else from the beginning.

    A climb that ended by itself stands on a Fail state, which a redrive would only fail again; so it gets a new
    execution of the same digest under a new release id; unless that digest was marked bad since, because it failed.
    """
    if execution.is_running or execution.status == "SUCCEEDED":
        raise BadInputError(
            f"promotion {execution.name} {'is under way' if execution.is_running else 'has succeeded'}",
            kind="no-promotion",
            hint="`inv promote.watch` shows it",
        )
    if execution.status in _CUT_OFF and _holds_locks(desk, execution):
        desk.sfn.redrive_execution(executionArn=execution.arn)
        return desk.describe(execution.arn) or execution
    if not execution.input["force"]:
        for place in desk.places:
            start.check_mark(place, execution.input["digest"])
    new_id = release_id(desk.rung.clock.now(), desk.newest_release())
    again = execution.input.copy()
    again["release_id"], again["requested_by"] = new_id, desk.rung.requested_by
    again.setdefault("untested", "")  # inputs of an older stepladder lack it
    base, _, attempt = execution.name.rpartition("-")
    taken = {found["name"] for found in desk.executions()}
    number = int(attempt) + 1 if attempt.isdigit() else 1
    while f"{base}-{number}" in taken:
        number += 1
    answer = desk.sfn.start_execution(
        stateMachineArn=f"{desk.machine}:{names.ALIAS}",
        name=f"{base}-{number}",
        input=json.dumps(again, sort_keys=True),
    )
    return desk.describe(answer["executionArn"]) or execution


def _holds_locks(desk: Desk, execution: Execution) -> bool:
    """Say whether the execution still holds what it locked: nobody has put it in order, so it can go on."""
    here = [target for target in execution.targets if "place" not in target]  # elsewhere their own climbs hold them
    holders = [desk.rung.ledger.snapshot(target["environment"]).lock for target in here]
    return any(holder and holder.run_id == execution.arn for holder in holders)
