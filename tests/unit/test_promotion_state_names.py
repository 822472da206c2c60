"""An execution that 0.1.0's definition began is read by today's names of the states."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

import pytest
import released
from fakes.pipeline import target

from stepladder.core.console import Console
from stepladder.promotion import definition, history
from stepladder.promotion.render import LineRenderer
from stepladder.promotion.state_names import RENAMED, current

OLD = json.loads(released.text("0.1.0", "terraform/modules/delivery/promotion.asl.json"))
NOW = {state.name: state for state in definition.states(definition.load())}
THEN = {state.name: state for state in definition.states(OLD)}
RUNG = {"name": "staging", "targets": [target(environment="staging"), target(environment="qa")]}


class History:
    """Events of 0.1.0's states, or of the same states by today's names."""

    def __init__(self, name=str):
        self.name, self.events = name, []

    def add(self, kind, **details):
        number = len(self.events) + 1
        event = {"id": number, "type": kind, "previousEventId": number - 1}
        self.events.append(event | {"timestamp": datetime.fromtimestamp(1000 + number, UTC)} | details)

    def iteration(self, name, index):
        self.add("MapIterationStarted", mapIterationStartedEventDetails={"name": self.name(name), "index": index})

    def leave(self, name):
        self.add("MapStateExited", stateExitedEventDetails={"name": self.name(name)})

    def walk(self, *path):
        """Enter states that lead to one another in 0.1.0's definition, ends of a scope aside."""
        for name, after in itertools.pairwise(path):
            assert after in THEN[name].nexts
        for name in path:
            self.add(f"{THEN[name].kind}StateEntered", stateEnteredEventDetails={"name": self.name(name)})


SHIFT = ("CreateDeployment", "AwaitDeployment", "ReadDeployment", "IsDeploymentDone")
POLL = ("CountBake", "Probe", "CountPoll", "Pause", "ReadDeployment", "IsDeploymentDone")


def released_then_recording_fails(events):
    events.iteration("Climb", 0)
    events.walk("NeedsApproval", "ValidateBeforeAsking", "IsThereAnythingToApprove", "AskForApproval", "Approve")
    events.iteration("ReleaseTargets", 0)
    events.walk(
        "Validate", "IsUnchanged", "UpdateCode", "AwaitUpdate", "PublishVersion", "AwaitVersion", "IsNewVersion"
    )
    events.walk("TestVersion", "IsFirstRelease", "WriteAppSpec", "DescribeDeployment", "IsHotfix", *SHIFT, *POLL)
    events.walk("VerifyAlias", "Released")
    events.leave("ReleaseTargets")
    events.iteration("ReleaseTargets", 1)
    events.walk("IsElsewhere", "StartChild", "LookAtChild", "HowIsChild", "ChildCutOff", "EndChild", "HowDidChildEnd")
    events.leave("ReleaseTargets")
    events.walk("ReadOutcomes", "CountOutcomes", "IsRungGood", "IsPartOfClimb", "AwaitVerdict", "KeepRung")
    events.iteration("SettleTargets", 0)
    events.walk("IsKept", "RecordSuccess", "RecordingFailed", "UndoRelease", "VerifyRestored", "HadTrafficMoved")
    events.walk("IsVersionToBlame", "MarkBad", "RecordRolledBack", "IsRolledBack", "ReleaseLock", "Settled")
    events.leave("SettleTargets")
    events.iteration("SettleTargets", 1)
    events.walk("IsKept", "StaysUnchanged", "ReleaseLock")
    events.add("ExecutionFailed")


def view_of(name=str):
    events = History(name)
    released_then_recording_fails(events)
    view = history.LadderView.of({"rungs": [RUNG]}, 1000.0)
    for event in events.events:
        history.apply_events(view, [event])
        yield view


def test_a_history_of_0_1_0_is_printed_as_one_by_today_s_names(capsys):
    printed, lasted = [], []
    for name in (str, current):
        lines = LineRenderer(Console(live=False))
        for view in view_of(name):
            lines.update(view)
        printed.append([" ".join(line.split()).partition(" s ")[2] for line in capsys.readouterr().err.splitlines()])
        lasted.append([(one.past, one.began, one.ended, one.shifted, one.baked, one.is_remote) for one in view.targets])
    assert printed[0] == printed[1]
    assert lasted[0] == lasted[1]
    assert [line.removeprefix("staging ") for line in printed[0] if line.startswith("staging")] == [
        "validating",
        "waiting for approval: answer it with `inv promote.approve` or `inv promote.reject`",
        "validating",
        "updating the code",
        "waiting for the update",
        "publishing a version",
        "waiting for the version",
        "testing the version",
        "shifting traffic",
        "verifying the alias",
        "verified",
        "waiting for the rest of the rung",
        "released",
        "rolling back",
        "verifying the rollback",
        "rolled back",
    ]
    assert "qa starting its child execution" in printed[0]
    assert "qa unchanged" in printed[0]


@pytest.mark.parametrize("name", THEN)
def test_each_state_of_0_1_0_is_one_of_today_s(name):
    state, now = THEN[name], NOW[current(name)]
    assert (now.kind, now.scope) == (state.kind, tuple(current(step) for step in state.scope))


def test_no_name_that_a_state_has_had_is_given_to_another():
    assert len(set(RENAMED.values())) == len(RENAMED)
    assert set(NOW).isdisjoint(RENAMED)
    assert set(RENAMED) <= set(THEN)
