"""The infrastructure that a promotion needs: planned before anything is applied, applied in the ladder's order.

| root | planned and applied |
|---|---|
| delivery, in each location | when its inputs changed since the last apply |
| service of a rung that has none | always: the promotion creates it, and the state machine makes its first release |
| service whose inputs changed | with `--infra` only |
| foundation | where one of its services is applied, when it is missing or changed |
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from stepladder.core.errors import RefusedError
from stepladder.core.step import Step
from stepladder.ledger.schema import PROMOTE
from stepladder.promotion import delivery, service_images
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.replicate import copy_images
from stepladder.promotion.root_changes import RootChange, differs, plan_infra
from stepladder.promotion.roots import ProjectRoots, Roots
from stepladder.promotion.service_images import ServiceImages
from stepladder.releases import applied_root, failed_run
from stepladder.releases.plan import SERVICE
from stepladder.settings import locations
from stepladder.terraform.allowed import flags


def prepare(
    machine: StateMachine,
    missing: Sequence[str],
    digests: Mapping[str, str],
    *,
    infra: bool = False,
    roots: Roots | None = None,
) -> tuple[str, ...]:
    """Apply what a promotion needs, and copy its images; return the environments whose service was applied.

    `missing` are the targets without a function, `digests` the images by function. Everything is planned first. Nothing
    is applied when a plan would destroy what holds data or callers, or when a rung with approval would be created and
    nobody confirmed it. Raises `RefusedError`, `LockedError`, and the errors of `roots`.
    """
    roots = roots or ProjectRoots()
    wanted = plan_infra(machine, missing, digests, infra=infra, roots=roots)
    snapshots, services, changes = wanted.snapshots, wanted.services, wanted.changes
    images = service_images.read(machine, frozenset(wanted.missing), digests)
    with contextlib.ExitStack() as held:
        for name in services:
            if snapshots[name].exists:
                held.enter_context(machine.at(name).locked(snapshots[name].lock))
        changes = [_plan(change, images, roots) for change in _initialised(changes, roots)]
        _check_destroys(changes, images)
        if not infra:
            _ask(machine, changes)
        for change in (each for each in changes if each.root != SERVICE):
            _apply(change, images, roots)
        # a function is created from the image in its own location's repository, also one that isn't promoted
        copy_images(machine, [*digests.values(), *images.lowest.values()])
        for change in (each for each in changes if each.root == SERVICE):
            if not change.rung.lock.held:  # its ledger was made a moment ago
                held.enter_context(change.rung.locked(None))
            _apply(change, images, roots)
    return services


def pending(machine: StateMachine, roots: Roots | None = None) -> tuple[str, ...]:
    """Return the environments whose infrastructure inputs differ from the last apply. Reads the ledgers only.

    The result only explains a failure, so what can't be read counts as none.
    """
    roots = roots or ProjectRoots()
    try:
        snapshots = machine.snapshots(machine.settings.ladder_environments)
        return tuple(
            n for n, snapshot in snapshots.items() if snapshot.infra and differs(machine.at(n), snapshot, roots)
        )
    except Exception:  # noqa: BLE001 - see above
        return ()


def is_pipeline_behind(machine: StateMachine, roots: Roots | None = None) -> bool:
    """Say whether the state machine or its functions have changes that were not applied, in any location.

    Reads the ledgers only. What can't be read counts as no change.
    """
    roots = roots or ProjectRoots()
    try:
        return any(
            was is not None and was.input_hash != roots.inputs_hash(rung, delivery.ROOT)
            for rung in machine.representatives
            for was in [delivery.read(rung)]
        )
    except Exception:  # noqa: BLE001 - see above
        return False


def _initialised(changes: list[RootChange], roots: Roots) -> list[RootChange]:
    """Initialise every root before the first plan: `init` may write a lock file, from which plans are made."""
    notes: list[str] = []
    for change in changes[:1]:
        with change.rung.console.step("init") as step:
            ready = [each for each in changes if not each.early]
            for each in ready:
                step.progress(each.where)
                notes += roots.init(each.rung, each.root)
            step.done(", ".join(each.where for each in ready))
        for note in notes:
            change.rung.console.line(f"  {note}")
    return changes


def _plan(change: RootChange, images: ServiceImages, roots: Roots) -> RootChange:
    with change.rung.console.step(f"plan {change.where}") as step:
        if change.early:
            location = locations.of(change.rung.settings, change.rung.environment)
            step.skip(f"planned once {location} has its foundation")
            return change
        planned = roots.plan(change.rung, change.root, image_of(change, images), step, **_named(change, images))
        step.done(planned.summary)
    for note in planned.notes:
        change.rung.console.line(f"  {note}")
    return replace(change, planned=planned)


def image_of(change: RootChange, images: ServiceImages) -> str | None:
    """Return the URI of the image that the project's own function is created from; None for every other root."""
    return images.own(change.rung) if change.root == SERVICE else None


