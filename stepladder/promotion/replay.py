"""Replay a promotion: what its history says of each target, step by step, as observations to check promises against.

The history knows what the promotion did, the ledger what was written down. The observation of a step has the alias, the
lock and the deployment as the history has them, and the ledger's entries as they were then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stepladder.core.clock import seconds_of, stamp
from stepladder.core.release_facts import LATEST
from stepladder.ledger.schema import PIPELINE_HOST, PROMOTE, SUCCEEDED, UNKNOWN, Current, Holder, ReleaseEntry
from stepladder.promotion import history
from stepladder.promotion.contract import ExecutionInput
from stepladder.promotion.history import LadderView, Target
from stepladder.promotion.history_events import HistoryEvent
from stepladder.promotion.invariants import Moment
from stepladder.promotion.observation import (
    Observation,
    ObservedDeployment,
    ObservedExecution,
    ObservedRung,
    PublishedVersion,
)

OLD, BOTH, NEW = "old", "both", "new"
_SERVES = {
    history.FIRST_MOVE: BOTH,
    history.RELEASED: NEW,
    history.RESTORED: OLD,
    history.ROLLING_BACK: BOTH,
    history.SHIFTING: BOTH,
    history.VERIFIED: NEW,
    history.VERIFYING: NEW,
    history.VERIFYING_ROLLBACK: OLD,
}
"""Which version an alias serves once a target is in a phase; in all other phases it serves what it did."""
_SECOND = 1.0  # to which the ledger's times are exact
_IN_ITERATION = 2  # maps around an event that belongs to one target


@dataclass
class Track:
    """One target as the history has it. `previous` is empty until the promotion has locked the environment.

    `locked` and `unlocked` are times of the execution, 0 for none. `area` is the Map state that locked it.
    """

    environment: str
    previous: str = ""
    version: str = ""
    deployment: str = ""
    serves: str = OLD
    phase: str = ""
    locked: float = 0.0
    unlocked: float = 0.0
    area: str = ""

    @property
    def holds(self) -> bool:
        """Whether the promotion holds the environment's lock."""
        return bool(self.locked and not self.unlocked)


@dataclass
class Replay:
    """A history that was replayed: its observations, each with the moment that it is of, and its targets' tracks."""

    observations: list[tuple[Moment, Observation]] = field(default_factory=list)
    tracks: dict[str, Track] = field(default_factory=dict)


def replay(
    execution: ObservedExecution,
    started_with: ExecutionInput,
    now: Mapping[str, ObservedRung],
    events: Iterable[HistoryEvent],
) -> Replay:
    """Replay the events of an execution, oldest first; `now` are the rungs as they are now, with their ledgers."""
    view, replayed = LadderView.of(started_with, 0.0), Replay()
    for event in events:
        history.apply_events(view, [event])
        path = view.paths[event["id"]]
        target = _target_at(view, path)
        if target is None or target.environment not in now:
            continue
        track = replayed.tracks.setdefault(target.environment, Track(target.environment))
        when = event["timestamp"].timestamp()
        if output := event.get("stateExitedEventDetails", {}).get("output"):
            _learn(track, _data(output), when, path[1][0])
        _step(replayed, track, target, execution, now[track.environment])
        if _ends(event, track, target, path):
            track.unlocked = when
            _at_rest(replayed, track, execution, now[track.environment])
    return replayed


def _target_at(view: LadderView, path: history.Path) -> Target | None:
    if len(path) < _IN_ITERATION:
        return None
    targets = history.targets_at(view, path)
    return targets[0] if len(targets) == 1 else None


def _data(output: str) -> Any:
    """Read a state's output; one that Step Functions shortened says nothing."""
    try:
        return json.loads(output)
    except ValueError:
        return None


def _learn(track: Track, data: Any, when: float, area: str) -> None:
    """Take from a state's output what it says of its target; a second Map has it under `item`."""
    if not isinstance(data, dict):
        return
    facts = data.get("facts") or {}
    if facts.get("previous_version") and not track.holds:
        track.previous, track.locked, track.unlocked, track.area = facts["previous_version"], when, 0.0, area
    for known in (data, data.get("item")):
        if not isinstance(known, dict):
            continue
        track.version = str((known.get("published") or {}).get("version") or track.version)
        track.deployment = str((known.get("deployment") or {}).get("id") or track.deployment)


def _step(replayed: Replay, track: Track, target: Target, execution: ObservedExecution, now: ObservedRung) -> None:
    """Observe a target that has come to another phase while the promotion holds its lock."""
    if target.phase == track.phase:
        return
    track.phase = target.phase
    track.serves = _SERVES.get(track.phase, track.serves)
    if track.holds:
        running = replace(execution, status="RUNNING", error="", outcomes=())
        replayed.observations.append((Moment.ALWAYS, Observation((_held(track, execution, now),), (running,))))


