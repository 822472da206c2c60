"""Which functions a rollback of a project with several is about, when nobody names any."""

from __future__ import annotations

from collections.abc import Mapping

from stepladder.core.errors import RefusedError
from stepladder.ledger import schema
from stepladder.ledger.lock import process_of
from stepladder.ledger.schema import PIPELINE_HOST, ROLLBACK, ReleaseEntry
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import cut_off
from stepladder.releases.rung import Rung

_UNFINISHED = (schema.FAILED, schema.ROLLBACK_FAILED)


def released_together(rung: Rung, release_id: str = "") -> tuple[str, ...]:
    """Return the functions that the newest release of an environment left live, or that have a release of this id.

    Before that come the functions that a promotion is at work on, and those that a rollback has not returned yet: it
    was cut off, or failed for some. Raises `RefusedError` when there is none.
    """
    names = {rung.of_function(name).target: name for name in rung.settings.function_names}
    ledger = rung.ledger.snapshots(list(names))
    if release_id:
        targets = _with_release(rung, list(names), release_id)
    else:
        targets = _promoted(ledger) or _cut_off(ledger) or _newest(rung, ledger)
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
