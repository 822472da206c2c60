"""Which Terraform roots a promotion plans and applies, in the ladder's order (the table is in `infra`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from stepladder.aws_lambda import alias as aliases
from stepladder.core.errors import RefusedError
from stepladder.core.names import split_target, target_key
from stepladder.ledger.snapshot import Snapshot
from stepladder.promotion import delivery
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.roots import RootPlan, Roots
from stepladder.releases import half_destroyed, left_foundation
from stepladder.releases.plan import FOUNDATION, SERVICE
from stepladder.releases.rung import Rung
from stepladder.settings import locations

_AT_ONCE = 8  # aliases that are read at once


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


@dataclass(frozen=True)
class InfraPlan:
    """What a promotion has to apply, in order, and what was read to know it.

    `missing` are the targets that the applies make, also those of functions that aren't promoted.
    """

    snapshots: Mapping[str, Snapshot]
    services: tuple[str, ...]
    changes: list[RootChange]
    missing: tuple[str, ...] = ()


def plan_infra(
    machine: StateMachine, missing: Sequence[str], promoted: Collection[str], *, infra: bool, roots: Roots
) -> InfraPlan:
    """Return which roots differ from their last apply, of those that a promotion may apply. Changes nothing.

    `missing` are the targets without a function, of the functions that are `promoted`.
    """
    snapshots = machine.snapshots(machine.settings.ladder_environments)
    half_destroyed.refuse(snapshots)
    lacking = {split_target(key)[0] for key in missing}
    changed = [name for name in snapshots if name not in lacking and differs(machine.at(name), snapshots[name], roots)]
    unapplied = [name for name in changed if snapshots[name].infra]  # the ledger has no apply of the others
    if unapplied and not infra:
        machine.console.warn(f"{behind(unapplied)}; `inv promote --infra` applies them before it promotes")
    if infra:
        _check_lowest(machine.rung, unapplied)
    services = tuple(name for name in snapshots if name in lacking or (infra and name in changed))
    every = (*missing, *_others_made(machine, services, promoted))
    return InfraPlan(snapshots, services, _changes(machine, snapshots, services, missing, roots), every)


def _others_made(machine: StateMachine, services: Sequence[str], promoted: Collection[str]) -> list[str]:
    """Return the targets that applies of services make of functions that aren't promoted: each needs its image."""
    rest = [name for name in machine.settings.function_names if name not in promoted]
    rungs = [machine.at(target_key(service, name)) for service in services for name in rest]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="aliases") as pool:
        read = pool.map(lambda rung: aliases.read(rung.lambda_client, rung.names.function), rungs)
        return [rung.target for rung, alias in zip(rungs, read, strict=True) if alias is None]


def _check_lowest(rung: Rung, unapplied: Sequence[str]) -> None:
    """Refuse to apply the lowest rung: it is deployed, by this commit or a newer one, before anything is promoted."""
    lowest = [name for name in rung.settings.rungs[0] if name in unapplied]
    if lowest:
        raise RefusedError(
            f"{', '.join(lowest)} was deployed with other infrastructure than this commit has",
            kind="lowest-differs",
            hint=f"`inv deploy --env {lowest[0]}` deploys this commit; a newer one's own job promotes",
        )


def differs(rung: Rung, snapshot: Snapshot, roots: Roots) -> bool:
    """Say whether an environment's service has other inputs than at its last apply."""
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
        RootChange(
            machine.at(name),
            SERVICE,
            is_new=_is_new(machine, name, missing, snapshots[name]),
            early=locations.of(settings, name) in begun,
        )
        for name in services
    ]


def _is_new(machine: StateMachine, environment: str, missing: Sequence[str], snapshot: Snapshot) -> bool:
    """Say whether an environment has no service yet: it has none of the functions, or lacks one and was never applied.

    `missing` may leave out functions that are not promoted.
    """
    lacking = {key for key in missing if split_target(key)[0] == environment}
    every = {target_key(environment, name) for name in machine.settings.function_names}
    return bool(lacking) and (lacking >= every or snapshot.infra is None)
