"""`inv status` of a project with several functions: few calls for all, and a row for each that a person has to read.

The ledger and the alarms of an environment are read in a call for each hundred items. Of each function come its alias
and its newest release. Its `$LATEST` and its image are not read: `inv status --check` compares them with the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from stepladder.commands import every_rung, status, status_rows
from stepladder.commands.status import RungStatus
from stepladder.core.aws import known_error
from stepladder.ledger.schema import Current, ReleaseEntry
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases.rung import Rung
from stepladder.settings import functions

_ALARMS = 100
"""Alarms of one DescribeAlarms: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html"""

_NEWEST = 5
"""Entries of a function that are read: behind failed applies that are over stands the newest release."""


@dataclass(frozen=True)
class FunctionsState:
    """What was read of all functions of an environment together: by target, and the states of alarms by name."""

    ledger: Mapping[str, Snapshot]
    entries: Mapping[str, ReleaseEntry]
    alarms: Mapping[str, str]


def of_functions(rungs: Sequence[Rung], function: str = "") -> list[Rung]:
    """Return each rung once for each function, or for the one that `--function` says; by rung, then by function."""
    return [rung.of_function(name) for rung in rungs for name in functions.views(rung.settings, function)]


def show(rungs: list[Rung], function: str = "", *, clock: Callable[[], float], every: bool = False) -> list[RungStatus]:
    """Read and print every function of every rung; one function alone as `status.show` does.

    Raises `StepladderError` after that when a function couldn't be read.
    """
    views = of_functions(rungs, function)
    if len(views) == len(rungs):
        return status.show(views, clock=clock)
    console, statuses = rungs[0].console, status.with_previews(rungs, read(rungs))
    if not console.as_json:
        status_rows.show(console, rungs[0].settings, statuses, clock(), every=every)
    records = [
        {**each.record(), "rung": view.environment, "function": view.settings.name_of_function}
        for view, each in zip(views, statuses, strict=True)
    ]
    status.conclude(console, statuses, records)
    return statuses


def read(rungs: list[Rung]) -> list[RungStatus]:
    """Read every function of every rung; one that can't be read says why in `problem`.

    Raises what stands in the way of all, as `status.read` does.
    """
    with ThreadPoolExecutor(len(rungs), thread_name_prefix="environments") as pool:
        states = dict(zip((rung.environment for rung in rungs), pool.map(_environment, rungs), strict=True))

    def one(view: Rung) -> RungStatus:
        state = states[view.environment]
        if isinstance(state, Exception):
            raise state
        return _function(view, state)

    views = of_functions(rungs)
    statuses, obstacle = every_rung.read(views, one, lambda name, problem: RungStatus(name, problem=problem))
    if obstacle:
        raise obstacle
    for rung in rungs:
        own = [each for view, each in zip(views, statuses, strict=True) if view.environment == rung.environment]
        if not any(each.version or each.problem for each in own):  # else an alias or the ledger has said whose it is
            rung.check_caller()
    return status.with_marks(rungs, statuses)


def _environment(rung: Rung) -> FunctionsState | Exception:
    """Read what one call says of many functions; return the error in place of it when that fails."""
    try:
        views = of_functions([rung])
        ledger = rung.ledger.snapshots([view.target for view in views])
        current = {target: each.current.release_id for target, each in ledger.items() if each.current}
        return FunctionsState(ledger, rung.ledger.entries(current), _alarms(rung, views))
    except Exception as error:
        if known_error(error) is None:
            raise
        return error


def _alarms(rung: Rung, views: Sequence[Rung]) -> dict[str, str]:
    wanted = [name for view in views for name in view.names.alarms]
    client, states = rung.aws.client("cloudwatch"), dict[str, str]()
    for start in range(0, len(wanted), _ALARMS):
        answer = client.describe_alarms(AlarmNames=wanted[start : start + _ALARMS], MaxRecords=_ALARMS)
        states |= {alarm["AlarmName"]: alarm["StateValue"] for alarm in answer["MetricAlarms"]}
    return states


def _function(view: Rung, state: FunctionsState) -> RungStatus:
    """Read the alias and the newest release of a function, and what it takes to explain them."""
    snapshot = state.ledger[view.target]
    live, holder = view.alias(), snapshot.lock
    held = bool(holder and holder.expires)
    read_status = RungStatus(
        view.target,
        lock=f"{holder.command} by {holder.owner} since {holder.since}" if holder and held else "",
        lock_job=holder.job if holder and held else "",
        destroying=status.begun(snapshot),
        health=status.health_of(view, state.alarms),
    )
    if live is None:
        return read_status if snapshot.current is None else status.without_alias(view, snapshot, read_status)
    if held or live.weights or not _agrees(snapshot.current, live.version):
        read_status = replace(read_status, deployment=view.active_deployment())
    images = _images(view, snapshot.current, (live.version, *sorted(live.weights)))
    history = view.ledger.history(view.target, limit=_NEWEST) if snapshot.exists else []
    entry = state.entries.get(view.target)
    return status.released(
        replace(
            read_status,
            digest=images.get(live.version, ""),
            images=tuple(images.items()),
            drift=status.drift_of(view, snapshot, live, None, None),
        ),
        live,
        entry if entry and entry.version == live.version else None,
        status.newest_of(history, snapshot),
        holder,
    )


def _agrees(current: Current | None, version: str) -> bool:
    return current is not None and current.version == version


def _images(view: Rung, current: Current | None, versions: Sequence[str]) -> dict[str, str]:
    """Return the digest of each version that gets traffic: the ledger knows that of the one that it calls current."""
    images: dict[str, str] = {}
    for version in versions:
        if current and _agrees(current, version):
            images[version] = current.digest
        elif (state := view.function.read(version)) and state.digest:
            images[version] = state.digest
    return images
