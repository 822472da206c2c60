"""The gates of a rung: what must hold of a digest and a target before it is released there.

A gate is a function that raises `RefusedError` with the reason, or an error that the definition retries when a second
request may help. To add one, write it here (or in a module beside this one) and name it in one of the lists at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import attached
import image
from shared import aws, ladder, ledger, lower_rung, relay_client, serving
from shared.errors import RefusedError, TransientError

from stepladder.core.names import split_target
from stepladder.ledger import schema
from stepladder.promotion.contract import ReleaseInput, TargetInput


@dataclass(frozen=True)
class Candidate:
    """A release on a target. `latest`: $LATEST as Lambda describes it. `lower`: the targets of the rung below."""

    release: ReleaseInput
    target: TargetInput
    latest: Mapping[str, Any]
    lower: Mapping[str, ladder.LadderRung]


@dataclass(frozen=True)
class Change(Candidate):
    """A release that changes what the alias serves. `served`: that version. `is_first`: it was never released.

    `now` is when, in seconds since the epoch.
    """

    served: Mapping[str, Any]
    is_first: bool
    now: float


def not_marked_bad(release: ReleaseInput) -> None:
    """Refuse a digest that was marked bad, unless the release is forced."""
    bad = ledger.read(schema.BAD, digest=release["digest"])
    if bad and not release["force"]:
        raise RefusedError(bad.refusal(release["digest"]))


def image_can_run(candidate: Candidate) -> None:
    """Refuse an image that isn't there, that Lambda can't run, or whose scan is over the threshold."""
    digest, architecture = candidate.release["digest"], candidate.latest["Architectures"][0]
    image.check(os.environ["REPOSITORY"], digest, architecture, os.environ["SCAN_THRESHOLD"])


def has_what_is_required(candidate: Candidate) -> None:
    """Refuse an image without the documents that the settings require of what is promoted."""
    attached.check(os.environ["REPOSITORY"], candidate.release["digest"])


def lower_rung_serves_it(candidate: Candidate) -> None:
    """Refuse a digest that a target of the rung below does not serve: the same function, in its environments."""
    for key, rung in candidate.lower.items():
        served = relay_client.served(key) if rung.get("elsewhere") else serving.served(rung["function"], rung["alias"])
        lower_rung.check(key, served, candidate.release["digest"])


def alias_can_take_both(change: Change) -> None:
    """Refuse what Lambda refuses of two versions under one alias, before it says so in other words."""
    function, latest, served = change.target["function"], change.latest, change.served
    if latest.get("LastUpdateStatus") == "InProgress":
        raise TransientError(f"{function} is being updated by somebody else")
    if latest.get("PackageType") != "Image":
        raise RefusedError(f"{function} is no image function")
    if latest["Role"] != served["Role"]:
        raise RefusedError(
            f"the execution role of {function} has changed: an alias can't split traffic between versions of two roles"
        )
    if (latest.get("DeadLetterConfig") or {}) != (served.get("DeadLetterConfig") or {}):
        raise RefusedError(
            f"the dead-letter queue of {function} has changed: an alias can't split traffic between such versions"
        )


def configuration_is_terraforms(change: Change) -> None:
    """Refuse to publish a configuration that somebody changed by hand since Terraform applied it."""
    target = change.target
    environment, name = split_target(target["environment"])
    applied = ledger.read(schema.SERVICE, environment=environment)
    service = applied.of_function(name) if applied else None
    if service and service.config_hash and service.config_hash != serving.configuration(change.latest):
        raise RefusedError(
            f"the configuration of {target['function']} was changed by hand, and a release would publish that "
            f"(`inv status` names it); set it back: `inv tf.plan --env {environment}`, "
            f"`inv tf.apply --env {environment}`"
        )


def traffic_can_shift(change: Change) -> None:
    """Refuse to shift gradually onto an alias with provisioned concurrency: Lambda may refuse to split its traffic.

    "Alias with weights can not be used with Provisioned Concurrency" would strand the deployment
    (https://github.com/aws/serverless-application-model/issues/1296, https://github.com/hashicorp/terraform/issues/24957).
    """
    target = change.target
    if change.release["hotfix"] or change.is_first or _moves_at_once(target):
        return
    function, alias = target["function"], target["alias"]
    environment, _ = split_target(target["environment"])
    try:
        aws.client("lambda").get_provisioned_concurrency_config(FunctionName=function, Qualifier=alias)
    except Exception as error:
        if aws.code(error) != "ProvisionedConcurrencyConfigNotFoundException":
            raise
        return
    raise RefusedError(
        f"alias {alias} of {function} has provisioned concurrency, which may keep Lambda from shifting its traffic "
        f"gradually: set promotion.rungs.{environment}.deployment to AllAtOnce, or take it away for the shift"
    )


def _moves_at_once(target: TargetInput) -> bool:
    """Say whether all traffic moves in one step, by CodeDeploy or by the state machine itself."""
    if "shift" in target:
        return len(target["shift"]["widths"]) == 1
    return target["deployment_config"].endswith("AllAtOnce")


FIRST: tuple[Callable[[ReleaseInput], None], ...] = (not_marked_bad,)
"""The gates of every release that ask nothing of its target, in order."""

ALWAYS: tuple[Callable[[Candidate], None], ...] = (image_can_run, has_what_is_required, lower_rung_serves_it)
"""The gates of every release on a target, in order."""

CHANGED: tuple[Callable[[Change], None], ...] = (alias_can_take_both, configuration_is_terraforms, traffic_can_shift)
"""The gates of a release that changes what the alias serves, in order."""
