"""`inv ledger`: what was released on a rung, and rebuilding it from the published versions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from stepladder.core.clock import ago
from stepladder.core.display import plain_cause
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.release_facts import short
from stepladder.core.tables import Cell, Column
from stepladder.ledger import rebuild as rebuilding
from stepladder.ledger.schema import FAILED, ROLLBACK_FAILED, ROLLED_BACK, SUCCEEDED, UNKNOWN, ReleaseEntry
from stepladder.ledger.snapshot import Snapshot
from stepladder.ledger.words import result_words, shown_commit
from stepladder.releases import cut_off
from stepladder.releases.rung import Rung

HEAD = (
    "release",
    Column("kind", spare=2),
    "result",
    "version",
    Column("digest", spare=1),
    Column("commit", spare=3),
    Column("by", least=8, spare=4),
    "age",
    Column("cause", least=30, prose=True),
)
_COLOURS = {SUCCEEDED: "green", FAILED: "red", ROLLED_BACK: "yellow", ROLLBACK_FAILED: "red", UNKNOWN: "yellow"}


def show(rung: Rung, limit: int, release_id: str = "") -> list[ReleaseEntry]:
    """Print the newest releases of a rung, newest first, or one in full; a `*` stands before the one that is live."""
    if release_id:
        return [_show_release(rung, release_id)]
    check_limit(limit)
    snapshot = existing(rung)
    releases = rung.ledger.history(rung.target, limit=limit)
    if rung.console.as_json:
        rung.console.json([asdict(release) for release in releases])
        return releases
    live = snapshot.current.release_id if snapshot.current else ""
    rows = [row(release, release.release_id == live, rung.clock.now()) for release in releases]
    rung.console.table(HEAD, rows)
    return releases


def check_limit(limit: int) -> None:
    """Refuse a `--limit` that shows nothing."""
    if limit < 1:
        raise BadInputError(
            f"--limit is {limit}", kind="bad-arguments", hint="allowed: a number from 1, like `--limit 20`"
        )


def _show_release(rung: Rung, release_id: str) -> ReleaseEntry:
    """Print one release in full, with the mark of its image if there is one."""
    snapshot = existing(rung)
    release = rung.ledger.find(rung.target, release_id)
    if release is None:
        raise BadInputError(
            f"{rung.target} has no release {release_id!r}",
            kind="unknown-release",
            hint=f"its releases: `inv ledger {rung.flags}`",
        )
    bad = rung.ledger.marks([release.digest]).get(release.digest)
    if rung.console.as_json:
        rung.console.json({**asdict(release), "bad": asdict(bad) if bad else None})
        return release
    is_live = snapshot.current is not None and snapshot.current.release_id == release.release_id
    shown = {
        "release": release.release_id + (" (live)" if is_live else ""),
        "environment": release.environment,
        "kind": release.kind + (" (hotfix)" if release.hotfix else ""),
        "result": Cell(result_words(release.result), _COLOURS.get(release.result, "")),
        "cause": plain_cause(release.cause),
        "past the ladder": release.skipped_ladder,
        "version": release.version,
        "version before": release.previous_version,
        "image digest": release.digest,
        "marked bad": Cell(f"by {bad.by} at {bad.marked_at}: {plain_cause(bad.why)}", "red") if bad else "",
        "commit": release.git_commit,
        "by": release.requested_by,
        "started": release.started_at,
        "ended": release.ended_at,
        "Terraform plan": release.plan_id,
        "promotion": release.execution_arn,
        "deployment": release.deployment_id,
    }
    rung.console.fields([(name, value) for name, value in shown.items() if value])
    return release


def rebuild(rung: Rung) -> list[ReleaseEntry]:
    """Write the releases that the descriptions of published versions name and the ledger lacks; return those.

    A description doesn't say how its release ended: unless its version is known to have served, its result is unknown,
    and rollback takes it only by name, once it passes the smoke cases. The lock is held: a release under way has
    published its version and not yet written its entry.
    """
    snapshot = existing(rung)
    with rung.locked(snapshot.lock), ThreadPoolExecutor(8, thread_name_prefix="ledger") as pool:
        alias = rung.alias()
        cut_off.adopt(rung, alias, existing(rung))
        listed = rung.function.versions()
        images = pool.map(lambda version: rung.function.read(version.version), listed)
        versions = [
            (version.version, version.description, image.digest if image else "", version.modified)
            for version, image in zip(listed, images, strict=True)
        ]
        live = alias.version if alias and not alias.weights else ""
        new = rebuilding.rebuild(rung.ledger, rung.target, versions, live)
    for release in new:
        text = f"version {release.version} ({short(release.digest)}), {result_words(release.result)}"
        rung.console.line(f"  release {release.release_id}: {text}")
    unknown = [release.release_id for release in new if release.result == UNKNOWN]
    if unknown:
        rung.console.warn(
            "whether the unknown ones were ever tested isn't known: for example `inv rollback "
            f"{rung.flags} --to {unknown[-1]}` takes that one once it passes the smoke cases"
        )
    rung.console.line(f"{rung.target}: {len(new)} releases written, of {len(versions)} published versions")
    return new


def existing(rung: Rung) -> Snapshot:
    """Read the rung's part of the ledger. Raises `RefusedError` when there is no ledger yet."""
    snapshot = rung.ledger.snapshot(rung.target)
    if not snapshot.exists:
        rung.check_caller()
        raise RefusedError("there is no ledger yet", kind="nothing-live", hint=f"`inv deploy {rung.flags}` makes it")
    return snapshot


def row(release: ReleaseEntry, live: bool, now: float) -> tuple[Cell | str, ...]:
    """Return a release as a row of the table."""
    return (
        Cell(f"{'*' if live else ' '} {release.release_id}", "bold" if live else ""),
        release.kind,
        Cell(result_words(release.result), _COLOURS.get(release.result, "")),
        release.version or "-",
        short(release.digest) or "-",
        Cell(shown_commit(release.git_commit) or "-", "yellow" if release.git_commit.endswith("-dirty") else ""),
        release.requested_by,
        ago(release.ended_at or release.started_at, now),
        plain_cause(release.remarks) or "-",
    )
