"""What Terraform applied beside what $LATEST has now: a configuration that was changed by hand must not go live unseen.

Terraform owns the configuration, and a release publishes whatever $LATEST has. So the ledger keeps the hash of what the
last apply left, and nothing is published that differs from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.core.errors import RefusedError
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases.rollback_target import differences
from stepladder.releases.rung import Rung


def applied_hash(ledger: Snapshot) -> str:
    """Return the hash of the configuration that Terraform left; empty when the ledger doesn't say.

    An older stepladder recorded none: then it is that of the release, if nothing was applied since.
    """
    infra, current = ledger.infra, ledger.current
    if infra is None:
        return ""
    if infra.config_hash or current is None:
        return infra.config_hash
    return current.config_hash if current.infra_hash and current.infra_hash == infra.input_hash else ""


def now(rung: Rung) -> str:
    """Return the hash of the configuration that $LATEST has; empty when there is no function."""
    latest = rung.function.read()
    return latest.config_hash if latest else ""


def has_drifted(ledger: Snapshot, latest: FunctionState | None) -> bool:
    """Say whether $LATEST has another configuration than Terraform gave it."""
    applied = applied_hash(ledger)
    return bool(latest and applied and latest.config_hash != applied)


def changes(rung: Rung, ledger: Snapshot, latest: FunctionState, served: FunctionState | None = None) -> list[str]:
    """Name the attributes in which $LATEST differs from the released version, which has what was applied.

    Where an apply has not been released yet, its own changes are among them.
    """
    if served is None and ledger.current:
        served = rung.function.read(ledger.current.version)
    return differences(served.configuration if served else {}, latest.configuration)


def to_repair(rung: Rung, ledger: Snapshot, latest: FunctionState, *, infra: str) -> list[str]:
    """Return what was changed by hand and an apply has to set back before a release; empty for nothing.

    Raises `RefusedError` where `infra` is never.
    """
    if not has_drifted(ledger, latest):
        return []
    changed = changes(rung, ledger, latest)
    if changed and infra == "never":
        raise refused(rung, changed, "--infra never forbids to set it back")
    return changed


def refused(rung: Rung, changed: Sequence[str], why: str) -> RefusedError:
    """Return the error for a configuration that nobody may publish."""
    where = f"--env {rung.environment} --root service"
    return RefusedError(
        f"the configuration of {rung.names.function} was changed by hand, and {why}: {'; '.join(changed) or 'unknown'}",
        kind="changed-by-hand",
        hint=f"nothing was published; set it back: `inv tf.plan {where}`, `inv tf.apply {where}`; "
        f"or keep what Terraform leaves alone: `inv deploy {rung.flags} --infra always`",
    )
