"""`inv ledger` of a project with several functions: the releases of all of an environment's in one table.

Functions that were released together share the id of the release. Many of them are one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice

from stepladder.commands import ledger
from stepladder.commands.status_many import of_functions
from stepladder.core.errors import BadInputError
from stepladder.core.names import split_target
from stepladder.core.release_facts import short
from stepladder.core.tables import Cell
from stepladder.ledger.schema import ReleaseEntry
from stepladder.ledger.words import shown_commit
from stepladder.releases.rung import Rung
from stepladder.settings.functions import MAIN

SPELLED_OUT = 10
"""Functions of one release that have a row each."""
_AT_ONCE = 16


def show(rung: Rung, function: str, limit: int, release_id: str = "") -> list[ReleaseEntry]:
    """Print the newest releases of an environment, or one release; of one function as `ledger.show` does."""
    views = of_functions([rung], function)
    if len(views) == 1:
        return ledger.show(views[0], limit, release_id)
    ledger.check_limit(limit)
    ledger.existing(views[0])
    if release_id:
        return _show_release(rung, views, release_id)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ledger") as pool:
        histories = list(pool.map(lambda view: view.ledger.history(view.target, limit=limit), views))
    entries = sorted((entry for each in histories for entry in each), key=lambda entry: entry.release_id, reverse=True)
    groups = list(islice(_groups(entries), limit))
    if rung.console.as_json:
        shown = [entry for group in groups for entry in group]
        rung.console.json([asdict(entry) for entry in shown])
        return shown
    return _print(rung, views, groups)


def rebuild(rung: Rung, function: str) -> None:
    """Rebuild the releases of each function, one after the other."""
    written = [entry for view in of_functions([rung], function) for entry in ledger.rebuild(view)]
    if rung.console.as_json:
        rung.console.json([asdict(entry) for entry in written])


def _show_release(rung: Rung, views: Sequence[Rung], release_id: str) -> list[ReleaseEntry]:
    """Print a release in full, or, of several functions, a row for each."""
    entries = rung.ledger.entries({view.target: release_id for view in views})
    if not entries:
        raise BadInputError(
            f"{rung.environment} has no release {release_id!r}",
            kind="unknown-release",
            hint=f"its releases: `inv ledger --env {rung.environment}`",
        )
    if len(entries) == 1:
        (only,) = (view for view in views if view.target in entries)
        return ledger.show(only, 1, release_id)
    if rung.console.as_json:
        rung.console.json([asdict(entry) for entry in entries.values()])
        return list(entries.values())
    shown = _print(rung, views, [[entry] for entry in entries.values()])
    named = next(name for target in entries if (name := split_target(target)[1]))
    rung.console.hint(f"all of one: `inv ledger --env {rung.environment} --function {named} --release {release_id}`")
    return shown


def _groups(entries: Sequence[ReleaseEntry]) -> list[list[ReleaseEntry]]:
    """Return the entries, newest first; those of many functions that were released alike together."""
    alike: dict[tuple[str, str, str], list[ReleaseEntry]] = {}
    for entry in entries:
        alike.setdefault((entry.release_id, entry.kind, entry.result), []).append(entry)
    groups: list[list[ReleaseEntry]] = []
    for group in alike.values():
        groups += [group] if len(group) > SPELLED_OUT else [[entry] for entry in group]
    return groups


def _print(rung: Rung, views: Sequence[Rung], groups: Sequence[list[ReleaseEntry]]) -> list[ReleaseEntry]:
    snapshots = rung.ledger.snapshots([view.target for view in views])
    live = {(target, each.current.release_id) for target, each in snapshots.items() if each.current}
    now, rows = rung.clock.now(), []
    for group in groups:
        is_live = any((entry.environment, entry.release_id) in live for entry in group)
        rows.append(_row(group, now, is_live=is_live))
    rung.console.table((ledger.HEAD[0], "function", *ledger.HEAD[1:]), rows)
    if large := next((group for group in groups if len(group) > 1), None):
        release = f"--env {rung.environment} --release {large[0].release_id}"
        rung.console.hint(f"a row for each function: `inv ledger {release}`")
    return [entry for group in groups for entry in group]


def _row(group: Sequence[ReleaseEntry], now: float, *, is_live: bool) -> tuple[Cell | str, ...]:
    first, kind, result, version, digest, commit, *rest = ledger.row(group[0], is_live, now)
    if len(group) == 1:
        function = split_target(group[0].environment)[1] or MAIN
        return (first, function, kind, result, version, digest, commit, *rest)
    digests, commits = {short(entry.digest) for entry in group}, {shown_commit(entry.git_commit) for entry in group}
    digest = digest if len(digests) == 1 else f"{len(digests)} images"
    commit = commit if len(commits) == 1 else f"{len(commits)} commits"
    return (first, f"{len(group)} functions", kind, result, "-", digest, commit, *rest)
