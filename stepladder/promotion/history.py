"""The execution's history, read bit by bit into a view of the ladder: which target is in which state.

Events form a tree through `previousEventId`; the iterations of Map states on the way to an event say which rung and
target it belongs to (https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stepladder.promotion.contract import ExecutionInput, TargetInput
from stepladder.settings.promotion import Shift

Path = tuple[tuple[str, int], ...]
Reader = Callable[..., Mapping[str, Any]]

SHIFTING, APPROVAL = "shifting traffic", "waiting for approval"

_PAGE = 100
_JUMP = 10.0  # seconds
_ENDS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")
_SHIFTING = frozenset(
    {
        "AwaitDeployment",
        "CountBake",
        "CountPoll",
        "CreateDeployment",
        "CreateHotfixDeployment",
        "FindDeployment",
        "IsDeploymentDone",
        "IsDeploymentFound",
        "JoinDeployment",
        "Pause",
        "Probe",
        "ReadDeployment",
    }
)
_PHRASES = {
    "Approve": APPROVAL,
    "AwaitVerdict": "waiting for the rest of the rung",
    "AwaitUpdate": "waiting for the update",
    "AwaitVersion": "waiting for the version",
    "EndChild": "rolling back",
    "EndToldChild": "rolling back",
    "RecordFailure": "failed, nothing moved",
    "RecordRefusal": "refused",
    "RecordRollbackFailed": "ROLLBACK FAILED",
    "RecordRolledBack": "rolled back",
    "RecordSuccess": "released",
    "Refused": "refused",
    "ReleaseFirst": "moving the alias to the first version",
    "Released": "verified",
    "Restored": "restored",
    "Rollback": "rolling back",
    "StaysUnchanged": "unchanged",
    "StartChild": "starting its child execution",
    "Succeeded": "released",
    "TestVersion": "testing the version",
    "Unchanged": "unchanged",
    "UndoRelease": "rolling back",
    "UpdateCode": "updating the code",
    "ValidateBeforeAsking": "validating",
    "Validate": "validating",
    "VerifyAlias": "verifying the alias",
    "VerifyRestored": "verifying the rollback",
    "VerifyUnchanged": "verifying",
    "PublishVersion": "publishing a version",
}
"""What a person reads for a state. A state that isn't here shows nothing new: its task is told by those that are."""


_LAST = frozenset({"released", "unchanged", "refused", "failed, nothing moved", "rolled back", "ROLLBACK FAILED"})
"""Phrases after which nothing more happens to a target."""


@dataclass
class Target:
    """One target as the history has it. `phase` is a phrase for a person, empty before its promotion began.

    `is_away` once another place releases it: the rest is in the history of its child execution. Times are of
    the execution: `began`, `since` (of the phase), `ended`, `shifted` (the new version got its first share), `baked`
    (it has all traffic and is watched); 0 for none. `past` lists the phases before with their seconds, `tries` counts
    the attempts of this one. `share` (0 to 1, None for unknown), `version`, `calls`, `errors` and `alarms` are what a
    watcher saw of the new version.
    """

    environment: str
    function: str
    rung: str
    phase: str = ""
    since: float = 0.0
    is_away: bool = False
    shift: Shift = field(default_factory=Shift)
    bake_seconds: int = 0
    began: float = 0.0
    ended: float = 0.0
    shifted: float = 0.0
    baked: float = 0.0
    past: list[tuple[str, float]] = field(default_factory=list)
    tries: int = 1
    share: float | None = None
    version: str = ""
    calls: int = 0
    errors: int = 0
    alarms: tuple[str, ...] = ()

    @property
    def is_shifting(self) -> bool:
        """Whether CodeDeploy moves its traffic now."""
        return self.phase == SHIFTING

    def enter(self, phrase: str, when: float) -> None:
        """Take the next phase; a state of the same one changes nothing."""
        if self.phase == phrase:
            return
        if self.phase:
            self.past.append((self.phase, max(0.0, when - self.since)))
        self.phase, self.since, self.tries = phrase, when, 1
        self.began = self.began or when
        self.ended = when if phrase in _LAST else 0.0