def preview(change: RootChange, images: ServiceImages, roots: Roots, step: Step) -> str:
    """Say what an apply of a root would do; change nothing."""
    return roots.preview(change.rung, change.root, image_of(change, images), step, **_named(change, images))


def _named(change: RootChange, images: ServiceImages) -> dict[str, Any]:
    """Return the argument with the images of named functions that may be created; none where there are none."""
    named = images.named(change.rung) if change.root == SERVICE else {}
    return {"images": named} if named else {}


def _check_destroys(changes: list[RootChange], images: ServiceImages) -> None:
    """Raise `RefusedError` for plans that destroy what holds data or callers, before anything is applied."""
    losing = [(change, change.planned.destroyed) for change in changes if change.planned and change.planned.destroyed]
    if not losing:
        return
    what = "; ".join(f"{change.where}: {', '.join(lost)}" for change, lost in losing)
    change, lost = losing[0]
    allow = flags(each.rpartition(" (")[0] for each in lost)
    environment, root, image = change.rung.environment, change.root, image_of(change, images)
    command = f"`inv tf.plan --env {environment} --root {root}`"
    if image:
        command = f"`inv tf.plan --env {environment} --root {root} --image {image}`"
    raise RefusedError(
        f"nothing was applied, since plans would destroy what holds data or callers: {what}",
        kind="plan-destroys",
        hint=f"read it: {command}; when it is meant: "
        f"`inv tf.apply --env {environment} --root {root} {allow}`, then `inv promote` again",
    )


def needs_answer(machine: StateMachine, change: RootChange) -> bool:
    """Say whether a person is asked before a change: it creates a rung whose releases need approval."""
    settings = machine.rung.settings
    asking = [rung for rung in settings.rungs if any(settings.promotion.policies[name].approval for name in rung)]
    guarded = {name for rung in asking for name in rung}
    return change.root == SERVICE and change.is_new and change.rung.environment in guarded


def _ask(machine: StateMachine, changes: list[RootChange]) -> None:
    """Ask before a rung whose releases need approval is created.

    Raises `RefusedError` when the answer is no, and when nobody can be asked.
    """
    for change in changes:
        if not needs_answer(machine, change):
            continue
        name = change.rung.environment
        summary = f" ({change.planned.summary})" if change.planned else ""
        answer = machine.console.ask(f"{name} needs approval and has no service yet: create it{summary}?")
        if answer is None:
            raise RefusedError(
                f"{name} needs approval and has no service yet, and nobody can be asked here; nothing was applied",
                kind="not-confirmed",
                hint="create it without a question: `inv promote --infra`",
            )
        if not answer:
            raise RefusedError(
                f"{name} was not to be created; nothing was applied",
                kind="not-confirmed",
                hint="run `inv promote` again",
            )


def _apply(change: RootChange, images: ServiceImages, roots: Roots) -> None:
    """Apply a root exactly as it was planned, and record that in the ledger."""
    rung = change.rung
    was = delivery.read(rung) if change.root == delivery.ROOT else None
    with failed_run.recorded(rung, PROMOTE), rung.console.step(change.root) as step:
        if rung.lock.held:
            rung.lock.check()
        if change.planned:
            done = roots.apply(rung, change.root, step)
        else:
            done = roots.ensure(rung, change.root, image_of(change, images), step, **_named(change, images))
        step.done(f"{rung.environment}: {done.summary}")
    for note in done.notes:
        rung.console.line(f"  {note}")
    if change.root == delivery.ROOT:
        delivery.record(rung, done.inputs_hash, done.plan_id, was=was)
        return
    applied_root.record(rung, change.root, done)
