"""Validate: may this digest be released on this target? The first state of a promotion; its gates are in `gates`.

It records the version that the alias serves, which is what a rollback returns to, and takes the environment's lock.
How the rungs are ordered comes from this function's own environment, which Terraform sets: an execution's input can't
skip a rung.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import change
import gates
import rung_gates
import unwritten
import waiters
from shared import aws, deployments, ladder, ledger, relay_client, serving
from shared.aws import explained
from shared.errors import LockedError, RefusedError

from stepladder.core.names import flags_of
from stepladder.core.release_facts import LATEST, NOT_FOUND, description
from stepladder.ledger import schema
from stepladder.ledger.schema import PIPELINE_HOST, Holder
from stepladder.promotion.contract import ReleaseInput, TargetInput, release_of
from stepladder.promotion.requests.validate import (
    ActiveRequest,
    ActiveResponse,
    CheckRequest,
    CheckResponse,
    DeployedRequest,
    DeployedResponse,
    PublishRequest,
    PublishResponse,
    TargetFacts,
    UpdatedRequest,
    UpdatedResponse,
    UpdateRequest,
    UpdateResponse,
    ValidateRequest,
)

ValidateFunctionRequest = (
    ActiveRequest | CheckRequest | DeployedRequest | PublishRequest | UpdatedRequest | UpdateRequest | ValidateRequest
)
ValidateFunctionResponse = (
    ActiveResponse | CheckResponse | DeployedResponse | PublishResponse | TargetFacts | UpdatedResponse | UpdateResponse
)


@explained
def handler(event: ValidateFunctionRequest, _context: object) -> ValidateFunctionResponse:
    """Answer `validate` (one target, which is locked) or `check` (all targets of a rung, nothing is locked).

    `update` and `publish` change the function (see `change`). `updated`, `active` and `deployed` wait (see `waiters`).
    Raises `RefusedError` with the reason, or an error that the definition retries when a second request may help.
    """
    return ACTIONS[event["action"]](event)


def check_rung(request: CheckRequest) -> CheckResponse:
    """Check all targets of a rung, each in its own location."""
    now = _time(request.get("now"))
    checked = [_check_anywhere(request["release"], target, now) for target in request["targets"]]
    return {"unchanged": all(target["unchanged"] for target in checked)}


def validate(request: ValidateRequest) -> TargetFacts:
    """Lock a target and check it; one that is refused is unlocked again."""
    release, target, execution_arn = request["release"], request["target"], request["execution_arn"]
    _lower_rung(target)
    alias = _alias(target)
    unwritten.write_down(target, alias)
    _lock(release, target, execution_arn, alias.version)
    try:
        facts = check(release, target, _time(request.get("now")))
    except RefusedError:
        ledger.give_lock_back(target["environment"], execution_arn)
        raise
    if facts["previous_version"] != alias.version:  # it moved while the lock was taken; the lock must name the new one
        _lock(release, target, execution_arn, facts["previous_version"])
    return facts


def _time(entered: str | None) -> float:
    """Return in seconds when the state was entered, by the clock of the cloud that it runs in."""
    return datetime.fromisoformat(entered).timestamp() if entered else time.time()


def _check_anywhere(release: ReleaseInput, target: TargetInput, now: float) -> TargetFacts | CheckResponse:
    """Check a target, or have it checked by the validate of its location."""
    rung = ladder.find(target["environment"])
    own = release_of(release, target)
    return relay_client.check(own, target) if rung and rung.get("elsewhere") else check(own, target, now)


def check(release: ReleaseInput, target: TargetInput, now: float | None = None) -> TargetFacts:
    """Run every check of one target and return what is known of it then."""
    lower = _lower_rung(target)
    for first in gates.FIRST:
        first(release)
    alias = _settled_alias(target)
    latest = aws.client("lambda").get_function_configuration(FunctionName=target["function"])
    candidate = gates.Candidate(release, target, latest, lower)
    for gate in gates.ALWAYS:
        gate(candidate)
    digest, served = serving.version(target["function"], alias.version)
    is_first = alias.version == LATEST  # Terraform may have made the function of this image: not released yet
    same_image = digest == release["digest"] and not is_first
    unchanged = same_image and serving.configuration(latest) == serving.configuration(served)
    if not unchanged:
        change_of_version = gates.Change(
            release, target, latest, lower, served, is_first, time.time() if now is None else now
        )
        for last in (*rung_gates.CHANGED, *gates.CHANGED):
            last(change_of_version)
    return {
        "configuration": serving.configuration(latest),
        "previous_version": alias.version,
        "replaces": "" if is_first else alias.version,
        "unchanged": unchanged,
        "same_image": same_image,
        "description": description(release["id"], release["git_commit"], release["digest"]),
    }


def _lower_rung(target: TargetInput) -> dict[str, ladder.LadderRung]:
    """Return the targets of the rung below; refuse a target that isn't where Terraform says."""
    rung = ladder.find(target["environment"])
    if rung is None or rung["function"] != target["function"] or rung["alias"] != target["alias"]:
        raise RefusedError(f"{target['environment']} ({target['function']}) is no rung of this ladder")
    return ladder.lower(rung)


