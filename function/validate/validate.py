"""Validate: may this digest be released on this target? The first state of the climb, and its gate.

It captures the version that the alias serves, which is what a rollback returns to, and takes the environment's lock.
Where the rungs stand to each other comes from this function's own environment, which Terraform sets: an execution's
input can't skip a rung.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import change
import image
import waiting
from shared import aws, below, deployments, elsewhere, ledger, serving
from shared.aws import explained
from shared.errors import LockedError, RefusedError, TransientError

STEPS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "active": waiting.active,
    "deployed": waiting.deployed,
    "publish": change.publish,
    "update": change.update,
    "updated": waiting.updated,
}


@explained
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer `validate` (one target, with the lock) or `check` (all targets of a rung, nothing taken).

    `update` and `publish` change the function (see `change`). `updated`, `active` and `deployed` wait (see `waiting`).
    Raises `RefusedError` with the reason, or an error that
    the definition retries when asking again may help.
    """
    if event["action"] in STEPS:
        return STEPS[event["action"]](event)
    release = event["release"]
    if event["action"] == "check":
        found = [_anywhere(release, target) for target in event["targets"]]
        return {"unchanged": all(facts["unchanged"] for facts in found)}
    target, execution = event["target"], event["execution_arn"]
    _place(target)
    alias = _alias(target)
    _lock(release, target, execution, alias.version)
    try:
        facts = check(release, target)
    except RefusedError:
        ledger.give_lock_back(target["environment"], execution)
        raise
    if facts["previous_version"] != alias.version:  # it moved while the lock was taken; the lock must tell where to
        _lock(release, target, execution, facts["previous_version"])
    return facts


