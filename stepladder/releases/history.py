"""`inv ledger`: what was released on a rung, and writing it anew out of the published versions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from stepladder.errors import RefusedError
from stepladder.releases.clock import ago
from stepladder.releases.ledger import short
from stepladder.releases.records import Release, Snapshot, shown_commit
from stepladder.releases.rung import Rung

HEAD = ("release", "kind", "result", "version", "digest", "commit", "by", "age", "cause")


def show(rung: Rung, limit: int) -> list[Release]:
    """Print the newest releases of a rung, newest first; a `*` stands before the one that is live."""
    snapshot = _snapshot(rung)
    found = rung.ledger.history(rung.environment, limit=limit)
    if rung.console.as_json:
        rung.console.json([asdict(release) for release in found])
        return found
    live = snapshot.current.release_id if snapshot.current else ""
    rows = [_row(release, release.release_id == live, rung.clock.now()) for release in found]
    rung.console.table(HEAD, rows)
    return found


def rebuild(rung: Rung) -> list[Release]:
    """Write the releases that the descriptions of published versions tell of and the ledger lacks; return those.

    A description doesn't say how its release ended, so each is written as succeeded, with that said as its cause. The
    lock is held: a release under way has published its version and not yet written its entry.
    """
    snapshot = _snapshot(rung)
    with rung.alone(snapshot.lock), ThreadPoolExecutor(8, thread_name_prefix="ledger") as pool:
        listed = rung.function.versions()
        images = pool.map(lambda version: rung.function.read(version.version), listed)
        versions = [
            (version.version, version.description, image.digest if image else "", version.modified)
            for version, image in zip(listed, images, strict=True)
        ]
        new = rung.ledger.rebuild(rung.environment, versions)
    for release in new:
        rung.console.line(f"  release {release.release_id}: version {release.version} ({short(release.digest)})")
    if new:
        rung.console.warn("whether they succeeded isn't known; each is written as succeeded, and rollback may offer it")
    rung.console.line(f"{rung.environment}: {len(new)} releases written, of {len(versions)} published versions")
    if rung.console.as_json:
        rung.console.json([asdict(release) for release in new])
    return new


def _snapshot(rung: Rung) -> Snapshot:
    snapshot = rung.ledger.snapshot(rung.environment)
    if not snapshot.exists:
        raise RefusedError("there is no ledger yet", hint=f"inv deploy --env {rung.environment} makes it")
    return snapshot


def _row(release: Release, live: bool, now: float) -> tuple[str, ...]:
    return (
        f"{'*' if live else ' '} {release.release_id}",
        release.kind,
        release.result,
        release.version or "-",
        short(release.digest) or "-",
        shown_commit(release.git_commit) or "-",
        release.requested_by,
        ago(release.ended_at or release.started_at, now),
        release.cause or "-",
    )