@dataclass
class View:
    """The ladder: targets by their place, what a person should know besides, and how the execution ended.

    Times are the execution's own: this machine's clock may differ from AWS's. `heard` is when the newest event was, by
    its timestamp and by ours; `speed` is how many of its seconds pass in one of ours, `simulated` whether that was ever
    another number than one.
    """

    rungs: list[list[Target]]
    started: float = 0.0
    heard: tuple[float, float] = (0.0, 0.0)
    speed: float = 1.0
    simulated: bool = False
    note: str = ""
    end: str = ""
    seen: int = 0
    paths: dict[int, Path] = field(default_factory=dict)
    failed: set[Path] = field(default_factory=set)

    @classmethod
    def of(cls, execution_input: ExecutionInput, started: float) -> View:
        """Make the view of an execution's input."""
        hotfix, rungs = bool(execution_input.get("hotfix")), execution_input["rungs"]
        return cls([[_target(t, rung["name"], hotfix=hotfix) for t in rung["targets"]] for rung in rungs], started)

    def seconds(self, since: float) -> float:
        """Return how long ago a time of the execution was."""
        return max(0.0, self.now - since) if self.heard[0] else 0.0

    @property
    def now(self) -> float:
        """The execution's time now; once it has ended, when it did."""
        event, here = self.heard
        return event + (0.0 if self.end else (time.time() - here) * self.speed)

    def took(self, target: Target) -> float:
        """Return how long a target has taken, or took once nothing more happens to it."""
        return max(0.0, (target.ended or self.now) - target.began) if target.began and self.heard[0] else 0.0

    def hear(self, now: float, speed: float) -> None:
        """Take what the clock of a local cloud says."""
        jumped = self.heard[0] and not self.end and now - self.now > _JUMP  # it was set forward
        if not self.end and now >= self.heard[0]:
            self.heard = (now, time.time())
        self.speed = speed
        self.simulated = bool(self.simulated or speed != 1 or jumped)

    @property
    def targets(self) -> list[Target]:
        """All targets, lowest rung first."""
        return [target for rung in self.rungs for target in rung]


def refresh(view: View, read: Reader, arn: str) -> bool:
    """Read the events since the last time; say whether there were any.

    Reads backwards from the newest, so that a history of thousands of events costs one page a time.
    """
    fresh: list[Mapping[str, Any]] = []
    request: dict[str, Any] = {"executionArn": arn, "reverseOrder": True, "maxResults": _PAGE}
    request["includeExecutionData"] = False  # each event repeats the execution's whole data
    while True:
        answer = read(**request)
        events = answer["events"]
        fresh += [event for event in events if event["id"] > view.seen]
        if not events or events[-1]["id"] <= view.seen + 1 or not answer.get("nextToken"):
            break
        request["nextToken"] = answer["nextToken"]
    take(view, sorted(fresh, key=lambda event: int(event["id"])))
    return bool(fresh)


def take(view: View, events: Sequence[Mapping[str, Any]]) -> None:
    """Put events into the view, oldest first."""
    for event in events:
        view.seen = max(view.seen, int(event["id"]))
        view.heard = (event["timestamp"].timestamp(), time.time())
        view.paths[event["id"]] = path = _path(view, event)
        kind = event["type"]
        if kind in _ENDS:
            view.end = kind.removeprefix("Execution")
        elif kind.endswith("StateEntered"):
            _entered(view, path, event["stateEnteredEventDetails"]["name"], event["timestamp"].timestamp())
        elif kind in ("TaskFailed", "TaskTimedOut"):
            view.failed.add(path)
        elif kind == "TaskScheduled" and path in view.failed:  # no state was left: it is the same task once more
            view.failed.discard(path)
            for target in _targets(view, path):
                target.tries += 1


def _path(view: View, event: Mapping[str, Any]) -> Path:
    path = view.paths.get(event.get("previousEventId", 0), ())
    if event["type"] == "MapIterationStarted":
        details = event["mapIterationStartedEventDetails"]
        return (*_outside(path, details["name"]), (details["name"], int(details["index"])))
    if event["type"] == "MapStateExited":
        return _outside(path, event["stateExitedEventDetails"]["name"])
    return path


def _outside(path: Path, name: str) -> Path:
    """Leave a Map state: drop its iteration and all within."""
    names = [step[0] for step in path]
    return path[: names.index(name)] if name in names else path


def _target(target: TargetInput, rung: str, *, hotfix: bool) -> Target:
    named = target.get("deployment_config", "")
    shift = Shift() if hotfix else Shift.of_config(named)
    bake = int(target.get("bake_polls", 0)) * int(target.get("poll_seconds", 0))
    return Target(target["environment"], target["function"], rung, shift=shift, bake_seconds=bake)


def _entered(view: View, path: Path, state: str, when: float) -> None:
    view.failed.discard(path)
    phrase = SHIFTING if state in _SHIFTING else _PHRASES.get(state, "")
    if not phrase:
        return
    for target in _targets(view, path):
        target.is_away = target.is_away or state == "StartChild"
        target.enter(phrase, when)
        if state == "ReadDeployment":
            target.shifted = target.shifted or when
        if state == "CountBake":
            target.baked = target.baked or when


def _targets(view: View, path: Path) -> list[Target]:
    if not path or path[0][1] >= len(view.rungs):
        return []
    rung = view.rungs[path[0][1]]
    return [rung[path[1][1]]] if len(path) > 1 and path[1][1] < len(rung) else rung
