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
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stepladder.core.clock import stamp
from stepladder.core.errors import RefusedError
from stepladder.ledger.schema import InfraRecord
from stepladder.ledger.snapshot import Snapshot
from stepladder.promotion import delivery
from stepladder.promotion.executions import Desk
from stepladder.promotion.replicate import bring
from stepladder.promotion.roots import Planned, ProjectRoots, Roots
from stepladder.releases import drift
from stepladder.releases.plan import FOUNDATION, SERVICE
from stepladder.releases.rung import Rung
from stepladder.settings import locations


@dataclass(frozen=True)
class Work:
    """One root to bring to what the code says. `early` when no state's bucket is there yet, so it can't be planned."""

    rung: Rung
    root: str
    is_new: bool = False
    early: bool = False
    planned: Planned | None = None

    @property
    def where(self) -> str:
        """The root for a person: `production/service`."""
        return f"{self.rung.environment}/{self.root}"


def prepare(
    desk: Desk, missing: Sequence[str], digest: str, *, infra: bool = False, roots: Roots | None = None
) -> tuple[str, ...]:
    """Apply what a promotion of `digest` needs, and bring the image; return the environments whose service was applied.

    `missing` are those that have none. All is planned first, and nothing is applied when one plan would destroy what
    holds data or callers, or when a rung with approval would be created and nobody said yes. Raises `RefusedError`,
    `LockedError`, and what Terraform's own functions raise.
    """
    roots = roots or ProjectRoots()
    snapshots = {name: desk.at(name).ledger.snapshot(name) for name in desk.rung.settings.ladder_environments}
    changed = [name for name in snapshots if name not in missing and _differs(desk.at(name), snapshots[name], roots)]
    told = [name for name in changed if snapshots[name].infra]  # of others the ledger knows of no apply at all
    if told and not infra:
        desk.console.warn(f"{behind(told)}; `inv promote --infra` applies them before it promotes")
    services = [name for name in snapshots if name in missing or (infra and name in changed)]
    works = _works(desk, snapshots, services, missing, roots)
    with contextlib.ExitStack() as held:
        for name in services:
            if snapshots[name].exists:
                held.enter_context(desk.at(name).locked(snapshots[name].lock))
        works = [_planned(work, digest, roots) for work in _ready(works, roots)]
        _check_destroys(works, digest)
        if not infra:
            _ask(desk, works)
        for work in (each for each in works if each.root != SERVICE):
            _apply(work, digest, roots)
        bring(desk, digest)  # a function is created from the image in its own location's repository
        for work in (each for each in works if each.root == SERVICE):
            if not work.rung.lock.held:  # its ledger was made a moment ago
                held.enter_context(work.rung.locked(None))
            _apply(work, digest, roots)
    return tuple(services)


def pending(desk: Desk, roots: Roots | None = None) -> tuple[str, ...]:
    """Return the environments whose infrastructure inputs differ from the last apply; reads the ledgers only.

    This only explains: where it can't be told, there is none.
    """
    roots = roots or ProjectRoots()
    try:
        found = {name: desk.at(name).ledger.snapshot(name) for name in desk.rung.settings.ladder_environments}
        return tuple(n for n, snapshot in found.items() if snapshot.infra and _differs(desk.at(n), snapshot, roots))
    except Exception:  # noqa: BLE001 - see above
        return ()


def _differs(rung: Rung, snapshot: Snapshot, roots: Roots) -> bool:
    applied = snapshot.infra.input_hash if snapshot.infra else ""
    return roots.inputs_hash(rung, SERVICE) != applied


def behind(changed: Sequence[str]) -> str:
    """Say which environments' infrastructure is older than the code."""
    return f"{', '.join(changed)} {'has' if len(changed) == 1 else 'have'} infrastructure changes that were not applied"


def _works(
    desk: Desk, snapshots: dict[str, Snapshot], services: Sequence[str], missing: Sequence[str], roots: Roots
) -> list[Work]:
    """Return what is to be done, in the order in which it is applied: each location, home first, then the ladder."""
    works: list[Work] = []
    begun: set[locations.Location] = set()
    settings = desk.rung.settings
    for place in desk.places:
        at = locations.of(settings, place.environment)
        own = [name for name in services if locations.of(settings, name) == at]
        ledger = snapshots[place.environment]
        applied = ledger.foundation.input_hash if ledger.foundation else ""
        if not ledger.exists:
            begun.add(at)
            works.append(Work(place, FOUNDATION, is_new=True))
        elif own and roots.inputs_hash(desk.at(own[0]), FOUNDATION) != applied:
            works.append(Work(desk.at(own[0]), FOUNDATION))
        was = delivery.read(place) if ledger.exists else None
        if not was or was.input_hash != roots.inputs_hash(place, delivery.ROOT):
            works.append(Work(place, delivery.ROOT, is_new=was is None, early=not ledger.exists))
        else:
            with desk.console.step(delivery.ROOT) as step:
                step.skip("unchanged")
    return works + [
        Work(desk.at(name), SERVICE, is_new=name in missing, early=locations.of(settings, name) in begun)
        for name in services
    ]


