"""Log groups: each keeps what the settings say, and none forever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import NOTE, WARNING, Finding

_PIPELINE = ("relay", "rollback", "validate", "verify")


def functions(context: DoctorContext) -> Iterator[Finding]:
    """Yield which log group of a function is gone, or keeps everything forever."""
    groups = context.once("log groups", lambda: _groups(context))
    fix = context.restored_by("service")
    for rung in context.deployed():
        name = rung.names.log_group
        if name not in groups:
            yield Finding(
                NOTE, rung.target, f"the log group {name} is gone; Lambda makes one that keeps all forever", fix
            )
        elif not groups[name]:
            yield Finding(WARNING, rung.target, f"{name} keeps everything forever, which costs more each month", fix)


def pipeline(context: DoctorContext) -> Iterator[Finding]:
    """Yield which log group of the pipeline's functions keeps everything forever."""
    groups = context.once("log groups", lambda: _groups(context))
    for verb in _PIPELINE:
        name = f"/aws/lambda/{context.names.pipeline_function(verb)}"
        if name in groups and not groups[name]:
            fix = context.restored_by("delivery")
            yield Finding(WARNING, context.named(name), "keeps everything forever, which costs more each month", fix)


def _groups(context: DoctorContext) -> dict[str, int]:
    """Return the days that each log group of the project's functions keeps; 0 for forever."""
    client, prefix = context.client("logs"), f"/aws/lambda/{context.names.project}-"
    groups: dict[str, int] = {}
    more: dict[str, Any] = {}
    while True:
        answer = client.describe_log_groups(logGroupNamePrefix=prefix, limit=50, **more)
        groups |= {each["logGroupName"]: int(each.get("retentionInDays") or 0) for each in answer["logGroups"]}
        if not answer.get("nextToken"):
            return groups
        more = {"nextToken": answer["nextToken"]}