def _lock(release: ReleaseInput, target: TargetInput, execution_arn: str, version: str) -> None:
    now = int(time.time())
    holder = ledger.take_lock(
        target["environment"],
        Holder(
            owner=release["requested_by"],
            host=PIPELINE_HOST,
            boot_id="",
            pid=0,
            run_id=execution_arn,
            command=f"promote {release['id']}",
            since=ledger.stamp(now),
            expires=now + int(target["lock_seconds"]),
            previous_version=version,
        ),
    )
    if holder:
        raise LockedError(
            f"{target['environment']} is locked by {holder.owner} since {holder.since}, for: {holder.work}"
        )


def _settled_alias(target: TargetInput) -> serving.ServedAlias:
    """Return the alias; refuse while anything moves it."""
    name = f"alias {target['alias']} of {target['function']}"
    for deployment in deployments.active(target["application"], target["deployment_group"]):
        raise RefusedError(f"deployment {deployment.id} is under way on {name}")
    alias = _alias(target)
    if alias.weights:
        raise RefusedError(f"{name} is weighted, with no deployment under way: it serves {alias}")
    if alias.version == LATEST:
        _check_never_released(target)
    return alias


def _alias(target: TargetInput) -> serving.ServedAlias:
    """Return the alias; refuse a rung whose service was never made."""
    try:
        return serving.alias(target["function"], target["alias"])
    except Exception as error:
        if aws.code(error) != NOT_FOUND:
            raise
        environment = target["environment"]
        raise RefusedError(
            f"{environment} has no service yet: there is no alias {target['alias']} of {target['function']}; "
            "`inv promote` creates it"
        ) from error


def _check_never_released(target: TargetInput) -> None:
    """Refuse a released alias that was put on $LATEST: giving $LATEST a new image would serve it untested.

    Before the first release it is there by Terraform's hand, and again when the function was recreated: then the
    version that the ledger calls current isn't there, or is another image.
    """
    environment = target["environment"]
    current = ledger.read(schema.CURRENT, environment=environment)
    if not current:
        return
    try:
        digest, _ = serving.version(target["function"], current.version)
    except Exception as error:
        if aws.code(error) != NOT_FOUND:
            raise
        return
    if digest == current.digest:
        raise RefusedError(
            f"alias {target['alias']} of {target['function']} was put on $LATEST, where an untested image would get "
            f"traffic at once; return to the release before: `inv rollback {flags_of(environment)} --to "
            f"{current.release_id}`"
        )


ACTIONS: dict[str, Callable[[Any], ValidateFunctionResponse]] = {
    "active": waiters.active,
    "check": check_rung,
    "deployed": waiters.deployed,
    "publish": change.publish,
    "update": change.update,
    "updated": waiters.updated,
    "validate": validate,
}
