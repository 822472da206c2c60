"""Which published versions of a function can go: ours, and neither served, recently released, young, nor in use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.core.aws import error_code
from stepladder.core.release_facts import NOT_FOUND, release_of
from stepladder.releases import retention
from stepladder.releases.retention import PUBLISHED, RELEASED, SERVED
from stepladder.releases.rung import Rung
from stepladder.releases.version_users import VersionUsers

FOREIGN, YOUNG = "foreign", "young"


@dataclass(frozen=True)
class VersionPlan:
    """Which versions of a function go, oldest first, and how many stay for which reason."""

    function: str
    target: str
    delete: tuple[FunctionState, ...] = ()
    kept: Mapping[str, int] = field(default_factory=dict)


def plan(rung: Rung, users: VersionUsers, keep: int, before: datetime) -> VersionPlan:
    """Plan the pruning of one function: the last `keep` good releases and the newest `keep` versions stay.

    A version that was published after `before` stays, and one that no release of ours published. Who uses the others is
    asked for those alone.
    """
    try:
        versions = rung.function.versions()
    except Exception as error:
        if error_code(error) != NOT_FOUND:
            raise
        return VersionPlan(rung.names.function, rung.target)
    reasons = _needed(rung, versions, keep)
    for each in versions:
        if each.version in reasons:
            continue
        if not release_of(each.description):
            reasons[each.version] = FOREIGN
        elif _published_at(each) >= before:
            reasons[each.version] = YOUNG
    rest = [each for each in versions if each.version not in reasons]
    reasons |= users.of(rung.names.function, rest, callers=True)
    delete = tuple(each for each in rest if each.version not in reasons)
    kept = Counter(reasons[each.version] for each in versions if each.version in reasons)
    return VersionPlan(rung.names.function, rung.target, delete, dict(kept))


def _needed(rung: Rung, versions: list[FunctionState], keep: int) -> dict[str, str]:
    """Return the versions that traffic, a rollback or a run under way needs, by the ledger and by Lambda."""
    snapshot = rung.ledger.snapshot(rung.target) if versions else None
    released = [release.version for release in islice(rung.ledger.succeeded(rung.target), keep)] if versions else []
    served = {*(retention.aliased(rung.function) or ())}
    if snapshot and snapshot.current:
        served.add(snapshot.current.version)
    if snapshot and snapshot.lock:
        served |= {snapshot.lock.version, snapshot.lock.previous_version, snapshot.lock.moved_to}
    newest = [state.version for state in versions[-keep:]]
    return {
        **dict.fromkeys(newest, PUBLISHED),
        **dict.fromkeys(released, RELEASED),
        **dict.fromkeys(served, SERVED),
    }


def _published_at(version: FunctionState) -> datetime:
    """Return when a version was published; a time that can't be read is now."""
    try:
        return datetime.strptime(version.modified, "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        return datetime.now(UTC)
