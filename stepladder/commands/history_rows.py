"""How `inv history` shows releases: a row for each, or all fields of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stepladder.core.clock import ago, seconds_of
from stepladder.core.console import Console
from stepladder.core.display import plain_cause
from stepladder.core.names import split_target
from stepladder.core.release_facts import short
from stepladder.core.tables import Cell, Column
from stepladder.ledger.schema import FAILED, ROLLBACK_FAILED, ROLLED_BACK, SUCCEEDED, UNKNOWN, Bad, ReleaseEntry
from stepladder.ledger.words import result_words, shown_commit

_COLOURS = {SUCCEEDED: "green", FAILED: "red", ROLLED_BACK: "yellow", ROLLBACK_FAILED: "red", UNKNOWN: "yellow"}
_MINUTE, _HOUR = 60, 60


def head(*, named: tuple[bool, bool]) -> tuple[Column | str, ...]:
    """Return the head of the table; `named` says whether there are columns of rungs and of functions."""
    rung, function = named
    return (
        "release",
        *(("rung",) if rung else ()),
        *(("function",) if function else ()),
        Column("kind", spare=2),
        "result",
        "version",
        Column("digest", spare=1),
        Column("commit", spare=3),
        Column("title", least=12, spare=5),
        Column("by", least=8, spare=4),
        "age",
        Column("took", spare=6),
        Column("cause", least=30, prose=True),
    )


def row(
    group: Sequence[ReleaseEntry],
    now: float,
    titles: Mapping[str, str],
    *,
    is_live: bool,
    named: tuple[bool, bool],
    own: str,
) -> tuple[Cell | str, ...]:
    """Return the row of a release, or of many functions that were released alike; `own` names one without a name."""
    first, (rung, function) = group[0], split_target(group[0].environment)
    many = len(group) > 1
    digests, commits = {short(entry.digest) for entry in group}, {shown_commit(entry.git_commit) for entry in group}
    commit = shown_commit(first.git_commit) or "-"
    colour = "yellow" if first.git_commit.endswith("-dirty") else ""
    whose = f"{len(group)} functions" if many else function or own
    return (
        Cell(f"{'*' if is_live else ' '} {first.release_id}", "bold" if is_live else ""),
        *((rung,) if named[0] else ()),
        *((whose,) if named[1] else ()),
        first.kind,
        Cell(result_words(first.result), _COLOURS.get(first.result, "")),
        "-" if many else first.version or "-",
        f"{len(digests)} images" if len(digests) > 1 else short(first.digest) or "-",
        f"{len(commits)} commits" if len(commits) > 1 else Cell(commit, colour),
        titles.get(sha(first), "-") if len(commits) == 1 else "-",
        first.requested_by,
        ago(first.ended_at or first.started_at, now),
        _took(first),
        plain_cause(first.remarks) or "-",
    )


def fields(console: Console, release: ReleaseEntry, bad: Bad | None, title: str, *, is_live: bool) -> None:
    """Print all that is known of a release."""
    shown = {
        "release": release.release_id + (" (live)" if is_live else ""),
        "environment": release.environment,
        "kind": release.kind + (" (hotfix)" if release.hotfix else ""),
        "result": Cell(result_words(release.result), _COLOURS.get(release.result, "")),
        "cause": plain_cause(release.cause),
        "failed in": release.failed_step,
        "error": release.error_kind,
        "detail": release.detail,
        "past the ladder": release.skipped_ladder,
        "version": release.version,
        "version before": release.previous_version,
        "image digest": release.digest,
        "marked bad": Cell(f"by {bad.by} at {bad.marked_at}: {plain_cause(bad.why)}", "red") if bad else "",
        "commit": release.git_commit,
        "title": title,
        "by": release.requested_by,
        "started": release.started_at,
        "ended": release.ended_at,
        "took": _took(release).removeprefix("-"),
        "Terraform plan": release.plan_id,
        "promotion": release.execution_arn,
        "deployment": release.deployment_id,
    }
    console.fields([(name, value) for name, value in shown.items() if value])


def sha(entry: ReleaseEntry) -> str:
    """Return the hash of a release's commit, whether files differed from it or not."""
    return entry.git_commit.removesuffix("-dirty")


def seconds_of_release(entry: ReleaseEntry) -> float | None:
    """Return how long a release took; None where an entry doesn't say."""
    began, ended = seconds_of(entry.started_at), seconds_of(entry.ended_at)
    return max(0.0, ended - began) if began and ended else None


def _took(entry: ReleaseEntry) -> str:
    seconds = seconds_of_release(entry)
    if seconds is None:
        return "-"
    minutes = round(seconds / _MINUTE)
    if round(seconds) < _MINUTE:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < _HOUR else f"{minutes // _HOUR} h {minutes % _HOUR} min"