def _anywhere(release: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    """Check a target, or have it checked by the validate of the place where it is."""
    ladder = json.loads(os.environ["LADDER"])
    if not ladder.get(target["environment"], {}).get("elsewhere"):
        return check(release, target)
    return elsewhere.ask("check", release=release, target=target)


def check(release: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    """Run every check of one target and return what is known of it then."""
    lower = _place(target)
    _check_mark(release)
    alias = _quiet(target)
    latest = aws.client("lambda").get_function_configuration(FunctionName=target["function"])
    image.check(os.environ["REPOSITORY"], release["digest"], latest["Architectures"][0], os.environ["SCAN_THRESHOLD"])
    for rung in lower:
        _check_below(rung, release["digest"])
    digest, served = serving.version(target["function"], alias.version)
    is_first = alias.version == serving.LATEST  # Terraform may have made the function of this image: not released yet
    same_image = digest == release["digest"] and not is_first
    unchanged = same_image and serving.configuration(latest) == serving.configuration(served)
    if not unchanged:
        _check_deployable(target, latest, served)
        _check_applied(target, latest)
        if not release["hotfix"] and not is_first:
            _check_weighable(target)
    short = release["digest"].removeprefix("sha256:")[:12]
    return {
        "configuration": serving.configuration(latest),
        "previous_version": alias.version,
        "replaces": "" if is_first else alias.version,
        "unchanged": unchanged,
        "same_image": same_image,
        "description": f"rel={release['id']} git={release['git_commit']} img={short}",
    }


def _place(target: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the targets of the rung below; refuse a target that isn't where Terraform says."""
    ladder = json.loads(os.environ["LADDER"])
    known = ladder.get(target["environment"])
    if known is None or known["function"] != target["function"] or known["alias"] != target["alias"]:
        raise RefusedError(f"{target['environment']} ({target['function']}) is no rung of this ladder")
    return [ladder[name] | {"environment": name} for name in known["below"]]


def _lock(release: dict[str, Any], target: dict[str, Any], execution: str, version: str) -> None:
    holder = ledger.take_lock(
        target["environment"],
        execution,
        {
            "owner": release["requested_by"],
            "host": "Step Functions",
            "boot_id": "",
            "pid": 0,
            "command": f"promote {release['id']}",
            "previous_version": version,
        },
        int(target["lock_seconds"]),
    )
    if holder:
        raise LockedError(
            f"{target['environment']} is locked by {holder['owner']} since {holder['since']}, for: {holder['command']}"
        )


def _check_mark(release: dict[str, Any]) -> None:
    bad = ledger.get(f"digest#{release['digest']}", "bad")
    if bad and not release["force"]:
        raise RefusedError(
            f"{release['digest']} was marked bad by {bad.get('by')} at {bad.get('marked_at')}: {bad.get('why')}"
        )


def _quiet(target: dict[str, Any]) -> serving.Alias:
    """Return the alias; refuse while anything moves it."""
    name = f"alias {target['alias']} of {target['function']}"
    for deployment in deployments.active(target["application"], target["deployment_group"]):
        raise RefusedError(f"deployment {deployment.id} is under way on {name}")
    alias = _alias(target)
    if alias.weights:
        raise RefusedError(f"{name} is weighted, with no deployment under way: it serves {alias}")
    if alias.version == serving.LATEST:
        _check_never_released(target)
    return alias


def _alias(target: dict[str, Any]) -> serving.Alias:
    """Return the alias; refuse a rung whose service was never made."""
    try:
        return serving.alias(target["function"], target["alias"])
    except Exception as error:
        if aws.code(error) != serving.NOT_FOUND:
            raise
        environment = target["environment"]
        raise RefusedError(
            f"{environment} has no service yet: there is no alias {target['alias']} of {target['function']}; "
            "`inv promote` creates it"
        ) from error


def _check_never_released(target: dict[str, Any]) -> None:
    """Refuse a released alias that was put on $LATEST: giving $LATEST a new image would serve it untested.

    Before the first release it is there by Terraform's hand, and again when the function was made anew: then the
    version that the ledger calls current isn't there, or is another image.
    """
    environment = target["environment"]
    current = ledger.get(f"env#{environment}", "current")
    if not current:
        return
    try:
        digest, _ = serving.version(target["function"], current["version"])
    except Exception as error:
        if aws.code(error) != serving.NOT_FOUND:
            raise
        return
    if digest == current["digest"]:
        raise RefusedError(
            f"alias {target['alias']} of {target['function']} was put on $LATEST, where an untested image would get "
            f"traffic at once; return to the release before: `inv rollback --env {environment} --to "
            f"{current['release_id']}`"
        )


def _check_below(rung: dict[str, Any], digest: str) -> None:
    name = rung["environment"]
    away = rung.get("elsewhere")
    served = (
        elsewhere.ask("runs", target={"environment": name}) if away else serving.runs(rung["function"], rung["alias"])
    )
    below.check(name, served, digest)


def _check_deployable(target: dict[str, Any], latest: dict[str, Any], served: dict[str, Any]) -> None:
    """Check what Lambda asks of two versions under one alias, before it says so in other words."""
    function = target["function"]
    if latest.get("LastUpdateStatus") == "InProgress":
        raise TransientError(f"{function} is being updated by somebody else")
    if latest.get("PackageType") != "Image":
        raise RefusedError(f"{function} is no image function")
    if latest["Role"] != served["Role"]:
        raise RefusedError(f"the execution role of {function} has changed: an alias can't weigh versions of two roles")
    if (latest.get("DeadLetterConfig") or {}) != (served.get("DeadLetterConfig") or {}):
        raise RefusedError(f"the dead-letter queue of {function} has changed: an alias can't weigh such versions")


def _check_applied(target: dict[str, Any], latest: dict[str, Any]) -> None:
    """Refuse to publish a configuration that somebody changed by hand since Terraform applied it."""
    name = target["environment"]
    applied = ledger.get(f"env#{name}", "infra").get("config_hash", "")
    if applied and applied != serving.configuration(latest):
        raise RefusedError(
            f"the configuration of {target['function']} was changed by hand, and a release would publish that "
            f"(`inv status` names it); set it back: `inv tf.plan --env {name}`, `inv tf.apply --env {name}`"
        )


def _check_weighable(target: dict[str, Any]) -> None:
    """Refuse to shift gradually onto an alias with provisioned concurrency: Lambda may refuse to weigh it.

    "Alias with weights can not be used with Provisioned Concurrency" would strand the deployment
    (https://github.com/aws/serverless-application-model/issues/1296, https://github.com/hashicorp/terraform/issues/24957).
    """
    if target["deployment_config"].endswith("AllAtOnce"):
        return
    function, alias = target["function"], target["alias"]
    try:
        aws.client("lambda").get_provisioned_concurrency_config(FunctionName=function, Qualifier=alias)
    except Exception as error:
        if aws.code(error) != "ProvisionedConcurrencyConfigNotFoundException":
            raise
        return
    raise RefusedError(
        f"alias {alias} of {function} has provisioned concurrency, which may keep Lambda from shifting its traffic "
        f"gradually: set promotion.rungs.{target['environment']}.deployment to AllAtOnce, or take it away for the shift"
    )
