"""What a rollback returns to: the version and the image of what is live, and of the good release before it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from stepladder.core.release_facts import short
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, WARNING, Finding
from stepladder.images.registry import ecr
from stepladder.ledger.schema import Current, ReleaseEntry
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import rollback_target
from stepladder.releases.rung import Rung

_MOST = 20
"""Good releases that are read for one with another image than the live one."""


def targets(context: DoctorContext) -> Iterator[Finding]:
    """Yield whose live version or image is gone, and who has no release before it that can serve."""
    ledger = context.ledger()
    yield from context.each(lambda rung: _of_function(rung, ledger[rung.target]))


def _of_function(rung: Rung, snapshot: Snapshot) -> Iterator[Finding]:
    current = snapshot.current
    if current is None or snapshot.destroying:
        return
    before = _before(rung, current)
    held = ecr.held(rung.aws, rung.names, [current.digest, *([before.digest] if before else [])])
    if current.digest not in held:
        text = f"the live image {short(current.digest)} is gone from ECR: Lambda can't start it again once it is idle"
        yield Finding(ERROR, rung.target, text, f"`inv deploy {rung.flags} --force`")
    if rung.released_version(current) is None:
        text = f"version {current.version}, which the ledger calls live, is gone or has another image"
        yield Finding(ERROR, rung.target, text, f"`inv status --env {rung.environment}`")
    if before is None:
        return
    lost = "" if before.digest in held else f"its image {short(before.digest)} is gone from ECR"
    lost = lost or ("" if rung.function.read(before.version) else f"its version {before.version} is gone")
    if lost:
        text = f"no rollback can return to the release before, {before.release_id}: {lost}"
        yield Finding(
            WARNING, rung.target, text, f"`inv ledger {rung.flags}` names others; a deploy of a fix is a way, too"
        )


def _before(rung: Rung, current: Current) -> ReleaseEntry | None:
    """Return the release that `inv rollback` returns to: not one that a rollback left, nor one that is marked bad."""
    newest = tuple(islice(rung.ledger.succeeded(rung.target), _MOST))
    others = (each for each in rollback_target.earlier(newest, current) if each.version != current.version)
    return next((each for each in others if not rung.ledger.is_bad(each.digest)), None)
