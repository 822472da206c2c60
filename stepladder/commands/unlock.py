"""`inv unlock`: show who holds what of an environment, or remove one lock by its id, and never another.

An environment has two kinds of lock. Its own, in the ledger, covers apply and release; a promotion holds it too. Each
function with a name has another one there. Terraform has one for the state of each root.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from stepladder import terraform
from stepladder.core.aws import error_code
from stepladder.core.clock import stamp
from stepladder.core.errors import LockedError, RefusedError
from stepladder.core.process_identity import is_alive
from stepladder.ledger import unlock
from stepladder.ledger.lock import process_of
from stepladder.ledger.schema import CLOCK_SKEW, PIPELINE_HOST, Holder
from stepladder.releases import ended_promotion
from stepladder.releases.rung import Rung
from stepladder.terraform import locks, roots

ENVIRONMENT, PROMOTION, STATE = "environment", "promotion", "state"
_NO_EXECUTION = frozenset({"ExecutionDoesNotExist", "StateMachineDoesNotExist"})
_DENIED = frozenset({"403", "AccessDenied"})
_HEAD = ("lock", "id", "held by", "since", "for", "until")


@dataclass(frozen=True)
class HeldLock:
    """A lock. `kind` is environment, promotion or state, which has a `root`; `expires` is empty where nothing does.

    `over` says that the next run takes it without being asked. `job` is the address of the CI job that holds it.
    `function` is the name of the function that it is of; empty for the project's own one, and for a state.
    """

    kind: str
    id: str
    owner: str
    since: str
    operation: str
    root: str = ""
    job: str = ""
    expires: str = ""
    over: bool = False
    function: str = ""

    @property
    def name(self) -> str:
        """What is locked, for a person."""
        if self.function:
            return f"{self.kind if self.kind == PROMOTION else 'function'} {self.function}"
        return f"state of {self.root}" if self.root else self.kind

    def row(self) -> tuple[str, ...]:
        """Return it as a row of the table."""
        until = "it is given back" if not self.expires else f"{self.expires}, over" if self.over else self.expires
        return (self.name, self.id, self.owner, self.since, self.operation, until)


def show(rung: Rung, root: str = "") -> None:
    """Print the locks of an environment; `LockedError` after that when one of them would hold a run up.

    `root` is the only Terraform root whose state is asked.
    """
    console, held = rung.console, held_locks(rung, root)
    record: dict[str, object] = {"environment": rung.environment, "locks": [asdict(lock) for lock in held]}
    if not held:
        rung.check_caller()
    if held and not console.as_json:
        console.table(_HEAD, [lock.row() for lock in held])
        for lock in held:
            if lock.job:
                console.line(f"{lock.name}: {lock.job}")
    in_force = [lock for lock in held if not lock.over]
    if in_force:
        first = in_force[0]
        others = f", and {len(in_force) - 1} more" if len(in_force) > 1 else ""
        error = LockedError(
            f"{rung.target} is locked by {first.owner} since {first.since}, for: {first.operation}{others}",
            hint=f"wait for it; when its run is dead for certain: `{_command(rung.environment, first.id)}`",
        )
        error.record |= record
        raise error
    if console.as_json:
        console.json(record)
    else:
        console.line(f"{rung.target} is not locked")


def remove(rung: Rung, lock_id: str, root: str = "") -> None:
    """Remove the lock of this id. `RefusedError` when there is none, or when its holder provably lives."""
    rung.check_caller()
    held = _held_under(rung, lock_id)
    with rung.console.step(f"unlock {rung.environment}") as step:
        if held:
            holder = held[0][1]
            _remove_all(rung, held)
            step.done(f"was held by {holder.owner} since {holder.since}, for: {holder.command}")
        else:
            at, lock = _state_lock(rung, lock_id, root)
            _check_idle(at, lock)
            step.done(
                f"was held by {terraform.unlock(rung.settings, rung.environment, at.name, lock_id, aws=rung.aws)}"
            )
    if rung.console.as_json:
        rung.console.json({"environment": rung.environment, "removed": lock_id})


def held_locks(rung: Rung, root: str = "") -> list[HeldLock]:
    """Read every lock of an environment; nothing that isn't deployed yet has one."""
    own = [_own(target, holder) for target, holder in _holders(rung)]
    return own + [_of_state(at, lock) for at, lock in _state_locks(rung, root)]


def _holders(rung: Rung) -> list[tuple[Rung, Holder]]:
    """Return who holds the environment and each of its functions; of a view its function only."""
    names = () if rung.settings.view_of else tuple(rung.settings.functions)
    targets = {each.target: each for each in (rung, *map(rung.of_function, names))}
    snapshots = rung.ledger.snapshots(tuple(targets))
    locks_held = [(targets[key], snapshot.lock) for key, snapshot in snapshots.items()]
    return [(target, holder) for target, holder in locks_held if holder and holder.expires]


def _held_under(rung: Rung, lock_id: str) -> list[tuple[Rung, Holder]]:
    return [(target, holder) for target, holder in _holders(rung) if holder.run_id == lock_id]


def _remove_all(rung: Rung, held: list[tuple[Rung, Holder]]) -> None:
    """Remove one run's lock of each function; a promotion that is recovered may give back several at once."""
    while held:
        target, holder = held[0]
        _remove_own(target, holder)
        left = _held_under(rung, holder.run_id)
        held = left if len(left) < len(held) else []


