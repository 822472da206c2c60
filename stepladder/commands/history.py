"""`inv history`, which `inv ledger` is another name of: what was released, promoted and rolled back, newest first.

Functions that were released together share the id of the release. Many of them are one row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice, takewhile
from typing import Any

from stepladder.commands import every_rung, history_rows
from stepladder.commands.ledger import existing
from stepladder.commands.status_many import of_functions
from stepladder.core import git
from stepladder.core import since as moments
from stepladder.core.clock import stamp
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.core.names import flags_of, split_target
from stepladder.ledger.schema import Bad, ReleaseEntry
from stepladder.releases.rung import Rung
from stepladder.settings import functions
from stepladder.settings.functions import MAIN

SPELLED_OUT = 10
"""Functions of one release that have a row each."""
_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class HistoryEntry(ReleaseEntry):
    """One release. `seconds` is how long it took, `live` says that it is what its target serves by the ledger.

    `commit_title` is the first line of the commit's message, where git knows the commit.
    """

    seconds: float | None
    live: bool
    commit_title: str


@dataclass(frozen=True, kw_only=True)
class WholeHistoryEntry(HistoryEntry):
    """One release, with the mark of its image if that was marked bad."""

    bad: Bad | None


History = list[HistoryEntry] | WholeHistoryEntry


@dataclass(frozen=True)
class HistoryOptions:
    """What was typed."""

    function: str = ""
    limit: int = 20
    since: str = ""
    release: str = ""


@dataclass(frozen=True)
class _EnvironmentHistory:
    """What was read of an environment; `problem` says why it couldn't be."""

    views: Sequence[Rung]
    entries: Sequence[ReleaseEntry] = ()
    live: frozenset[tuple[str, str]] = frozenset()
    exists: bool = True
    problem: str = ""


def show(rungs: Sequence[Rung], options: HistoryOptions) -> list[ReleaseEntry]:
    """Print the newest releases of environments, or one release; a `*` stands before what is live.

    Raises `StepladderError` after that when an environment couldn't be read, and `RefusedError` without any ledger.
    """
    if options.limit < 1:
        raise BadInputError(
            f"--limit is {options.limit}", kind="bad-arguments", hint="allowed: a number from 1, like `--limit 20`"
        )
    first = rungs[0]
    functions.views(first.settings, options.function)  # an unknown one is said first
    begin = stamp(moments.seconds(options.since, first.clock.now())) if options.since else ""
    reads, obstacle = every_rung.read(
        rungs, lambda rung: _read(rung, options, begin), lambda _, problem: _EnvironmentHistory((), problem=problem)
    )
    if obstacle:
        raise obstacle
    if not any(each.exists for each in reads):
        existing(first)  # which says so
    entries = sorted((one for each in reads for one in each.entries), key=lambda one: one.release_id, reverse=True)
    live = frozenset[tuple[str, str]]().union(*(each.live for each in reads))
    views = [view for each in reads for view in each.views]
    if options.release:
        shown = _show_release(rungs, views, entries, live, options.release)
    else:
        groups = list(islice(_groups(entries), options.limit))
        shown = _print(rungs, views, groups, live)
    _report_unread(rungs, reads)
    return shown


def _read(rung: Rung, options: HistoryOptions, since: str) -> _EnvironmentHistory:
    views = of_functions([rung], options.function)
    if not options.function and rung.target not in {view.target for view in views}:
        views.append(rung)  # what failed before any function had a version is the environment's own
    snapshots = rung.ledger.snapshots([view.target for view in views])
    if not all(each.exists for each in snapshots.values()):
        rung.check_caller()
        return _EnvironmentHistory(views, exists=False)
    live = frozenset((target, each.current.release_id) for target, each in snapshots.items() if each.current)
    if options.release:
        return _with_entries(
            views, list(rung.ledger.entries({view.target: options.release for view in views}).values()), live
        )
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="history") as pool:
        histories = list(pool.map(lambda view: _history(view, options.limit, since), views))
    return _with_entries(views, [entry for each in histories for entry in each], live)


def _with_entries(
    views: Sequence[Rung], entries: Sequence[ReleaseEntry], live: frozenset[tuple[str, str]]
) -> _EnvironmentHistory:
    """Leave out a view of the environment itself without entries, so that one function alone has no column of it."""
    used = {entry.environment for entry in entries}
    return _EnvironmentHistory([view for view in views if _is_function(view) or view.target in used], entries, live)


def _is_function(view: Rung) -> bool:
    return bool(view.settings.name_of_function) or view.settings.whole.main


