"""The execution's history, read bit by bit into a view of the ladder: which target is in which state.

Events form a tree through `previousEventId`; the iterations of Map states on the way to an event say which rung and
target it belongs to (https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Path = tuple[tuple[str, int], ...]
Reader = Callable[..., Mapping[str, Any]]

_PAGE = 100
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
    "Approve": "waiting for approval",
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
    "Restored": "put back",
    "Rollback": "rolling back",
    "StaysUnchanged": "unchanged",
    "StartChild": "starting its climb there",
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


@dataclass
class Target:
    """One target as the history has it. `phase` is a phrase for a person, empty before its climb began.

    `is_away` once another place was asked to release it: the rest is in the history of its climb there.
    """

    environment: str
    function: str
    rung: str
    phase: str = ""
    since: float = 0.0
    share: str = ""
    is_away: bool = False

    @property
    def is_shifting(self) -> bool:
        """Whether CodeDeploy moves its traffic now."""
        return self.phase == "shifting"


@dataclass
class View:
    """The ladder: targets by their place, the last event, and how the execution ended.

    Times are the execution's own: this machine's clock may differ from AWS's. `heard` is when the newest event was, by
    its timestamp and by ours.
    """

    rungs: list[list[Target]]
    started: float = 0.0
    heard: tuple[float, float] = (0.0, 0.0)
    last: str = ""
    end: str = ""
    seen: int = 0
    paths: dict[int, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Mapping[str, Any], started: float) -> View:
        """Make the view of an execution's input."""
        rungs = [[Target(t["environment"], t["function"], r["name"]) for t in r["targets"]] for r in told["rungs"]]
        return cls(rungs, started)

    def seconds(self, since: float) -> float:
        """Return how long ago a time of the execution was."""
        event, here = self.heard
        return max(0.0, event + (0.0 if self.end else time.time() - here) - since) if event else 0.0

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
    request["includeExecutionData"] = False  # each event repeats the climb's whole data
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
        elif kind in ("TaskFailed", "TaskTimedOut", "LambdaFunctionFailed"):
            details = event.get(f"{kind[0].lower()}{kind[1:]}EventDetails", {})
            view.last = f"{_where(view, path)}{details.get('error', kind)}, trying again or giving up"


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


def _entered(view: View, path: Path, state: str, when: float) -> None:
    phrase = "shifting" if state in _SHIFTING else _PHRASES.get(state, "")
    if not phrase:
        return
    for target in _targets(view, path):
        target.is_away = target.is_away or state == "StartChild"
        if target.phase != phrase:
            target.phase, target.since = phrase, when
            if phrase != "shifting":
                target.share = ""
    view.last = f"{_where(view, path)}{re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', state).lower()}"


def _targets(view: View, path: Path) -> list[Target]:
    if not path or path[0][1] >= len(view.rungs):
        return []
    rung = view.rungs[path[0][1]]
    return [rung[path[1][1]]] if len(path) > 1 and path[1][1] < len(rung) else rung


def _where(view: View, path: Path) -> str:
    found = _targets(view, path)
    return f"{found[0].environment if len(path) > 1 else found[0].rung}: " if found else ""
