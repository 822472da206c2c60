"""The ledger: its table, locks that a run left, previews past their time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stepladder.core.aws import ABSENT_IN_S3, error_code
from stepladder.core.clock import ago, seconds_of
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, NOTE, WARNING, Finding, SafeFix
from stepladder.ledger.items import NOT_FOUND


def table(context: DoctorContext) -> Iterator[Finding]:
    """Yield what is wrong with the ledger's table: gone, not to be restored, or easily deleted."""
    client, name = context.client("dynamodb"), context.names.ledger_table
    fix = context.restored_by("foundation")
    try:
        described = client.describe_table(TableName=name)["Table"]
    except Exception as error:
        if error_code(error) != NOT_FOUND:
            raise
        if _has_bucket(context):
            yield Finding(ERROR, context.named(name), "the ledger is gone, and with it every release that it knew", fix)
        return
    if not described.get("DeletionProtectionEnabled"):
        act = SafeFix(f"protect {context.named(name)} from deletion", lambda: _protect(client, name))
        yield Finding(
            WARNING, context.named(name), "may be deleted by one call: its deletion protection is off", fix, act
        )
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    if backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") != "ENABLED":
        act = SafeFix(f"turn on point-in-time recovery of {context.named(name)}", lambda: _recovery(client, name))
        yield Finding(WARNING, context.named(name), "can't be restored: its point-in-time recovery is off", fix, act)


def _has_bucket(context: DoctorContext) -> bool:
    """Say whether a foundation was made there at some time: its state bucket is never destroyed with an environment."""
    try:
        context.client("s3").head_bucket(Bucket=context.names.state_bucket)
    except Exception as error:
        if error_code(error) in ABSENT_IN_S3:
            return False
        raise
    return True


def _protect(client: Any, name: str) -> None:
    client.update_table(TableName=name, DeletionProtectionEnabled=True)


def _recovery(client: Any, name: str) -> None:
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )


def environment(context: DoctorContext) -> Iterator[Finding]:
    """Yield that nothing is deployed yet, that destroying was cut off, or that a run that died left its lock."""
    name, ledger = context.environment, context.ledger()
    if destruction := context.destruction:
        text = f"destroying it began {ago(destruction.since, context.clock.now())} ago and has not ended"
        yield Finding(
            ERROR, name, text, f"go on: `inv destroy --env {name}`; or make it again: `inv deploy --env {name}`"
        )
        return
    if not context.deployed():
        yield Finding(NOTE, name, "nothing is deployed yet", _first(context))
    for rung in context.functions():
        lock = ledger[rung.target].lock
        if lock and lock.expires and rung.lock.is_over(lock):
            text = f"{lock.owner} left its lock {ago(lock.since, context.clock.now())} ago ({lock.command})"
            yield Finding(NOTE, rung.target, text, f"the next run takes it over; or `inv unlock {rung.flags}` shows it")


def _first(context: DoctorContext) -> str:
    """Return the command that deploys an environment the first time."""
    settings, name = context.settings, context.environment
    above = name in settings.ladder_environments and name not in settings.rungs[0]
    return "`inv promote`" if above else f"`inv deploy --env {name}`"


def previews(context: DoctorContext) -> Iterator[Finding]:
    """Yield which previews are past their time to live, and cost on."""
    if not context.has_foundation:
        return
    now = context.clock.now()
    for name, preview in sorted(context.rung.ledger.previews().items()):
        if seconds_of(preview.until) < now:
            text = f"its time ended {ago(preview.until, now)} ago, and no sweep has destroyed it"
            yield Finding(WARNING, name, text, f"`inv preview.destroy --env {name}`")
