"""`inv function.prune`: delete the versions that nothing needs any more. Read, print the plan, ask, act, read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from stepladder.core.aws import error_code
from stepladder.core.clock import is_throttled, retrying
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.release_facts import NOT_FOUND
from stepladder.images import prune as images_prune
from stepladder.releases import version_retention
from stepladder.releases.rung import Rung
from stepladder.releases.version_retention import VersionPlan
from stepladder.releases.version_users import VersionUsers
from stepladder.settings import functions

_AT_ONCE = 4
_SECONDS = 120.0  # Lambda takes 15 changes a second from an account
_USED = "ResourceConflictException"


class PrunedFunction(TypedDict):
    """The versions of one function: those that went, or would, and how many stay for which reason."""

    function: str
    deleted: list[str]
    kept: dict[str, int]


class PrunedVersions(TypedDict):
    """What a pruning of versions did. `result` is `pruned`, `unchanged` or `dry_run`."""

    environment: str
    result: str
    keep: int
    functions: list[PrunedFunction]


@dataclass(frozen=True)
class VersionPruneOptions:
    """What was typed."""

    keep: int = 0
    min_age_hours: int = 24
    yes: bool = False
    dry_run: bool = False

    def flags(self, function: str) -> str:
        """Return the flags that decide what goes, as they were typed, each behind a space."""
        return (f" --function {function}" if function else "") + images_prune.flags(self.keep, self.min_age_hours)


def prune(rung: Rung, function: str, options: VersionPruneOptions) -> PrunedVersions:
    """Prune the versions of one function, or of all, and return the record that `--json` prints.

    Raises `RefusedError` when there is something to delete and nobody said yes, and `LockedError` while somebody is at
    work on a function.
    """
    if options.min_age_hours < 0:
        raise BadInputError(
            f"--min-age-hours is {options.min_age_hours}",
            kind="bad-arguments",
            hint="give a number of hours from 0 on, like `--min-age-hours 24`",
        )
    keep = rung.settings.image.kept_releases(options.keep)
    rung.check_caller()
    views = functions.views(rung.settings, function)
    rungs = [rung.of_function(name) for name in views]
    keeps = {each.target: each.settings.image.kept_releases(options.keep) for each in rungs}
    users = VersionUsers(rung.lambda_client, rung.clock)

    def read(each: Rung) -> VersionPlan:
        before = datetime.now(UTC) - timedelta(hours=options.min_age_hours)
        return version_retention.plan(each, users, keeps[each.target], before)

    with rung.console.step("versions") as step, ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="versions") as pool:
        plans = list(pool.map(read, rungs))
        count = sum(len(each.delete) for each in plans)
        step.done(f"{count} to delete, of {len(plans)} function{'s' if len(plans) > 1 else ''}")
    record = _record(rung, "unchanged", keep, plans, {})
    if not count:
        return record
    _show(rung, plans)
    if options.dry_run:
        return _record(rung, "dry_run", keep, plans, {each.target: _numbers(each) for each in plans})
    what = f"{count} version{'s' if count > 1 else ''}"
    if not options.yes and not rung.console.ask(f"delete {what}?"):
        raise RefusedError(
            f"{what} would be deleted, and nobody said yes",
            kind="not-confirmed",
            hint=f"delete them: `inv function.prune --env {rung.environment}{options.flags(function)} --yes`",
        )
    deleted = {}
    with rung.console.step("delete") as step:
        for each, planned in zip(rungs, plans, strict=True):
            if planned.delete:
                step.progress(f"versions of {each.names.function}")
                deleted[each.target] = _delete(each, read, planned)
        step.done(f"{sum(map(len, deleted.values()))} versions, verified")
    return _record(rung, "pruned", keep, plans, deleted)


def _delete(rung: Rung, read: Callable[[Rung], VersionPlan], planned: VersionPlan) -> list[str]:
    """Delete under the function's lock what is still unneeded: a rollback may have come in between."""
    with rung.locked(rung.ledger.snapshot(rung.target).lock):
        still = set(_numbers(read(rung)))
        doomed = [version for version in _numbers(planned) if version in still]
        for version in doomed:
            rung.lock.check()
            _delete_one(rung, version)
        left = {state.version for state in rung.function.versions()}
    return [version for version in doomed if version not in left]


def _delete_one(rung: Rung, version: str) -> None:
    """Delete a version; one that is gone is fine, and one that an alias has got meanwhile stays."""
    try:
        retrying(
            lambda: rung.lambda_client.delete_function(FunctionName=rung.names.function, Qualifier=version),
            rung.clock,
            timeout=_SECONDS,
            passes=is_throttled,
        )
    except Exception as error:
        if error_code(error) == _USED:
            rung.console.warn(f"version {version} of {rung.names.function} is in use now, and stays")
        elif error_code(error) != NOT_FOUND:
            raise


def _numbers(planned: VersionPlan) -> list[str]:
    return [each.version for each in planned.delete]


def _show(rung: Rung, plans: Sequence[VersionPlan]) -> None:
    if rung.console.as_json:
        return
    rows = [
        (
            each.function,
            ", ".join(_numbers(each)),
            ", ".join(f"{count} {why}" for why, count in sorted(each.kept.items())),
        )
        for each in plans
        if each.delete
    ]
    rung.console.table(("function", "versions to delete", "to stay"), rows)


def _record(
    rung: Rung, result: str, keep: int, plans: Sequence[VersionPlan], deleted: dict[str, list[str]]
) -> PrunedVersions:
    return {
        "environment": rung.environment,
        "result": result,
        "keep": keep,
        "functions": [
            {"function": each.function, "deleted": deleted.get(each.target, []), "kept": dict(each.kept)}
            for each in plans
        ],
    }
