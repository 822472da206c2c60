"""`inv status`: what each rung serves, how it is, and what is going on there. Reads only, all rungs at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.alias import Alias
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.commands import environments, every_rung, status_notes
from stepladder.core.clock import ago
from stepladder.core.console import Console
from stepladder.core.errors import StepladderError
from stepladder.core.names import is_preview, split_target
from stepladder.core.release_facts import short
from stepladder.core.tables import Cell, Column
from stepladder.ledger.schema import SUCCEEDED, UNKNOWN, Bad, Holder, ReleaseEntry
from stepladder.ledger.snapshot import Snapshot
from stepladder.ledger.words import shown_commit
from stepladder.releases import cut_off, marks
from stepladder.releases import drift as drifts
from stepladder.releases.rung import Rung

ALARM = "ALARM"
HEAD = (
    "rung",
    "version",
    "digest",
    Column("commit", spare=1),
    "age",
    "weight",
    Column("health", least=20, prose=True),
    Column("in flight", least=20, prose=True),
)
_CALM = {"ok": "green", "no data yet": "", "no alarms": "yellow", "nothing deployed yet": "dim"}


@dataclass(frozen=True)
class BadMark:
    """That a version which gets traffic has an image that was marked bad."""

    version: str
    digest: str
    marked_at: str
    by: str
    why: str


@dataclass(frozen=True)
class PreviewStatus:
    """What makes an environment a preview: of which branch, since and until when, where it answers, by which job."""

    branch: str
    since: str
    until: str
    url: str
    job: str
    deployed_at: str
    requested_by: str


@dataclass(frozen=True)
class RungStatus:
    """One rung. `weights` are the shares of additional versions; `drift` says where reality and ledger differ.

    `health` is ok, unknown, none (no alarms), or the names of the alarms that fire. `problem` is set when the rung
    couldn't be read, `deleted` (alias, version or function) when what was released is gone. `images` are the digests of
    the versions that get traffic, `bad` their marks in any place.
    `last_failure` is id and cause of the newest release if it didn't succeed, and `last_result` how that one ended.
    `preview` is set for the preview of a change request, and `destroying` since when an environment is half destroyed.
    """

    environment: str
    version: str = ""
    digest: str = ""
    git_commit: str = ""
    release_id: str = ""
    released_at: str = ""
    requested_by: str = ""
    weights: tuple[tuple[str, float], ...] = field(default=(), metadata={"json": dict[str, float]})
    health: str = ""
    lock: str = ""
    lock_job: str = ""
    deployment: str = ""
    drift: str = ""
    last_failure: str = ""
    last_result: str = ""
    images: tuple[tuple[str, str], ...] = field(default=(), metadata={"json": dict[str, str]})
    bad: tuple[BadMark, ...] = ()
    skipped_ladder: str = ""
    deleted: str = ""
    problem: str = ""
    destroying: str = ""
    preview: PreviewStatus | None = None

    def record(self) -> dict[str, object]:
        """Return it as data."""
        return {**asdict(self), "weights": dict(self.weights), "images": dict(self.images)}

    def row(self, now: float) -> tuple[str, ...]:
        """Return it as a row of the table."""
        if self.problem:
            return (self.environment, "-", "-", "-", "-", "-", self.problem, "-")
        if not self.version:
            health = f"its {self.deleted} was deleted" if self.deleted else "nothing deployed yet"
            return (self.environment, "-", "-", "-", "-", "-", health, self.lock or "-")
        weight = "100%"
        if self.weights:
            rest = 1 - sum(share for _, share in self.weights)
            weight = f"{rest:.0%}, " + ", ".join(f"{v}: {share:.0%}" for v, share in self.weights)
        return (
            self.environment,
            self.version,
            (short(self.digest) or "?") + (" bad" if self.digest in {mark.digest for mark in self.bad} else ""),
            shown_commit(self.git_commit) or "?",
            ago(self.released_at, now) if self.released_at else "?",
            weight,
            self.health,
            self.deployment or self.lock or "-",
        )

    def cells(self, now: float) -> tuple[Cell, ...]:
        """Return the row with the colours that mean something."""
        rung, version, digest, commit, age, weight, health, in_flight = self.row(now)
        return (
            Cell(rung, "bold"),
            Cell(version),
            Cell(digest, "red" if digest.endswith(" bad") else ""),
            Cell(commit, "yellow" if self.git_commit.endswith("-dirty") else ""),
            Cell(age),
            Cell(weight, "yellow" if self.weights else ""),
            Cell(health, _CALM.get(health, "red")),
            Cell(in_flight, "" if in_flight == "-" else "yellow"),
        )


def read(rungs: list[Rung]) -> list[RungStatus]:
    """Read every rung, in parallel; one that can't be read says why in `problem` and doesn't hide the others.

    Raises what stands in the way of all: nothing answers, or the credentials don't work or are another account's.
    """
    statuses, obstacle = every_rung.read(rungs, _read, lambda name, problem: RungStatus(name, problem=problem))
    if obstacle:
        raise obstacle
    return with_marks(rungs, statuses)


def with_marks(rungs: list[Rung], statuses: list[RungStatus]) -> list[RungStatus]:
    """Add the marks of the images that get traffic, wherever they are."""
    marked = marks.known(rungs, {digest for status in statuses for _, digest in status.images})
    return [replace(status, bad=_bad(status, marked)) for status in statuses]


def _bad(status: RungStatus, marked: Mapping[str, Bad]) -> tuple[BadMark, ...]:
    bad_marks = ((version, digest, marked[digest]) for version, digest in status.images if digest in marked)
    return tuple(BadMark(version, digest, bad.marked_at, bad.by, bad.why) for version, digest, bad in bad_marks)


def _read(rung: Rung) -> RungStatus:
    with ThreadPoolExecutor(5, thread_name_prefix=f"status {rung.environment}") as pool:
        alias, ledger = pool.submit(rung.alias), pool.submit(rung.ledger.snapshot, rung.target)
        deployment, health = pool.submit(rung.active_deployment), pool.submit(read_health, rung)
        snapshot = ledger.result()
        last = pool.submit(_history, rung) if snapshot.exists else None
        live = alias.result()
        holder = snapshot.lock
        status = RungStatus(
            rung.target,
            lock=f"{holder.command} by {holder.owner} since {holder.since}" if holder and holder.expires else "",
            lock_job=holder.job if holder and holder.expires else "",
            destroying=begun(snapshot),
            health=health.result(),
            deployment=deployment.result(),
        )
        if live is None:
            return without_alias(rung, snapshot, status)
        latest = pool.submit(rung.function.read)
        versions = {version: rung.function.read(version) for version in (live.version, *sorted(live.weights))}
        served = versions[live.version]
        drift = drift_of(rung, snapshot, live, served, latest.result())
        releases = last.result() if last else []
    entry = next((r for r in releases if r.version == live.version and r.result == "succeeded"), None)
    status = replace(
        status,
        digest=served.digest if served else "",
        drift=drift,
        images=tuple((version, state.digest) for version, state in versions.items() if state and state.digest),
    )
    return released(status, live, entry, newest_of(releases, snapshot), holder)


def newest_of(releases: Sequence[ReleaseEntry], snapshot: Snapshot) -> ReleaseEntry | None:
    """Return the newest release, without failed applies of a root that was applied since: those are over."""
    roots = {"foundation": snapshot.foundation, "service": snapshot.infra}
    for entry in releases:
        applied = None if entry.version else roots.get(entry.failed_step.rpartition(" ")[2])
        if applied is None or applied.applied_at < entry.ended_at:
            return entry
    return None


def begun(snapshot: Snapshot) -> str:
    """Return since when an environment is being destroyed; empty where it isn't."""
    return snapshot.destroying.since if snapshot.destroying else ""


