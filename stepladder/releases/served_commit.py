"""The commit of what an environment serves, and of an image that it released.

A version's description names the release that published it, and that one's commit. Lambda publishes no second version
of the same code and configuration, so a release that comes after a refused one serves the refused one's version. The
ledger has its own commit then.
"""

from __future__ import annotations

from stepladder.core.release_facts import belongs_to
from stepladder.ledger.schema import SUCCEEDED, Current, ReleaseEntry
from stepladder.ledger.table import Ledger

_COMMIT = "git="
_READ = 100  # releases that are looked through


def read(ledger: Ledger, target: str, version: str, described: str, current: Current | None) -> str:
    """Return the commit of a version that a target serves, which is described so; empty when nobody knows it.

    `current` is what the ledger says of the target. The release is read only where the description is of another one.
    """
    if current and current.version == version and not belongs_to(described, current.release_id):
        entry = ledger.find(target, current.release_id)
        if entry and entry.version == version and entry.git_commit:
            return entry.git_commit
    return next((part.removeprefix(_COMMIT) for part in described.split() if part.startswith(_COMMIT)), "")


def released(ledger: Ledger, target: str, digest: str) -> ReleaseEntry | None:
    """Return the newest release of an image that succeeded, else the newest one that failed; None without any."""
    entries = [entry for entry in ledger.history(target, limit=_READ) if entry.digest == digest]
    return next((entry for entry in entries if entry.result == SUCCEEDED), entries[0] if entries else None)
