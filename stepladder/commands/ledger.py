"""`inv ledger.rebuild`: write the releases that the ledger lost, from the published versions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from stepladder.commands.status_many import of_functions
from stepladder.core.errors import RefusedError
from stepladder.core.release_facts import short
from stepladder.ledger import rebuild as rebuilding
from stepladder.ledger.schema import UNKNOWN, ReleaseEntry
from stepladder.ledger.snapshot import Snapshot
from stepladder.ledger.words import result_words
from stepladder.releases import cut_off
from stepladder.releases.rung import Rung


def rebuild_all(rung: Rung, function: str) -> None:
    """Rebuild the releases of each function, one after the other."""
    written = [entry for view in of_functions([rung], function) for entry in rebuild(view)]
    if rung.console.as_json:
        rung.console.json([asdict(entry) for entry in written])


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
