"""What the tasks add to the library: the environment's lock and the ledger around an apply, and printing."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack

from stepladder import terraform
from stepladder.core.console import Console
from stepladder.ledger.schema import APPLY, InfraRecord
from stepladder.promotion import delivery
from stepladder.releases import applied_root, failed_run, restore
from stepladder.releases.adapters import ProjectInfra
from stepladder.releases.interfaces import Applied
from stepladder.releases.rung import Rung
from stepladder.settings import functions
from stepladder.settings.load import Settings
from stepladder.terraform import losses, roots, saved_plan
from stepladder.terraform.actions import ApplyOutcome
from stepladder.terraform.allowed import REVIEWED, Allowed, flags
from stepladder.terraform.planning import NoStateError
from stepladder.terraform.reviewing import Review
from stepladder.terraform.saved_plan import SavedPlan

_COLOURS = {"create": "green", "import": "green", "update": "yellow", "replace": "red", "delete": "red"}
_SIGNS = {"create": "+", "import": "<", "update": "~", "replace": "-/+", "delete": "-", "remove": ".", "move": ">"}


class PlanOptions(TypedDict, total=False):
    """Options of `terraform.plan`: new functions' images, whether the state is locked, seconds to wait for that."""

    image_uri: str | None
    images: Mapping[str, str]
    lock: bool
    lock_timeout: int


def images(settings: Settings, given: Iterable[str]) -> PlanOptions:
    """Return the images that `--image` names: that of the project's own function, and `<name>=<image>` of others.

    Raises `BadInputError` for the name of no function.
    """
    pairs = [each.partition("=") for each in given if each]
    every = {functions.given(settings, name) if equals else "": image or name for name, equals, image in pairs}
    return {"image_uri": every.pop("", None), "images": every}


def plan(rung: Rung, root: str, **wanted: Unpack[PlanOptions]) -> None:
    """Save a plan and print it. Before the first deployment there is nothing to plan against, which is no failure.

    The first pull request of a project is planned before anything was deployed. A ledger without a state's bucket is
    something else: somebody has deleted the bucket. Raises as `terraform.plan`, whose options are `wanted`.
    """
    early: NoStateError | None = None
    with rung.console.step(f"plan {root}") as step:
        try:
            saved, notes = terraform.plan(rung.settings, rung.environment, root, aws=rung.aws, step=step, **wanted)
            step.done(str(saved.counts))
        except NoStateError as error:
            if rung.ledger.snapshot(rung.environment).exists:
                raise
            early = error
            step.skip("nothing is deployed yet")
    if early is None:
        planned(rung.console, saved, notes)
        return
    rung.console.warn(early.message)
    rung.console.hint(early.hint)
    if rung.console.as_json:
        rung.console.json({"deployed": False, "why": early.message})


def apply(rung: Rung, root: str, plan: str = "", *, allow_destroy: Allowed = False, lock_timeout: int = 60) -> None:
    """Apply a plan under the environment's lock, record and print that. `plan` is the saved one, `reviewed`, or a file.

    Raises as `terraform.apply` and `terraform.ensure`.
    """
    options: dict[str, Any] = {"allow_destroy": allow_destroy, "lock_timeout": lock_timeout}
    with locked(rung), failed_run.recorded(rung, APPLY), rung.console.step(f"apply {root}") as step:
        was = before(rung, root)
        where = rung.settings, rung.environment, root
        if plan == REVIEWED:
            if allow_destroy and not isinstance(allow_destroy, bool):
                ProjectInfra(rung, tuple(allow_destroy)).check_allowed([root], step)
            outcome = terraform.ensure(*where, aws=rung.aws, step=step, review=Review(REVIEWED), **options)
        else:
            if plan:
                saved_plan.take(roots.root(*where), Path(plan))
            outcome = terraform.apply(*where, aws=rung.aws, step=step, **options)
        record(rung, outcome, was)
        step.done(str(outcome.counts) if outcome.applied else "no changes")
    applied(rung.console, outcome)


@contextlib.contextmanager
def locked(rung: Rung) -> Iterator[None]:
    """Hold the environment's lock: apply and release never run side by side. Before the first foundation: nothing."""
    snapshot = rung.ledger.snapshot(rung.environment)
    if not snapshot.exists:
        yield
        return
    with rung.locked(snapshot.lock):
        yield


def before(rung: Rung, root: str) -> InfraRecord | None:
    """Read what the ledger has of the delivery root, over which no lock of ours is held; nothing of the others.

    Refuses to apply the service while its alias is missing though it was released: Terraform would make it on $LATEST.
    """
    if root == "service":
        restore.check_aliases(rung)
    return delivery.read(rung) if root == delivery.ROOT else None


def record(rung: Rung, outcome: ApplyOutcome, was: InfraRecord | None) -> None:
    """Record in the ledger what was applied, so that the next deploy needn't run Terraform to find out."""
    if outcome.root == delivery.ROOT:
        delivery.record(rung, outcome.inputs_hash, outcome.plan_id, was=was)
        return
    applied_root.record(
        rung, outcome.root, Applied(outcome.plan_id, "", outcome.outputs, inputs_hash=outcome.inputs_hash)
    )


def planned(console: Console, saved: SavedPlan, notes: tuple[str, ...]) -> None:
    """Print a plan: each change by address, destroys in red, then where it is and what to type next."""
    _notes(console, notes)
    if console.as_json:
        addresses = [address for each in saved_plan.summary(saved, own=True).values() for address in each]
        console.json(saved.manifest() | {"own": sorted(addresses)})
        return
    _rows(console, saved_plan.summary(saved, own=False))
    own = saved_plan.summary(saved, own=True)
    if own:
        console.data(f"your own, in terraform/{saved.at.name}:")
        _rows(console, own)
    if not saved.changed:
        console.line("nothing to change")
        return
    if saved.destroyed:
        lost = ", ".join(change.address for change in saved.destroyed)
        console.warn(f"data or callers would be lost: {lost}")
    if saved.needs_image:
        console.hint(saved_plan.imageless(saved))
        return
    command = f"inv tf.apply --env {saved.at.environment.name} --root {saved.at.name}"
    allow = flags(losses.names_of(saved.destroyed))
    console.hint(f"apply exactly this plan ({saved.id}): `{' '.join(filter(None, (command, allow)))}`")


def _rows(console: Console, summary: Mapping[str, list[str]]) -> None:
    for action, addresses in summary.items():
        sign = console.paint_data(f"{_SIGNS.get(action, action):>3}", _COLOURS.get(action, "dim"))
        for address in addresses:
            console.data(f"{sign} {address}")


def applied(console: Console, outcome: ApplyOutcome) -> None:
    """Print what an apply did."""
    _notes(console, outcome.notes)
    if console.as_json:
        changes = [{"action": c.action, "address": c.address} for c in outcome.changes]
        console.json(
            {"applied": outcome.applied, "changes": changes, "outputs": outcome.outputs, "plan": outcome.plan_id}
        )


def outputs(console: Console, values: Mapping[str, Any]) -> None:
    """Print outputs as JSON, or one a line. No value is cut to the terminal's width: each is there to be copied."""
    if console.as_json:
        console.json(dict(values))
    else:
        width = max(map(len, ("output", *values)))
        console.data(f"{'output':<{width}}  value")
        for name, value in sorted(values.items()):
            console.data(f"{name:<{width}}  {value if isinstance(value, str) else json.dumps(value)}")


def _notes(console: Console, notes: tuple[str, ...]) -> None:
    for note in notes:
        console.line(f"  {note}")
