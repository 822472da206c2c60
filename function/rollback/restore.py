"""Put one alias back on the version that it served before the promotion."""

from __future__ import annotations

import time
from dataclasses import dataclass

from shared import aws, deployments, ledger, serving
from shared.deployments import AliasDeployment
from shared.errors import NotServedError, RefusedError, RollbackFailedError, SmokeFailedError, StillRollingBackError

from stepladder.core.release_facts import LATEST
from stepladder.ledger import schema
from stepladder.promotion.contract import AliasServes, TargetInput

PRECONDITION = "PreconditionFailedException"
_POLL = 0.25
_GRACE = 10.0  # seconds after a failure within which CodeDeploy makes its rollback deployment
_ATTEMPTS = 5
_ALARM = "ALARM_ACTIVE"  # https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_ErrorInformation.html
_SMOKE_FAILED = SmokeFailedError.__name__  # as verify's hook notes it


@dataclass(frozen=True)
class Restored:
    """What a rollback did.

    `cause` is CodeDeploy's own reason; `version` what the deployment was for; `blames_version` whether it failed for
    what that version did: an alarm, a smoke case of a hook. Nothing else blames it: not AWS, no person who stopped it.
    """

    moved: bool
    deployment_id: str = ""
    version: str = ""
    cause: str = ""
    blames_version: bool = False


def restore(release_id: str, target: TargetInput, previous: str, version: str, patience: float) -> Restored:
    """Put the alias back and say whether traffic had moved.

    Raises `StillRollingBackError` when CodeDeploy isn't done within `patience` seconds (send the request again), and
    `RollbackFailedError` when somebody else moved the alias meanwhile: their choice is left as it is.
    """
    application, group = target["application"], target["deployment_group"]
    for other in deployments.active(application, group):
        if not other.is_rollback and not other.belongs_to(release_id):
            return Restored(moved=False, cause=f"deployment {other.id} of somebody else is under way")
    deployment = deployments.of_release(application, group, release_id)
    version = version or (deployment.target if deployment else "")
    try:
        moved = _restore_alias(deployment, target, previous, version, patience)
    except RollbackFailedError as error:
        error.version, error.deployment_id = version, deployment.id if deployment else ""
        raise
    if not deployment:
        if previous == LATEST or "shift" in target:  # put back before, by a call whose answer was lost
            lock = ledger.lock(target["environment"])
            moved = moved or bool(version and lock and lock.moved_to == version)
        return Restored(moved, version=version)
    cause, blames_version = _judge(deployment)
    return Restored(moved, deployment.id, version, cause, blames_version)


def _restore_alias(
    deployment: AliasDeployment | None, target: TargetInput, previous: str, version: str, patience: float
) -> bool:
    moved = False
    if deployment:
        _check_untouched(deployment, target, {previous, version})
        moved = _end(deployment, target, previous, patience)
    return put_back(target, previous, version) or moved


def release_first(release_id: str, execution: str, target: TargetInput, version: str) -> AliasServes:
    """Move an alias from $LATEST, where Terraform made it, to the first version; only from there, and all at once.

    CodeDeploy can't shift from $LATEST. The lock has the version before the move, and afterwards that it moved, so
    that a promotion which is cut off between can be rolled back. Any number of times.
    """
    environment, function, name = target["environment"], target["function"], target["alias"]
    if not ledger.note(environment, execution, version=version):
        raise RefusedError(f"the lock of {environment} was lost before release {release_id} could go live")
    alias = serving.alias(function, name)
    if alias.serves_only(LATEST):
        try:
            aws.client("lambda").update_alias(
                FunctionName=function, Name=name, FunctionVersion=version, RevisionId=alias.revision
            )
        except Exception as error:
            if aws.code(error) != PRECONDITION:
                raise
        alias = serving.alias(function, name)
    if not alias.serves_only(version):
        raise NotServedError(f"somebody else moved alias {name} of {function} during the promotion: it serves {alias}")
    note_moved(target, execution, LATEST, version)
    return {"serves": str(alias)}


def note_moved(target: TargetInput, execution: str, previous: str, version: str) -> None:
    """Note in the lock that traffic moved. A lock that was lost meanwhile has the move undone: `RefusedError`.

    Whatever recovered the promotion in between had found nothing to restore yet.
    """
    environment = target["environment"]
    if not ledger.note(environment, execution, version=version, moved_to=version):
        put_back(target, previous, version)
        raise RefusedError(f"the lock of {environment} was lost while version {version} got traffic: it was taken back")


def _check_untouched(deployment: AliasDeployment, target: TargetInput, expected: set[str]) -> None:
    """Leave an alias alone that serves any other version, and keep CodeDeploy from moving it on."""
    alias = serving.alias(target["function"], target["alias"])
    if not {alias.version, *alias.weights} - expected:
        return
    if deployment.is_active:
        deployments.stop(deployment.id, undo=False)
    raise RollbackFailedError(
        f"somebody else moved alias {target['alias']} of {target['function']} during the promotion: it serves {alias} "
        "and was left so"
    )


def _end(deployment: AliasDeployment, target: TargetInput, previous: str, patience: float) -> bool:
    """Stop a deployment and wait until it and the one that undoes it have ended; say whether it moved traffic."""
    if deployment.is_active:
        deployments.stop(deployment.id)
    deadline = time.monotonic() + patience
    failed_since = 0.0
    while True:
        now = deployments.get(deployment.id)
        if not now.is_active:
            failed_since = failed_since or time.monotonic()
            if now.rollback:
                if not deployments.get(now.rollback).is_active:
                    return deployments.has_shifted(now)
            elif now.status == "Succeeded" or _is_back(target, previous) or time.monotonic() - failed_since > _GRACE:
                return deployments.has_shifted(now)
        if time.monotonic() >= deadline:
            raise StillRollingBackError(f"deployment {now.rollback or now.id} is still under way")
        time.sleep(_POLL)


def _is_back(target: TargetInput, previous: str) -> bool:
    if deployments.active(target["application"], target["deployment_group"]):
        return False
    return serving.alias(target["function"], target["alias"]).serves_only(previous)


def put_back(target: TargetInput, previous: str, version: str) -> bool:
    """Point the alias at the recorded version, weights cleared; say whether that changed anything."""
    function, name = target["function"], target["alias"]
    for _ in range(_ATTEMPTS):
        alias = serving.alias(function, name)
        if alias.serves_only(previous):
            return False
        if {alias.version, *alias.weights} - {previous, version}:
            raise RollbackFailedError(
                f"somebody else moved alias {name} of {function} during the promotion: it serves {alias} "
                "and was left so"
            )
        try:
            aws.client("lambda").update_alias(
                FunctionName=function,
                Name=name,
                FunctionVersion=previous,
                RevisionId=alias.revision,
                **({"RoutingConfig": {"AdditionalVersionWeights": {}}} if previous != LATEST else {}),
            )
        except Exception as error:
            if aws.code(error) != PRECONDITION:
                raise
            continue
        if serving.alias(function, name).serves_only(previous):
            return True
    raise RollbackFailedError(f"alias {name} of {function} does not stay on version {previous}: somebody moves it")


def _judge(deployment: AliasDeployment) -> tuple[str, bool]:
    """Say why a deployment failed and whether the version is to blame.

    The hook's own sentence counts where it left one, else CodeDeploy's.
    """
    hook = ledger.read(schema.HOOK, deployment=deployment.id)
    if hook:
        return hook.why, hook.error == _SMOKE_FAILED
    ended = deployments.get(deployment.id)
    return ended.why, ended.error == _ALARM