def _history(view: Rung, limit: int, since: str) -> list[ReleaseEntry]:
    if not since:
        return view.ledger.history(view.target, limit=limit)
    return list(islice(takewhile(lambda each: each.started_at >= since, view.ledger.releases(view.target)), limit))


def _report_unread(rungs: Sequence[Rung], reads: Sequence[_EnvironmentHistory]) -> None:
    unread = [(rung.environment, each.problem) for rung, each in zip(rungs, reads, strict=True) if each.problem]
    if unread:
        raise StepladderError(
            f"{len(unread)} of {len(rungs)} environments can't be read: {', '.join(name for name, _ in unread)}",
            kind="history-incomplete",
            hint=f"with credentials that reach it: `inv history --env {unread[0][0]}`",
            problems=tuple(f"{name}: {problem}" for name, problem in unread),
        )


def _show_release(
    rungs: Sequence[Rung],
    views: Sequence[Rung],
    entries: Sequence[ReleaseEntry],
    live: frozenset[tuple[str, str]],
    release: str,
) -> list[ReleaseEntry]:
    """Print a release in full, or, of several functions or rungs, a row for each."""
    if not entries:
        where = views[0].target if len(views) == 1 else rungs[0].environment
        one = len(rungs) == 1
        raise BadInputError(
            f"{where} has no release {release!r}" if one else f"no environment has a release {release!r}",
            kind="unknown-release",
            hint=f"its releases: `inv history {flags_of(where)}`" if one else "the releases: `inv history`",
        )
    if len(entries) == 1:
        (view,) = (each for each in views if each.target == entries[0].environment)
        _print_whole(view, entries[0], is_live=(entries[0].environment, release) in live)
        return list(entries)
    shown = _print(rungs, views, [[entry] for entry in entries], live)
    rungs[0].console.hint(f"all of one: `inv history {flags_of(entries[-1].environment)} --release {release}`")
    return shown


def _groups(entries: Sequence[ReleaseEntry]) -> list[list[ReleaseEntry]]:
    """Return the entries, newest first; those of many functions of a rung that were released alike together."""
    alike: dict[tuple[str, ...], list[ReleaseEntry]] = {}
    for entry in entries:
        rung = split_target(entry.environment)[0]
        alike.setdefault((entry.release_id, rung, entry.kind, entry.result), []).append(entry)
    groups: list[list[ReleaseEntry]] = []
    for group in alike.values():
        groups += [group] if len(group) > SPELLED_OUT else [[entry] for entry in group]
    return groups


def _print(
    rungs: Sequence[Rung],
    views: Sequence[Rung],
    groups: Sequence[list[ReleaseEntry]],
    live: frozenset[tuple[str, str]],
) -> list[ReleaseEntry]:
    first = rungs[0]
    shown = [entry for group in groups for entry in group]
    titles = git.titles(first.settings.root, [entry.git_commit for entry in shown])
    if first.console.as_json:
        first.console.json([_record(entry, (entry.environment, entry.release_id) in live, titles) for entry in shown])
        return shown
    several = len({split_target(view.target)[1] for view in views}) > 1
    own = MAIN if first.settings.whole.main else "-"
    now, rows = first.clock.now(), []
    for group in groups:
        is_live = any((entry.environment, entry.release_id) in live for entry in group)
        rows.append(history_rows.row(group, now, titles, is_live=is_live, named=(len(rungs) > 1, several), own=own))
    first.console.table(history_rows.head(named=(len(rungs) > 1, several)), rows)
    if large := next((group for group in groups if len(group) > 1), None):
        rung, release = split_target(large[0].environment)[0], large[0].release_id
        first.console.hint(f"a row for each function: `inv history --env {rung} --release {release}`")
    return shown


def _print_whole(rung: Rung, release: ReleaseEntry, *, is_live: bool) -> None:
    bad = rung.ledger.marks([release.digest]).get(release.digest)
    titles = git.titles(rung.settings.root, [release.git_commit])
    if rung.console.as_json:
        rung.console.json({**_record(release, is_live, titles), "bad": asdict(bad) if bad else None})
        return
    history_rows.fields(rung.console, release, bad, titles.get(history_rows.sha(release), ""), is_live=is_live)


def _record(entry: ReleaseEntry, live: bool, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        **asdict(entry),
        "seconds": history_rows.seconds_of_release(entry),
        "live": live,
        "commit_title": titles.get(history_rows.sha(entry), ""),
    }