def _own(rung: Rung, holder: Holder) -> HeldLock:
    return HeldLock(
        PROMOTION if holder.host == PIPELINE_HOST else ENVIRONMENT,
        holder.run_id,
        holder.owner,
        holder.since,
        holder.command,
        job=holder.job,
        expires=stamp(holder.expires + CLOCK_SKEW),
        over=rung.lock.is_over(holder),
        function=rung.settings.name_of_function,
    )


def _of_state(at: roots.Root, lock: locks.StateLock) -> HeldLock:
    return HeldLock(
        STATE, lock.id, lock.who, stamp(lock.created.timestamp()) if lock.created else "", lock.verb, root=at.name
    )


def _state_locks(rung: Rung, root: str = "") -> list[tuple[roots.Root, locks.StateLock]]:
    if root:
        chosen = [roots.root(rung.settings, rung.environment, root)]
    else:
        chosen = roots.existing(rung.settings, rung.environment)
    read = [(at, _read(rung, at)) for at in chosen]
    return [(at, lock) for at, lock in read if lock]


def _read(rung: Rung, at: roots.Root) -> locks.StateLock | None:
    """Read the lock of a state; a role that may not see one still sees the others."""
    try:
        return locks.read(rung.aws, at)
    except Exception as error:
        if error_code(error) not in _DENIED:
            raise
        rung.console.warn(f"whether the state of {at.label} is locked may not be read by these credentials")
        return None


def _state_lock(rung: Rung, lock_id: str, root: str) -> tuple[roots.Root, locks.StateLock]:
    """Return the state lock of this id; `RefusedError` that says what is locked instead."""
    states = _state_locks(rung, root)
    for at, lock in states:
        if lock.id == lock_id:
            return at, lock
    held = held_locks(rung)
    owner = "" if any(lock.id == lock_id for lock in held) else _environment_of(rung, lock_id)
    if owner:
        raise RefusedError(
            f"{lock_id} is a lock of {owner}, not of {rung.environment}",
            kind="no-such-lock",
            hint=f"`{_command(owner, lock_id)}` removes it",
        )
    locked = "; it is locked by " + "; ".join(f"{lock.owner} (id {lock.id})" for lock in held) if held else ""
    raise RefusedError(
        f"nothing of {rung.environment} is locked under the id {lock_id}{locked}",
        kind="no-such-lock",
        hint=f"it was given back or taken over since; `inv unlock --env {rung.environment}` shows what is locked",
    )


def _environment_of(rung: Rung, lock_id: str) -> str:
    """Return the other environment of this account and region that has a lock of this id; empty without one."""
    own = rung.names
    for name in rung.settings.environments:
        names = rung.settings.names(name)
        if name != rung.environment and (names.account, names.region) == (own.account, own.region):
            sibling = rung.sibling(name)
            if any(lock.id == lock_id for lock in held_locks(sibling)):
                return name
    return ""


def _remove_own(rung: Rung, holder: Holder) -> None:
    if is_alive(process_of(holder)):
        raise RefusedError(
            f"process {holder.pid} of this machine holds the lock of {rung.target}, and lives: {holder.command}",
            kind="lock-in-use",
            hint=f"let it end, or end it: `kill -INT {holder.pid}`; it gives its lock back",
        )
    if holder.host == PIPELINE_HOST and not _recovered(rung, holder):
        return
    keep = bool(holder.pending or holder.version)
    if not unlock.remove(rung.ledger, rung.target, holder.run_id, keep=keep):
        raise RefusedError(
            f"the lock {holder.run_id} of {rung.target} is gone: it was given back or taken over just now",
            kind="no-such-lock",
            hint=f"`inv unlock {rung.flags}` shows what is locked",
        )


def _recovered(rung: Rung, holder: Holder) -> bool:
    """Have an ended promotion recovered; say whether its lock is there still. `RefusedError` while it runs.

    One whose execution is gone, or has no state machine any more, can't be recovered, and changes nothing any more.
    """
    name = holder.run_id.rpartition(":")[2]
    try:
        ended = ended_promotion.has_ended(rung.aws, holder)
    except Exception as error:
        if error_code(error) not in _NO_EXECUTION:
            raise
        return True
    if not ended:
        raise RefusedError(
            f"the promotion {name} holds the lock of {rung.target}, and is under way",
            kind="lock-in-use",
            hint=f"`inv promote.stop --name {name}` stops it and rolls back what it changed",
        )
    if not rung.recover(holder) and not rung.lock.is_over(holder):
        raise RefusedError(
            f"the promotion {name} has ended, and what it left of {rung.target} can't be recovered now",
            kind="lock-in-use",
            hint=f"`inv promote.watch --name {name}` says why; its lock runs out at "
            f"{stamp(holder.expires + CLOCK_SKEW)}",
        )
    left = rung.ledger.snapshot(rung.target).lock
    return bool(left and left.run_id == holder.run_id)


def _check_idle(at: roots.Root, lock: locks.StateLock) -> None:
    if locks.is_at_work(at, lock):
        raise RefusedError(
            f"a Terraform of this machine works on the state of {at.label}, and may hold its lock: {lock}",
            kind="lock-in-use",
            hint="let it end, or interrupt it, and it gives its lock back; then run the same command again",
        )


def _command(environment: str, lock_id: str) -> str:
    return f"inv unlock --env {environment} --id {lock_id}"