def released(
    status: RungStatus, live: Alias, entry: ReleaseEntry | None, newest: ReleaseEntry | None, holder: Holder | None
) -> RungStatus:
    """Add what the ledger knows: of the release that serves (`entry`), and of the newest one if that failed.

    Weights are left behind unless CodeDeploy shifts traffic, or the promotion that holds the lock.
    """
    if live.weights and not status.deployment and not (holder and holder.moved_to in live.weights):
        status = replace(status, drift=f"weights were left behind: {live.version}{aliases.weighted(live)}")
    failed = newest if newest and newest.result not in (SUCCEEDED, UNKNOWN) else None
    return replace(
        status,
        version=live.version,
        git_commit=entry.git_commit if entry else "",
        release_id=entry.release_id if entry else "",
        released_at=entry.ended_at if entry else "",
        requested_by=entry.requested_by if entry else "",
        weights=tuple(sorted(live.weights.items())),
        last_failure=f"{failed.release_id}: {failed.cause}" if failed else "",
        last_result=newest.result if newest else "",
        skipped_ladder=entry.skipped_ladder if entry else "",
    )


def without_alias(rung: Rung, ledger: Snapshot, status: RungStatus) -> RungStatus:
    """Say that nothing was deployed yet, or what was deleted since and what restores it."""
    if ledger.current is None:
        rung.check_caller()
        return status
    served = f"the ledger says that it serves version {ledger.current.version}"
    command = f"`inv deploy {rung.flags}`"
    if rung.released_version(ledger.current):
        return replace(status, deleted="alias", drift=f"the alias is gone, and {served}; {command} puts it back")
    gone = "version" if rung.function.read() else "function"
    return replace(status, deleted=gone, drift=f"the {gone} is gone, and {served}; {command} makes it again")


