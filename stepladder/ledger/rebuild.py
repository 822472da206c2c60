"""Write the releases that the ledger lost, out of what published versions say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stepladder.core.errors import StepladderError
from stepladder.core.release_facts import DESCRIPTION, short
from stepladder.ledger.schema import SUCCEEDED, UNKNOWN, ReleaseEntry
from stepladder.ledger.table import Ledger


def rebuild(
    ledger: Ledger, environment: str, versions: Iterable[tuple[str, str, str, str]], live: str = ""
) -> list[ReleaseEntry]:
    """Write the releases that published versions name and the ledger lacks; return those that were new.

    `versions` are (version, Description, digest, last modified), `live` is the version that the alias serves. A
    version whose description isn't ours is passed over, and so is one that the ledger has under another release.
    How a release ended isn't in a description: it succeeded if its version serves, or the ledger says that one
    followed it; else its result is unknown. Running it again writes nothing.
    """
    entries = list(ledger.releases(environment))
    known = {(entry.version, entry.digest) for entry in entries}
    served = {live, *(entry.previous_version for entry in entries if entry.result == SUCCEEDED)} - {""}
    new = []
    previous = ""
    for version, text, digest, modified in versions:
        described = re.fullmatch(DESCRIPTION, text)
        if not described:
            continue
        if digest and short(digest) != described["image"]:
            raise StepladderError(
                f"version {version} says it has image {described['image']} but has {short(digest)}",
                kind="ledger-unclear",
                hint="somebody changed its description; its release is not rebuilt. `inv status` shows what serves",
            )
        succeeded = version in served
        if (version, digest) not in known:
            release = ReleaseEntry(
                release_id=described["release"],
                environment=environment,
                kind="deploy",
                version=version,
                previous_version=previous if succeeded else "",
                digest=digest,
                git_commit=described["git"],
                requested_by="rebuilt",
                result=SUCCEEDED if succeeded else UNKNOWN,
                started_at=modified,
                ended_at=modified,
                cause="rebuilt from the description of the version"
                + (", which served" if succeeded else "; whether it was tested, or served, isn't known"),
            )
            if ledger.write(release):
                new.append(release)
        previous = version if succeeded else previous
    return new