def _ready(works: list[Work], roots: Roots) -> list[Work]:
    """Initialise every root before the first plan: `init` may write a lock file, which plans are made from."""
    notes: list[str] = []
    for work in works[:1]:
        with work.rung.console.step("init") as step:
            ready = [each for each in works if not each.early]
            for each in ready:
                step.progress(each.where)
                notes += roots.init(each.rung, each.root)
            step.done(", ".join(each.where for each in ready))
        for note in notes:
            work.rung.console.line(f"  {note}")
    return works


def _planned(work: Work, digest: str, roots: Roots) -> Work:
    with work.rung.console.step(f"plan {work.where}") as step:
        if work.early:
            place = locations.of(work.rung.settings, work.rung.environment)
            step.skip(f"planned once {place} has its foundation")
            return work
        planned = roots.plan(work.rung, work.root, _image(work, digest), step)
        step.done(planned.summary)
    for note in planned.notes:
        work.rung.console.line(f"  {note}")
    return replace(work, planned=planned)


def _image(work: Work, digest: str) -> str | None:
    """Return the image that a new function is created from."""
    names = work.rung.names
    return f"{names.registry}/{names.repository}@{digest}" if work.root == SERVICE and work.is_new else None


def _check_destroys(works: list[Work], digest: str) -> None:
    """Refuse plans that lose data or callers, before anything is applied."""
    losing = [(work, work.planned.destroyed) for work in works if work.planned and work.planned.destroyed]
    if not losing:
        return
    what = "; ".join(f"{work.where}: {', '.join(lost)}" for work, lost in losing)
    work, _ = losing[0]
    environment, root, image = work.rung.environment, work.root, _image(work, digest)
    look = f"`inv tf.plan --env {environment} --root {root}`"
    if image:
        look = f"`inv tf.plan --env {environment} --root {root} --image {image}`"
    raise RefusedError(
        f"nothing was applied, since plans would destroy what holds data or callers: {what}",
        kind="plan-destroys",
        hint=f"read it: {look}; when it is meant: "
        f"`inv tf.apply --env {environment} --root {root} --allow-destroy`, then `inv promote` again",
    )


def _ask(desk: Desk, works: list[Work]) -> None:
    """Ask before a rung whose releases need approval is created."""
    settings = desk.rung.settings
    asking = [rung for rung in settings.rungs if any(settings.promotion.policies[name].approval for name in rung)]
    guarded = {name for rung in asking for name in rung}
    for work in works:
        if work.root != SERVICE or not work.is_new or work.rung.environment not in guarded:
            continue
        name = work.rung.environment
        said = f" ({work.planned.summary})" if work.planned else ""
        answer = desk.console.ask(f"{name} needs approval and has no service yet: create it{said}?")
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


def _apply(work: Work, digest: str, roots: Roots) -> None:
    """Apply a root exactly as it was planned and tell the ledger."""
    rung = work.rung
    was = delivery.read(rung) if work.root == delivery.ROOT else None
    with rung.console.step(work.root) as step:
        if rung.lock.held:
            rung.lock.check()
        if work.planned:
            done = roots.apply(rung, work.root, step)
        else:
            done = roots.ensure(rung, work.root, _image(work, digest), step)
        step.done(f"{rung.environment}: {done.summary}")
    for note in done.notes:
        rung.console.line(f"  {note}")
    if work.root == delivery.ROOT:
        delivery.record(rung, done.inputs_hash, done.plan_id, was=was)
        return
    service = work.root == SERVICE
    record = InfraRecord(
        input_hash=done.inputs_hash,
        plan_id=done.plan_id,
        applied_at=stamp(rung.clock.now()),
        url=(done.outputs.get("function_url") or "") if service else "",
        config_hash=drift.now(rung) if service else "",
    )
    rung.ledger.record_infra(rung.environment if service else None, record, rung.lock.holding)
