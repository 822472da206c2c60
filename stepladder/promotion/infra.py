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
from dataclasses import dataclass, replace

from stepladder.core.errors import RefusedError
from stepladder.ledger.snapshot import Snapshot
from stepladder.promotion import delivery
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.replicate import copy_image
from stepladder.promotion.roots import ProjectRoots, RootPlan, Roots
from stepladder.releases import applied_root, left_foundation
from stepladder.releases.plan import FOUNDATION, SERVICE
from stepladder.releases.rung import Rung
from stepladder.settings import locations
from stepladder.terraform.allowed import flags


@dataclass(frozen=True)
class RootChange:
    """One Terraform root that is to be planned and applied.

    `early` says that its location has no state bucket yet. It is then planned once the foundation is applied.
    """

    rung: Rung
    root: str
    is_new: bool = False
    early: bool = False
    planned: RootPlan | None = None

    @property
    def where(self) -> str:
        """The root as people read it: `production/service`."""
        return f"{self.rung.environment}/{self.root}"


def prepare(
    machine: StateMachine, missing: Sequence[str], digest: str, *, infra: bool = False, roots: Roots | None = None
) -> tuple[str, ...]:
    """Apply what a promotion of `digest` needs, and copy the image; return the environments whose service was applied.

    `missing` are the environments without a service. Everything is planned first. Nothing is applied when a plan would
    destroy what holds data or callers, or when a rung with approval would be created and nobody confirmed it. Raises
    `RefusedError`, `LockedError`, and the errors of `roots`.
    """
    roots = roots or ProjectRoots()
    wanted = plan_infra(machine, missing, infra=infra, roots=roots)
    snapshots, services, changes = wanted.snapshots, wanted.services, wanted.changes
    with contextlib.ExitStack() as held:
        for name in services:
            if snapshots[name].exists:
                held.enter_context(machine.at(name).locked(snapshots[name].lock))
        changes = [_plan(change, digest, roots) for change in _initialised(changes, roots)]
        _check_destroys(changes, digest)
        if not infra:
            _ask(machine, changes)
        for change in (each for each in changes if each.root != SERVICE):
            _apply(change, digest, roots)
        copy_image(machine, digest)  # a function is created from the image in its own location's repository
        for change in (each for each in changes if each.root == SERVICE):
            if not change.rung.lock.held:  # its ledger was made a moment ago
                held.enter_context(change.rung.locked(None))
            _apply(change, digest, roots)
    return services


@dataclass(frozen=True)
class InfraPlan:
    """What a promotion has to apply, in order, and what was read to know it."""

    snapshots: Mapping[str, Snapshot]
    services: tuple[str, ...]
    changes: list[RootChange]


def plan_infra(machine: StateMachine, missing: Sequence[str], *, infra: bool, roots: Roots) -> InfraPlan:
    """Return which roots differ from their last apply, of those that a promotion may apply. Changes nothing."""
    snapshots = {name: machine.at(name).ledger.snapshot(name) for name in machine.rung.settings.ladder_environments}
    changed = [name for name in snapshots if name not in missing and _differs(machine.at(name), snapshots[name], roots)]
    unapplied = [name for name in changed if snapshots[name].infra]  # the ledger has no apply of the others
    if unapplied and not infra:
        machine.console.warn(f"{behind(unapplied)}; `inv promote --infra` applies them before it promotes")
    if infra:
        _check_lowest(machine.rung, unapplied)
    services = tuple(name for name in snapshots if name in missing or (infra and name in changed))
    return InfraPlan(snapshots, services, _changes(machine, snapshots, services, missing, roots))


def _check_lowest(rung: Rung, unapplied: Sequence[str]) -> None:
    """Refuse to apply the lowest rung: it is deployed, by this commit or a newer one, before anything is promoted."""
    lowest = [name for name in rung.settings.rungs[0] if name in unapplied]
    if lowest:
        raise RefusedError(
            f"{', '.join(lowest)} was deployed with other infrastructure than this commit has",
            kind="lowest-differs",
            hint=f"`inv deploy --env {lowest[0]}` deploys this commit; a newer one's own job promotes",
        )


