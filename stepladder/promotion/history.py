"""The execution's history, read into a view of the ladder: which target is in which state.

Events form a tree through `previousEventId`; the iterations of Map states on the way to an event say which rung and
target it belongs to (https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stepladder.promotion.contract import ExecutionInput, TargetInput
from stepladder.promotion.history_events import HistoryEvent, HistoryReader
from stepladder.promotion.state_names import current
from stepladder.settings.shift import Shift

Path = tuple[tuple[str, int], ...]

SHIFTING, APPROVAL = "shifting traffic", "waiting for approval"
FIRST_MOVE, VERIFYING, VERIFIED = "moving the alias to the first version", "verifying the alias", "verified"
ROLLING_BACK, RESTORED, RELEASED = "rolling back", "restored", "released"
VERIFYING_ROLLBACK = "verifying the rollback"
"""Phrases by which `replay` knows which version an alias serves."""

_PAGE = 100
_JUMP = 10.0  # seconds
_ENDS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")
_SHIFTING = frozenset(
    {
        "AwaitTrafficShift",
        "CountBakePoll",
        "CountDeploymentPoll",
        "CreateDeployment",
        "CreateHotfixDeployment",
        "FindDeployment",
        "IsDeploymentActive",
        "JoinDeployment",
        "JudgeShift",
        "MoveTraffic",
        "NotifyCanary",
        "PollDeployment",
        "ProbeAlias",
        "WaitToJudge",
        "WaitToPollDeployment",
        "WhichDeploymentStatus",
    }
)
_PHRASES = {
    "AwaitApproval": APPROVAL,
    "AwaitDecision": "waiting for the rest of the rung",
    "AwaitUpdate": "waiting for the update",
    "AwaitVersion": "waiting for the version",
    "PublishVersion": "publishing a version",
    "RecordFailure": "failed, nothing moved",
    "RecordRefusal": "refused",
    "RecordRollbackFailed": "ROLLBACK FAILED",
    "RecordRolledBack": "rolled back",
    "RecordSuccess": RELEASED,
    "RecoverChild": ROLLING_BACK,
    "RecoverChildAfterDecision": ROLLING_BACK,
    "Refused": "refused",
    "ReleaseFirstVersion": FIRST_MOVE,
    "Released": VERIFIED,
    "Restored": RESTORED,
    "RollBackReleasedTarget": ROLLING_BACK,
    "RollBackTarget": ROLLING_BACK,
    "SetSucceeded": RELEASED,
    "SetUnchanged": "unchanged",
    "RunReleaseCommand": "running the release command",
    "StartChild": "starting its child execution",
    "TestVersion": "testing the version",
    "Unchanged": "unchanged",
    "UpdateCode": "updating the code",
    "Validate": "validating",
    "ValidateBeforeApproval": "validating",
    "VerifyAlias": VERIFYING,
    "VerifyRestored": VERIFYING_ROLLBACK,
    "VerifyUnchanged": "verifying",
}
"""The phrase that a person reads for a state. A state without one leaves the phrase before it."""


FAILED = frozenset({"refused", "failed, nothing moved", "rolled back", "ROLLBACK FAILED"})
"""Phrases for a target that does not serve what was promoted."""
_LAST = FAILED | {RELEASED, "unchanged"}
"""Phrases after which nothing more happens to a target."""


@dataclass
class OldVersion:
    """The version that an alias served before, and what it answered since traffic began to shift."""

    version: str = ""
    calls: int = 0
    errors: int = 0
    p99: float | None = None


@dataclass
class Target:
    """One target as the history has it. `phase` is a phrase for a person, empty before its promotion began.

    `is_remote` says that another location releases it: the rest is in the history of its child execution. `began`,
    `since` (of the phase), `ended`, `shifted` (the new version got its first share) and `baked` (it has all traffic and
    is watched) are times of the execution's clock in seconds, 0 for none. `past` lists the phases before with their
    seconds, `tries` counts the attempts of this one. `share` (0 to 1, None for unknown), `version`, `calls`, `errors`
    and `alarms` are the new version's, as `VersionHealth` read them. `moved` is the time of the newest width of a shift
    by the state machine. Where versions are compared, `old` is the version before, and `p99` is in milliseconds.
    `turned` is when it was first refused or rolled back: of several the earliest is the cause.
    """

    environment: str
    function: str
    rung: str
    phase: str = ""
    since: float = 0.0
    is_remote: bool = False
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
    moved: float = 0.0
    compares: bool = False
    has_question: bool = False
    p99: float | None = None
    old: OldVersion = field(default_factory=OldVersion)
    turned: float = 0.0

    @property
    def is_shifting(self) -> bool:
        """Whether its traffic moves now."""
        return self.phase == SHIFTING

    @property
    def asks(self) -> bool:
        """Whether its canary has no judgement and waits for a person's answer."""
        return self.has_question and self.is_shifting

    def enter(self, phrase: str, when: float) -> None:
        """Begin the next phase. The same phase again changes nothing."""
        if self.phase == phrase:
            return
        if self.phase:
            self.past.append((self.phase, max(0.0, when - self.since)))
        self.phase, self.since, self.tries = phrase, when, 1
        self.began = self.began or when
        if phrase in FAILED or phrase in {ROLLING_BACK, RESTORED}:
            self.turned = self.turned or when
        self.ended = when if phrase in _LAST else 0.0


