"""`inv status`: what each rung serves, how it is, and what is going on there. Reads only, all rungs at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from stepladder.aws import explain
from stepladder.console import Console
from stepladder.errors import NotReadyError, StepladderError
from stepladder.releases import alias as aliases
from stepladder.releases.clock import ago
from stepladder.releases.ledger import short
from stepladder.releases.records import Release, shown_commit
from stepladder.releases.rung import Rung

ALARM = "ALARM"
HEAD = ("rung", "version", "digest", "commit", "age", "weight", "health", "in flight")


@dataclass(frozen=True)
class RungStatus:
    """One rung. `weights` are the shares of additional versions; `drift` says where reality and ledger differ.

    `health` is ok, unknown, none (no alarms), or the names of the alarms that fire. `problem` is set when the rung
    couldn't be read.
    """

    environment: str
    version: str = ""
    digest: str = ""
    git_commit: str = ""
    release_id: str = ""
    released_at: str = ""
    requested_by: str = ""
    weights: tuple[tuple[str, float], ...] = ()
    health: str = ""
    lock: str = ""
    deployment: str = ""
    drift: str = ""
    last_failure: str = ""
    problem: str = ""

    def record(self) -> dict[str, Any]:
        """Return it as data."""
        return {**asdict(self), "weights": dict(self.weights)}

    def row(self, now: float) -> tuple[str, ...]:
        """Return it as a row of the table."""
        if self.problem:
            return (self.environment, "-", "-", "-", "-", "-", self.problem, "-")
        if not self.version:
            return (self.environment, "-", "-", "-", "-", "-", "nothing deployed yet", self.lock or "-")
        weight = "100%"
        if self.weights:
            rest = 1 - sum(share for _, share in self.weights)
            weight = f"{rest:.0%}, " + ", ".join(f"{v}: {share:.0%}" for v, share in self.weights)
        return (
            self.environment,
            self.version,
            short(self.digest) or "?",
            shown_commit(self.git_commit) or "?",
            ago(self.released_at, now) if self.released_at else "?",
            weight,
            self.health,
            self.deployment or self.lock or "-",
        )


def read(rungs: list[Rung]) -> list[RungStatus]:
    """Read every rung, in parallel; one that can't be read says why in `problem` and doesn't hide the others.

    Raises `NotReadyError` when none could be read, because nothing answers or no credentials work.
    """
    silent: list[NotReadyError] = []
    with ThreadPoolExecutor(max(1, len(rungs)), thread_name_prefix="status") as pool:
        found = list(pool.map(lambda rung: _guarded(rung, silent), rungs))
    if silent and len(silent) == len(rungs):
        raise silent[0]
    return found


def _guarded(rung: Rung, silent: list[NotReadyError]) -> RungStatus:
    try:
        return _read(rung)
    except Exception as error:
        told = error if isinstance(error, StepladderError) else explain(error)
        if told is None:
            raise
        if isinstance(told, NotReadyError):
            silent.append(told)
        return RungStatus(rung.environment, problem=told.message)


def _read(rung: Rung) -> RungStatus:
    with ThreadPoolExecutor(5, thread_name_prefix=f"status {rung.environment}") as pool:
        alias, ledger = pool.submit(rung.alias), pool.submit(rung.ledger.snapshot, rung.environment)
        deployment, health = pool.submit(rung.active_deployment), pool.submit(read_health, rung)
        snapshot = ledger.result()
        last = pool.submit(_history, rung) if snapshot.exists else None
        found = alias.result()
        holder = snapshot.lock
        status = RungStatus(
            rung.environment,
            lock=f"{holder.command} by {holder.owner} since {holder.since}" if holder else "",
            health=health.result(),
            deployment=deployment.result(),
        )
        if found is None:
            return status
        served = rung.function.read(found.version)
        releases = last.result() if last else []
    entry = next((r for r in releases if r.version == found.version and r.result == "succeeded"), None)
    newest = releases[0] if releases else None
    drift = ""
    if snapshot.current is None:
        drift = "the ledger knows of no release"
    elif snapshot.current.version != found.version:
        drift = f"the alias serves version {found.version}, the ledger says {snapshot.current.version}"
    elif served and served.digest and served.digest != snapshot.current.digest:
        drift = f"version {found.version} has image {short(served.digest)}, the ledger another"
    if found.weights and not status.deployment:
        drift = f"weights were left behind: {found.version}{aliases.weighted(found)}"
    return replace(
        status,
        version=found.version,
        digest=served.digest if served else "",
        git_commit=entry.git_commit if entry else "",
        release_id=entry.release_id if entry else "",
        released_at=entry.ended_at if entry else "",
        requested_by=entry.requested_by if entry else "",
        weights=tuple(sorted(found.weights.items())),
        drift=drift,
        last_failure=f"{newest.release_id}: {newest.cause}" if newest and newest.result != "succeeded" else "",
    )


def _history(rung: Rung) -> list[Release]:
    return rung.ledger.history(rung.environment, limit=50)


def read_health(rung: Rung) -> str:
    """Say which of the rung's alarms fire; one call."""
    answer = rung.aws.client("cloudwatch").describe_alarms(AlarmNames=list(rung.names.alarms))
    alarms = answer["MetricAlarms"]
    firing = sorted(
        a["AlarmName"].removeprefix(f"{rung.names.function}-") for a in alarms if a["StateValue"] == "ALARM"
    )
    if firing:
        return f"{ALARM}: {', '.join(firing)}"
    if not alarms:
        return "no alarms"
    return "ok" if any(alarm["StateValue"] == "OK" for alarm in alarms) else "no data yet"


def show(rungs: list[Rung], *, clock: Callable[[], float]) -> list[RungStatus]:
    """Read the rungs, print the table and what deserves a line of its own, and return what was read.

    Raises `StepladderError` after that when a rung couldn't be read: a script must not take silence for health.
    """
    console = rungs[0].console
    found = read(rungs)
    unread = [status.environment for status in found if status.problem]
    if not console.as_json:
        _print(console, found, clock())
    elif not unread:
        console.json([status.record() for status in found])
    if unread:
        error = StepladderError(
            f"{len(unread)} of {len(found)} rungs can't be read: {', '.join(unread)}",
            hint="the table says why, under health; `--json` under problem",
        )
        error.record["rungs"] = [status.record() for status in found]
        raise error
    return found


def _print(console: Console, found: list[RungStatus], now: float) -> None:
    console.table(HEAD, [status.row(now) for status in found])
    for status in found:
        for name, text in (("drift", status.drift), ("last release failed", status.last_failure)):
            if text:
                console.warn(f"{status.environment}: {name}: {text}")
