"""An environment whose destroying was cut off: a deploy makes it again, a promotion leaves it alone."""

from __future__ import annotations

from collections.abc import Mapping

from stepladder.core.errors import RefusedError
from stepladder.ledger import destruction
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases.rung import Rung


def warn(rung: Rung, ledger: Snapshot) -> None:
    """Print that a destroy began here and has not ended, and what a deploy makes of that."""
    if begun := ledger.destroying:
        rung.console.warn(
            f"{rung.environment} is half destroyed: {begun.owner} began at {begun.since}; this deploy makes it again"
        )
        rung.console.hint(f"to go on destroying it instead: `inv destroy --env {rung.environment}`")


def end(rung: Rung, ledger: Snapshot) -> None:
    """Take the record of the destroying away, under the environment's lock: what it took is about to be applied."""
    if ledger.destroying:
        destruction.end(rung.ledger, rung.environment)


def refuse(snapshots: Mapping[str, Snapshot]) -> None:
    """Refuse to promote to an environment that is half destroyed."""
    for environment, snapshot in snapshots.items():
        if begun := snapshot.destroying:
            raise RefusedError(
                f"{environment} is half destroyed: {begun.owner} began at {begun.since}",
                kind="half-destroyed",
                hint=f"end it: `inv destroy --env {environment}`, then `inv promote` creates it; "
                f"or make it again as it was: `inv deploy --env {environment}`",
            )
