"""What a test releases by hand, written into the ledger as `inv deploy` would."""

from __future__ import annotations

import time

from stepladder.core.clock import stamp
from stepladder.core.process_identity import release_id
from stepladder.ledger.schema import SUCCEEDED, Current, ReleaseEntry
from stepladder.ledger.table import Ledger


def write_release(ledger: Ledger, environment: str, version: str, digest: str) -> None:
    """Write that an environment serves a version, and the release that put it there."""
    was = ledger.snapshot(environment).current
    now = time.time()
    entry = ReleaseEntry(
        release_id=release_id(now, was.release_id if was else ""),
        environment=environment,
        kind="deploy",
        version=version,
        previous_version=was.version if was else "",
        digest=digest,
        git_commit="c0ffee",
        requested_by="the test",
        result=SUCCEEDED,
        started_at=stamp(now),
        ended_at=stamp(now),
    )
    ledger.write(entry)
    ledger.set_current(environment, Current(entry.release_id, version, digest, "", "", ""), was=was)