def drift_of(
    rung: Rung, ledger: Snapshot, alias: Alias, served: FunctionState | None, latest: FunctionState | None
) -> str:
    """Say where reality and ledger differ, the worst first; empty when they agree, as far as they were read."""
    if ledger.current is None:
        return "; ".join(
            filter(None, ("the ledger knows of no release", cut_off.explanation(ledger.lock, alias, ledger)))
        )
    if ledger.current.version != alias.version:
        if ledger.lock and ledger.lock.moved_to == alias.version:  # a promotion has just moved it
            return ""
        why = cut_off.explanation(ledger.lock, alias, ledger)
        text = f"the alias serves version {alias.version}, the ledger says {ledger.current.version}"
        return f"{text}: {why}" if why else text
    if served and served.digest and served.digest != ledger.current.digest:
        return f"version {alias.version} has image {short(served.digest)}, the ledger another"
    if latest and drifts.has_drifted(ledger, latest):
        changed = "; ".join(drifts.changes(rung, ledger, latest, served))
        return f"the configuration of $LATEST was changed by hand, which no release publishes: {changed}"
    return ""


def _history(rung: Rung) -> list[ReleaseEntry]:
    return rung.ledger.history(rung.target, limit=50)


def read_health(rung: Rung) -> str:
    """Say which of the rung's alarms fire; one call."""
    answer = rung.aws.client("cloudwatch").describe_alarms(AlarmNames=list(rung.names.alarms))
    return health_of(rung, {alarm["AlarmName"]: alarm["StateValue"] for alarm in answer["MetricAlarms"]})


def health_of(rung: Rung, states: Mapping[str, str]) -> str:
    """Say which of the rung's alarms fire, by the states of alarms by name."""
    own = {name.removeprefix(f"{rung.names.function}-"): states[name] for name in rung.names.alarms if name in states}
    if firing := sorted(name for name, state in own.items() if state == ALARM):
        return f"{ALARM}: {', '.join(firing)}"
    if not own:
        return "no alarms"
    return "ok" if "OK" in own.values() else "no data yet"


def show(rungs: list[Rung], *, clock: Callable[[], float]) -> list[RungStatus]:
    """Read the rungs, print the table and what deserves a line of its own, and return what was read.

    Raises `StepladderError` after that when a rung couldn't be read: a script must not take silence for health.
    """
    console = rungs[0].console
    statuses = with_previews(rungs, read(rungs))
    if not console.as_json:
        now = clock()
        console.table(HEAD, [status.cells(now) for status in statuses])
        status_notes.print_environments(console, statuses, now)
        status_notes.print_notes(console, statuses, now)
    conclude(console, statuses, [status.record() for status in statuses])
    return statuses


def with_previews(rungs: Sequence[Rung], statuses: Sequence[RungStatus]) -> list[RungStatus]:
    """Add to the environments that are previews what makes them one, from the ledger."""
    own = [rung for rung in rungs if is_preview(rung.environment)]
    if not own:
        return list(statuses)
    known = environments.previews(own)
    made = [known.get(split_target(status.environment)[0]) for status in statuses]
    return [
        replace(
            status,
            preview=PreviewStatus(
                each.branch, each.since, each.until, each.url, each.job, each.deployed_at, each.requested_by
            ),
        )
        if each
        else status
        for status, each in zip(statuses, made, strict=True)
    ]


def conclude(console: Console, statuses: list[RungStatus], records: list[dict[str, object]]) -> None:
    """Print the records as JSON, if that was asked for; raise `StepladderError` when a rung couldn't be read."""
    unread = [status.environment for status in statuses if status.problem]
    if console.as_json and not unread:
        console.json(records)
    if unread:
        error = StepladderError(
            f"{len(unread)} of {len(statuses)} rungs can't be read: {', '.join(unread)}",
            kind="status-incomplete",
            hint="the table says why, under health; `--json` under problem",
        )
        error.record["rungs"] = records
        raise error