def _ends(event: HistoryEvent, track: Track, target: Target, path: history.Path) -> bool:
    """Say whether an event ends a target: the last Map's iteration, which gives the lock back."""
    kind = event["type"]
    is_end = kind.startswith("MapIteration") and not kind.endswith("Started")
    return is_end and track.holds and bool(target.ended) and path[1][0] != track.area


def _at_rest(replayed: Replay, track: Track, execution: ObservedExecution, now: ObservedRung) -> None:
    """Observe a target that the promotion has ended, unless its rollback failed: nobody knows what it serves then."""
    _others(replayed, track, execution, now)
    if track.serves == BOTH:
        return
    entries = _until(now, execution.release_id, inclusive=True)
    own = next((entry for entry in entries if entry.release_id == execution.release_id), None)
    released = bool(own and own.result == SUCCEEDED)
    rung = replace(
        _held(track, execution, now),
        lock=None,
        deployments=(),
        releases=_since_arrival(entries, track.previous) if released else entries,
        current=_current_of(own) if own and released else _current(entries, track.previous),
    )
    moved_by_others = frozenset() if released else frozenset({track.environment})  # is no business of this promotion
    replayed.observations.append((Moment.AT_REST, Observation((rung,), ever_edited=moved_by_others)))


def _others(replayed: Replay, track: Track, execution: ObservedExecution, now: ObservedRung) -> None:
    """Observe every other promotion that ended a release while this one held the lock.

    Only promotions: their entries have AWS's time, as the history has. A command's entry has that of its machine.
    """
    others = [
        entry
        for entry in now.releases
        if entry.kind == PROMOTE
        and entry.release_id != execution.release_id
        and track.locked + _SECOND < seconds_of(entry.ended_at) < track.unlocked - _SECOND
    ]
    if not others:
        return
    flights = tuple(ObservedDeployment(entry.deployment_id or "unknown", entry.release_id) for entry in others)
    rung = replace(_held(track, execution, now), deployments=flights)
    running = replace(execution, status="RUNNING", error="", outcomes=())
    replayed.observations.append((Moment.ALWAYS, Observation((rung,), (running,))))


def _held(track: Track, execution: ObservedExecution, now: ObservedRung) -> ObservedRung:
    """Return a rung as it was while the promotion held its lock."""
    version = track.version if track.serves == NEW and track.version else track.previous
    is_in_flight = track.serves == BOTH and track.deployment
    entries = _until(now, execution.release_id)
    own = {track.version: _published(now, track.version, execution)} if track.version else {}
    return ObservedRung(
        environment=track.environment,
        version=version,
        weights={track.version: 0.0} if track.serves == BOTH and track.version else {},
        versions={**now.versions, **own},
        lock=Holder(
            owner="",
            host=PIPELINE_HOST,
            boot_id="",
            pid=0,
            run_id=execution.arn,
            command=f"promotion {execution.name}",
            since=stamp(track.locked),
            expires=0,
            previous_version=track.previous,
        ),
        current=_current(entries, track.previous),
        releases=entries,
        deployments=(ObservedDeployment(track.deployment, execution.release_id),) if is_in_flight else (),
    )


def _published(now: ObservedRung, version: str, execution: ObservedExecution) -> PublishedVersion:
    """Return the version that the history says was published by this promotion, with the image that it has now."""
    published = now.versions.get(version)
    return PublishedVersion(published.digest if published else "", execution.release_id)


def _until(now: ObservedRung, release_id: str, *, inclusive: bool = False) -> tuple[ReleaseEntry, ...]:
    """Return the entries of before a release; those of a function that was deleted and recreated are no history."""
    earlier = tuple(
        entry
        for entry in now.releases
        if entry.release_id < release_id or (inclusive and entry.release_id == release_id)
    )
    return of_this_function(earlier)


def _since_arrival(entries: tuple[ReleaseEntry, ...], previous: str) -> tuple[ReleaseEntry, ...]:
    """Return the entries since the alias came to the version that the newest of them left."""
    for number, entry in enumerate(entries[1:], 1):
        if entry.result == SUCCEEDED and entry.version == previous:
            return entries[: number + 1]
    return entries


def of_this_function(entries: tuple[ReleaseEntry, ...]) -> tuple[ReleaseEntry, ...]:
    """Return the entries since the last first release: a function that is recreated counts its versions from 1 again.

    A first release has no version before; entries are newest first.
    """
    for number, entry in enumerate(entries):
        if entry.result == SUCCEEDED and not entry.previous_version:
            return entries[: number + 1]
    return entries


def _current(entries: tuple[ReleaseEntry, ...], previous: str) -> Current | None:
    """Return what was `current` then: the newest release that succeeded, or the rebuilt entry of what served.

    Nothing was while the alias stood on $LATEST, where Terraform makes it.
    """
    if previous == LATEST:
        return None
    good = (e for e in entries if e.result == SUCCEEDED or (e.result == UNKNOWN and e.version == previous))
    newest = next(good, None)
    return _current_of(newest) if newest else None


def _current_of(entry: ReleaseEntry) -> Current:
    return Current(entry.release_id, entry.version, entry.digest, entry.input_key, "", "")