@dataclass
class LadderView:
    """The ladder's rungs with their targets, a note for the person, and how the execution ended.

    Times are seconds of the execution's clock, since this machine's clock may differ from AWS's. `last_event` is the
    time of the newest event on both clocks: the execution's, then this machine's. `speed` is how many seconds of the
    execution pass in one real second. `simulated` says whether that was ever another number than one. `map_runs` are
    the Map Runs by ARN, each with the number of its rung, and how often it was begun or resumed: the iterations of a
    distributed Map have histories of their own.
    """

    rungs: list[list[Target]]
    started: float = 0.0
    last_event: tuple[float, float] = (0.0, 0.0)
    speed: float = 1.0
    simulated: bool = False
    note: str = ""
    end: str = ""
    seen: int = 0
    paths: dict[int, Path] = field(default_factory=dict)
    failed: set[Path] = field(default_factory=set)
    map_runs: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, execution_input: ExecutionInput, started: float) -> LadderView:
        """Make the view of an execution's input."""
        hotfix, rungs = bool(execution_input.get("hotfix")), execution_input["rungs"]
        return cls([[_target(t, rung["name"], hotfix=hotfix) for t in rung["targets"]] for rung in rungs], started)

    def seconds(self, since: float) -> float:
        """Return how many seconds ago a time of the execution was."""
        return max(0.0, self.now - since) if self.last_event[0] else 0.0

    @property
    def now(self) -> float:
        """The execution's time now. Once it has ended, the time of its end."""
        event, read_at = self.last_event
        return event + (0.0 if self.end else (time.time() - read_at) * self.speed)

    def elapsed(self, target: Target) -> float:
        """Return the seconds that a target has taken; once it has ended, those that it took."""
        return max(0.0, (target.ended or self.now) - target.began) if target.began and self.last_event[0] else 0.0

    def set_clock(self, now: float, speed: float) -> None:
        """Take the time and speed of a local cloud's clock."""
        jumped = self.last_event[0] and not self.end and now - self.now > _JUMP  # it was set forward
        if not self.end and now >= self.last_event[0]:
            self.last_event = (now, time.time())
        self.speed = speed
        self.simulated = bool(self.simulated or speed != 1 or jumped)

    @property
    def targets(self) -> list[Target]:
        """All targets, lowest rung first."""
        return [target for rung in self.rungs for target in rung]


def refresh(view: LadderView, read: HistoryReader, arn: str) -> bool:
    """Read the events since the last read; return whether there were any.

    Reads backwards from the newest, so that a history of thousands of events costs one page a time.
    """
    fresh: list[HistoryEvent] = []
    request: dict[str, Any] = {"executionArn": arn, "reverseOrder": True, "maxResults": _PAGE}
    request["includeExecutionData"] = False  # each event repeats the execution's whole data
    while True:
        answer = read(**request)
        events = answer["events"]
        fresh += [event for event in events if event["id"] > view.seen]
        if not events or events[-1]["id"] <= view.seen + 1 or not answer.get("nextToken"):
            break
        request["nextToken"] = answer["nextToken"]
    apply_events(view, sorted(fresh, key=lambda event: int(event["id"])))
    return bool(fresh)


def apply_events(view: LadderView, events: Sequence[HistoryEvent]) -> None:
    """Apply events to the view, oldest first."""
    for event in events:
        view.seen = max(view.seen, int(event["id"]))
        view.last_event = (event["timestamp"].timestamp(), time.time())
        view.paths[event["id"]] = path = _path(view, event)
        kind = event["type"]
        if details := event.get("mapRunStartedEventDetails") or event.get("mapRunRedrivenEventDetails"):
            arn = details["mapRunArn"]
            view.map_runs[arn] = (path[0][1], view.map_runs.get(arn, (0, 0))[1] + 1)
        if kind in _ENDS:
            view.end = kind.removeprefix("Execution")
        elif kind.endswith("StateEntered"):
            state = current(event["stateEnteredEventDetails"]["name"])
            _entered(view, path, state, event["timestamp"].timestamp())
        elif kind in ("TaskFailed", "TaskTimedOut"):
            view.failed.add(path)
        elif kind == "TaskScheduled" and path in view.failed:  # scheduled again without a new state: a retry
            view.failed.discard(path)
            for target in targets_at(view, path):
                target.tries += 1


def _path(view: LadderView, event: HistoryEvent) -> Path:
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
    name, function, own = target["environment"], target["function"], target.get("shift")
    if own and not hotfix:
        shift = Shift.by_widths(own["widths"], [seconds // 60 for seconds in own["seconds"][:-1]])
        bake, compares = own["bake_seconds"], "canary" in own
        return Target(name, function, rung, shift=shift, bake_seconds=bake, compares=compares)
    shift = Shift() if hotfix else Shift.of_config(target.get("deployment_config", ""))
    bake = int(target.get("bake_polls", 0)) * int(target.get("poll_seconds", 0))
    return Target(name, function, rung, shift=shift, bake_seconds=bake)


def phrase_of(state: str) -> str:
    """Return the phrase that a person reads for a state; empty for one that leaves the phrase before it."""
    return SHIFTING if state in _SHIFTING else _PHRASES.get(state, "")


def _entered(view: LadderView, path: Path, state: str, when: float) -> None:
    view.failed.discard(path)
    phrase = phrase_of(state)
    if not phrase:
        return
    for target in targets_at(view, path):
        target.is_remote = target.is_remote or state == "StartChild"
        target.enter(phrase, when)
        if state == "MoveTraffic":
            target.moved, target.has_question = when, False
        if state == "NotifyCanary":
            target.has_question = True
        if state in ("PollDeployment", "WaitToJudge"):
            target.shifted = target.shifted or when
        if state == "CountBakePoll":
            target.baked = target.baked or when


def targets_at(view: LadderView, path: Path) -> list[Target]:
    """Return the targets that an event on this path belongs to: one, or all of a rung."""
    if not path or path[0][1] >= len(view.rungs):
        return []
    rung = view.rungs[path[0][1]]
    return [rung[path[1][1]]] if len(path) > 1 and path[1][1] < len(rung) else rung
