"""Which functions a rollback of a project with several is about, when nobody names any."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from stepladder.core.errors import RefusedError
from stepladder.ledger import schema
from stepladder.ledger.lock import process_of
from stepladder.ledger.schema import PIPELINE_HOST, ROLLBACK, ReleaseEntry
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import cut_off
from stepladder.releases.rung import Rung

_AT_ONCE = 8  # aliases that are read at once
_UNFINISHED = (schema.FAILED, schema.ROLLBACK_FAILED)


def released_together(rung: Rung, release_id: str = "") -> tuple[str, ...]:
    """Return the functions that the newest release of an environment left live, or that have a release of this id.

    Before that come the functions that a promotion is at work on, those that a rollback has not returned yet (it was
    cut off, or failed for some), and those whose alias isn't as the ledger says. Raises `RefusedError` when there is
    none.
    """
    names = {rung.of_function(name).target: name for name in rung.settings.function_names}
    ledger = rung.ledger.snapshots(list(names))
    if release_id:
        targets = _with_release(rung, list(names), release_id)
    else:
        targets = _promoted(ledger) or _cut_off(ledger) or _out_of_step(rung, names, ledger) or _newest(rung, ledger)
    if not targets:
        what = f"no function of {rung.environment} has release {release_id}" if release_id else ""
        raise RefusedError(
            what or f"there is no release on {rung.environment} to return from",
            kind="no-rollback-target",
            hint=f"its ledger: `inv ledger --env {rung.environment}`",
        )
    return tuple(name for target, name in names.items() if target in targets)


def _promoted(ledger: Mapping[str, Snapshot]) -> set[str]:
    return {target for target, each in ledger.items() if each.lock and each.lock.host == PIPELINE_HOST}


def _cut_off(ledger: Mapping[str, Snapshot]) -> set[str]:
    """Return the targets that a rollback which was cut off holds locked still: what it recorded it gave back."""
    holders = {target: process_of(each.lock) for target, each in ledger.items() if each.lock}
    pending = {target: cut_off.pending(each.lock) for target, each in ledger.items()}
    begun = {holders[target] for target, each in pending.items() if each and each.release.kind == ROLLBACK}
    return {target for target, process in holders.items() if process in begun}


def _out_of_step(rung: Rung, names: Mapping[str, str], ledger: Mapping[str, Snapshot]) -> set[str]:
    """Return the targets whose alias doesn't serve their current release, with those of a deploy that was cut off.

    Traffic is half shifted there, a version could not be put back, or a deploy ended before it was written down. Such a
    deploy may have been written down for some of its functions.
    """
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="aliases") as pool:
        aliases = dict(zip(names, pool.map(lambda name: rung.of_function(name).alias(), names.values()), strict=True))
    targets = {
        target
        for target, alias in aliases.items()
        if alias and (current := ledger[target].current) and not alias.serves(current.version)
    }
    pending = (cut_off.pending(ledger[target].lock) for target in targets)
    begun = {each.release.release_id for each in pending if each}
    return targets | {target for target, each in ledger.items() if each.current and each.current.release_id in begun}


def _newest(rung: Rung, ledger: Mapping[str, Snapshot]) -> set[str]:
    live = {target: each.current.release_id for target, each in ledger.items() if each.current}
    newest = max(live.values(), default="")
    behind = [target for target, release in live.items() if release != newest]
    entries = _entries(rung, behind, newest) if behind else {}
    unfinished = {each.environment for each in entries.values() if each.kind == ROLLBACK and each.result in _UNFINISHED}
    return unfinished or {target for target, release in live.items() if release == newest}


def _with_release(rung: Rung, targets: list[str], release_id: str) -> set[str]:
    return {each.environment for each in _entries(rung, targets, release_id).values()}


def _entries(rung: Rung, targets: list[str], release_id: str) -> dict[str, ReleaseEntry]:
    """Return each target's ledger entry of one release, where it has one, in one call for each hundred."""
    keys = [schema.RELEASE.key(environment=target, release_id=release_id) for target in targets]
    read = (schema.record(ReleaseEntry, item) for item in rung.ledger.batch(keys).values())
    return {entry.environment: entry for entry in read if entry}
