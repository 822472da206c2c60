"""What a plan would destroy and nobody may lose unasked, and which functions it would create from no image."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.similar import did_you_mean
from stepladder.terraform import functions
from stepladder.terraform.allowed import Allowed, flags
from stepladder.terraform.events import ResourceChange
from stepladder.terraform.roots import NO_DIGEST, NO_IMAGES, Root

FUNCTION = "aws_lambda_function"

HARMLESS = frozenset(
    {
        "aws_cloudwatch_metric_alarm",
        "aws_codedeploy_deployment_config",
        "aws_ecr_lifecycle_policy",
        "aws_ecr_repository_policy",
        "aws_iam_policy",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
        "aws_lambda_function_event_invoke_config",
        "aws_lambda_provisioned_concurrency_config",
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_sns_topic_policy",
        "aws_sqs_queue_policy",
        "aws_sqs_queue_redrive_allow_policy",
    }
)
"""Kinds that hold neither data nor callers: they may be destroyed or replaced without being asked for. All others need
`allow_destroy`, also those that nobody here has heard of."""

_MAKES = frozenset({"create", "replace"})

REMADE = frozenset(
    {
        "aws_cloudformation_stack",
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_event_target",
        "aws_lambda_permission",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_versioning",
        "aws_scheduler_schedule",
    }
)
"""Kinds that let callers in, bring calls or guard data, and hold nothing that the code doesn't say: destroyed only when
that is allowed, but a tainted one (cut off in its creation, or marked by somebody) is recreated, since a stack whose
creation failed can't be fixed in place."""


def check(
    at: Root,
    changes: tuple[ResourceChange, ...],
    image_uri: str | None,
    images: Mapping[str, str] = NO_IMAGES,
    *,
    allow_destroy: Allowed = False,
) -> None:
    """Refuse to lose data or callers unasked; the commands that do so are those of the plan and its apply."""
    every = destroyed(changes)
    lost = unnamed(every, allow_destroy)
    if not lost:
        return
    what = ", ".join(f"{change.address} ({change.action})" for change in lost)
    where = f"--env {at.environment.name} --root {at.name}"
    created = {
        functions.name_in(change.address) for change in changes if change.type == FUNCTION and change.action in _MAKES
    }
    given = [f"--image {image_uri}"] if image_uri and "" in created else []
    given += [f"--image {name}={image}" for name, image in images.items() if name in created]
    planned = " ".join((where, *given))
    raise RefusedError(
        f"the plan of {at.label} would destroy what holds data or callers: {what}",
        kind="plan-destroys",
        hint=f"read it: `inv tf.plan {planned}`; when it is meant: "
        f"`inv tf.apply {where} {flags(names_of(every))}`" + _how_to_keep(at, lost),
    )


def unnamed(lost: tuple[ResourceChange, ...], allow_destroy: Allowed) -> tuple[ResourceChange, ...]:
    """Return what is lost and was not allowed to be."""
    if isinstance(allow_destroy, bool):
        return () if allow_destroy else lost
    gone = _removed(lost)
    return tuple(change for change in lost if not {change.address, _within(change, gone)} & set(allow_destroy))


def names_of(lost: Iterable[ResourceChange]) -> tuple[str, ...]:
    """Return the names by which `allow_destroy` allows all of this; one stands for a function that is removed."""
    lost = tuple(lost)
    gone = _removed(lost)
    return tuple(dict.fromkeys(_within(change, gone) or change.address for change in lost))


def _removed(lost: Iterable[ResourceChange]) -> frozenset[str]:
    """Return the addresses of the named functions that are destroyed as a whole, as when the settings lose them."""
    gone = (change for change in lost if (change.type, change.action) == (FUNCTION, "delete"))
    return frozenset(functions.address(name) for change in gone if (name := functions.name_in(change.address)))


def _within(change: ResourceChange, gone: frozenset[str]) -> str:
    """Return the function among those `gone` that a change is of; empty when it is of none."""
    address = functions.address(functions.name_in(change.address))
    return address if address in gone else ""


def check_names(changes: Iterable[ResourceChange], allow_destroy: Allowed, what: str) -> None:
    """Refuse a name of `--allow-destroy` that the plan destroys nothing under; `what` is the plan for a person.

    One that the plan creates is no mistake: a run was cut off between the two halves of its replacement.
    """
    if isinstance(allow_destroy, bool):
        return
    changes = tuple(changes)
    known = {change.address for change in changes if change.action in {"delete", "replace", "create"}}
    known |= _removed(changes)
    gone = [change.address for change in changes if change.action in {"delete", "replace"}]
    for name in allow_destroy:
        if name not in known:
            destroys = f"it destroys or replaces {', '.join(gone)}" if gone else "it destroys and replaces nothing"
            meant = did_you_mean(name, gone)
            raise BadInputError(
                f"{what} does not destroy or replace {name!r}; {destroys}",
                kind="nothing-destroyed",
                hint=f"{meant} " * bool(meant) + f"leave out `--allow-destroy {shlex.quote(name)}`, or name a resource "
                "by its whole address, as the plan shows it",
            )


def destroyed(changes: tuple[ResourceChange, ...]) -> tuple[ResourceChange, ...]:
    """Return what is destroyed or replaced and nobody may lose unasked."""
    gone = (change for change in changes if change.action in {"delete", "replace"})
    return tuple(
        change
        for change in gone
        if change.type not in HARMLESS and not (change.type in REMADE and change.reason == "tainted")
    )


def may_lack_image(changes: Iterable[ResourceChange], images: Mapping[str, str], *, own: bool) -> bool:
    """Say whether a plan may create a function from the placeholder for no image.

    `own` says that the image is known which the project's own function is created with, and any of the project's code.
    """
    created = [change.address for change in changes if change.type == FUNCTION and change.action in _MAKES]
    return any(name not in images if (name := functions.name_in(address)) else not own for address in created)


def imageless(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the functions that a plan (`terraform show -json`) would create from the placeholder for no image.

    The project's own is among them when it is created; any other only if it takes its image from the same variable.
    """
    created = (
        change
        for change in plan.get("resource_changes", ())
        if change["type"] == FUNCTION and "create" in change["change"]["actions"]
    )
    after = ((str(change["address"]), change["change"].get("after") or {}) for change in created)
    return tuple(sorted(address for address, made in after if str(made.get("image_uri")).endswith(NO_DIGEST)))


def _how_to_keep(at: Root, lost: tuple[ResourceChange, ...]) -> str:
    tainted = [change.address for change in lost if change.reason == "tainted"]
    if not tainted:
        return ""
    where = f"TF_DATA_DIR={at.data_dir} terraform -chdir={at.snapshot_dir}"
    return f"; a tainted object that is good is kept by: {where} untaint '{tainted[0]}'"


def kept(kind: str) -> bool:
    """Say whether a tainted object of this kind may hold data or callers of its own."""
    return kind not in HARMLESS | REMADE