def pending(machine: StateMachine, roots: Roots | None = None) -> tuple[str, ...]:
    """Return the environments whose infrastructure inputs differ from the last apply. Reads the ledgers only.

    The result only explains a failure, so what can't be read counts as none.
    """
    roots = roots or ProjectRoots()
    try:
        snapshots = {name: machine.at(name).ledger.snapshot(name) for name in machine.rung.settings.ladder_environments}
        return tuple(
            n for n, snapshot in snapshots.items() if snapshot.infra and _differs(machine.at(n), snapshot, roots)
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


def _differs(rung: Rung, snapshot: Snapshot, roots: Roots) -> bool:
    applied = snapshot.infra.input_hash if snapshot.infra else ""
    return roots.inputs_hash(rung, SERVICE) != applied


def behind(changed: Sequence[str]) -> str:
    """Return the sentence that environments' infrastructure is older than the code."""
    return f"{', '.join(changed)} {'has' if len(changed) == 1 else 'have'} infrastructure changes that were not applied"


def _changes(
    machine: StateMachine,
    snapshots: Mapping[str, Snapshot],
    services: Sequence[str],
    missing: Sequence[str],
    roots: Roots,
) -> list[RootChange]:
    """Return the changes in the order in which they are applied: each location, the primary first, then the ladder."""
    changes: list[RootChange] = []
    begun: set[locations.Location] = set()
    settings = machine.rung.settings
    for representative in machine.representatives:
        location = locations.of(settings, representative.environment)
        of_location = [name for name in services if locations.of(settings, name) == location]
        ledger = snapshots[representative.environment]
        applied = ledger.foundation.input_hash if ledger.foundation else ""
        if not ledger.exists:
            begun.add(location)
            changes.append(RootChange(representative, FOUNDATION, is_new=True))
        elif of_location and roots.inputs_hash(machine.at(of_location[0]), FOUNDATION) != applied:
            if left_foundation.is_left(settings):
                left_foundation.warn(machine.console, of_location[0])
            else:
                changes.append(RootChange(machine.at(of_location[0]), FOUNDATION))
        was = delivery.read(representative) if ledger.exists else None
        if not was or was.input_hash != roots.inputs_hash(representative, delivery.ROOT):
            changes.append(RootChange(representative, delivery.ROOT, is_new=was is None, early=not ledger.exists))
        else:
            with machine.console.step(delivery.ROOT) as step:
                step.skip("unchanged")
    return changes + [
        RootChange(machine.at(name), SERVICE, is_new=name in missing, early=locations.of(settings, name) in begun)
        for name in services
    ]


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


def _plan(change: RootChange, digest: str, roots: Roots) -> RootChange:
    with change.rung.console.step(f"plan {change.where}") as step:
        if change.early:
            location = locations.of(change.rung.settings, change.rung.environment)
            step.skip(f"planned once {location} has its foundation")
            return change
        planned = roots.plan(change.rung, change.root, image_of(change, digest), step)
        step.done(planned.summary)
    for note in planned.notes:
        change.rung.console.line(f"  {note}")
    return replace(change, planned=planned)


def image_of(change: RootChange, digest: str) -> str | None:
    """Return the URI of the image that a new function is created from; None for every other root."""
    names = change.rung.names
    return f"{names.registry}/{names.repository}@{digest}" if change.root == SERVICE and change.is_new else None


def _check_destroys(changes: list[RootChange], digest: str) -> None:
    """Raise `RefusedError` for plans that destroy what holds data or callers, before anything is applied."""
    losing = [(change, change.planned.destroyed) for change in changes if change.planned and change.planned.destroyed]
    if not losing:
        return
    what = "; ".join(f"{change.where}: {', '.join(lost)}" for change, lost in losing)
    change, lost = losing[0]
    allow = flags(each.rpartition(" (")[0] for each in lost)
    environment, root, image = change.rung.environment, change.root, image_of(change, digest)
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


def _apply(change: RootChange, digest: str, roots: Roots) -> None:
    """Apply a root exactly as it was planned, and record that in the ledger."""
    rung = change.rung
    was = delivery.read(rung) if change.root == delivery.ROOT else None
    with rung.console.step(change.root) as step:
        if rung.lock.held:
            rung.lock.check()
        if change.planned:
            done = roots.apply(rung, change.root, step)
        else:
            done = roots.ensure(rung, change.root, image_of(change, digest), step)
        step.done(f"{rung.environment}: {done.summary}")
    for note in done.notes:
        rung.console.line(f"  {note}")
    if change.root == delivery.ROOT:
        delivery.record(rung, done.inputs_hash, done.plan_id, was=was)
        return
    applied_root.record(rung, change.root, done)
