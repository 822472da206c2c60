"""A promotion of many functions, watched: bars and counts on the screen, few lines without one, few calls of AWS."""

import io
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from stepladder.core.console import Console
from stepladder.promotion import history, map_runs, merged_history, render, render_many
from stepladder.promotion.history import LadderView, Target

RUN = "arn:aws:states:eu-west-1:123456789012:mapRun:orders-promotion/release:1"


def rung(count, *phases, name="production"):
    targets = [Target(f"{name}-fn{number:03}", f"orders-{name}-fn{number:03}", name) for number in range(count)]
    for number, phase in enumerate(phases):
        targets[number].enter(phase, 100.0 + number)
    return targets


def drawn(*rungs, height=40):
    view = LadderView(list(rungs), started=50.0, last_event=(200.0, 0.0), end="Succeeded")
    return ["".join(text for text, _ in line).rstrip() for line in render.rows(view, height)]


def test_ten_functions_get_a_line_each_with_what_the_new_version_has():
    targets = rung(10, history.SHIFTING, "unchanged", "testing the version")
    targets[0].share, targets[0].errors = 0.1, 3
    lines = drawn(targets)
    assert len(lines) == 11
    assert lines[0].startswith("╟━▶━╢ production-fn000  shifting traffic 10%, 3 errors")
    assert lines[1].startswith("╟━✓━╢ production-fn001  unchanged")
    assert lines[9].startswith("╟───╢ production-fn009  not reached yet")


def test_a_hundred_functions_get_a_bar_with_counts_and_lines_for_those_that_matter():
    phases = [history.VERIFIED] * 60 + [history.SHIFTING] * 3 + [history.ROLLING_BACK]
    lines = drawn(rung(100, *phases))
    assert lines[0].startswith("╟━✗━╢ production    ████████████░░░░░░░░ 60 of 100")
    assert lines[1].strip() == "60 verified, 3 shifting traffic, 1 rolling back, 36 not reached yet"
    assert [line.split()[0] for line in lines[2:6]] == ["fn063", "fn060", "fn061", "fn062"]
    assert len(lines) == 7


@pytest.mark.parametrize("count", [7, 10, 12, 100])
def test_a_canary_that_asks_is_shown_however_many_functions_there_are(count, capsys):
    targets = rung(count, *[history.SHIFTING] * count)
    targets[1].share, targets[1].has_question = 0.05, True
    lines = drawn(targets)
    assert sum("shifting traffic 5%, no judgement" in line for line in lines) == 1
    assert sum("`inv promote.approve`" in line for line in lines) == 1
    render.LineRenderer(Console(live=False)).update(LadderView([targets], last_event=(200.0, 0.0)))
    assert "no judgement" in capsys.readouterr().err
    targets[1].enter("verified", 300.0)
    assert not any("no judgement" in line or "`inv" in line for line in drawn(targets))


@pytest.mark.parametrize("height", [24, 50])
def test_the_picture_of_two_hundred_targets_fits_the_terminal(height):
    everything = drawn(rung(100, *[history.SHIFTING] * 100), rung(100, *["rolled back"] * 100), height=height)
    assert len(everything) <= height
    assert any("more" in line for line in everything)


def test_what_failed_first_stands_first_when_all_are_put_back():
    targets = rung(12)
    for moment, number in enumerate([7, *range(12)]):
        targets[number].enter(history.ROLLING_BACK, 100.0 + moment)
        targets[number].enter("rolled back", 150.0 + moment)
    assert render_many.notable(targets)[0].environment == "production-fn007"


def test_a_question_to_a_person_stands_once():
    lines = drawn(rung(100, *[history.APPROVAL] * 100))
    assert len([line for line in lines if "inv promote.approve" in line]) == 1


def test_without_a_terminal_a_hundred_functions_are_few_lines_and_each_failure_is_one():
    printed = io.StringIO()
    renderer = render.LineRenderer(Console(err=printed, live=False))
    targets = rung(100)
    view = LadderView([targets], started=100.0, last_event=(100.0, 0.0))
    for moment, phrase in enumerate(("validating", "publishing a version", history.SHIFTING, history.VERIFIED)):
        for number, target in enumerate(targets):
            target.enter(phrase, 100.0 + moment * 10 + number / 10)
            view.last_event, view.end = (100.0 + moment * 10 + number / 10, 0.0), "Succeeded"
            renderer.update(view)
    targets[5].enter(history.ROLLING_BACK, 150.0)
    renderer.update(view)
    lines = printed.getvalue().splitlines()
    assert len(lines) < 10
    assert [line for line in lines if "production-fn005: rolling back" in line]


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class StepFunctions:
    """A Map Run of many executions; `calls` counts what was called."""

    def __init__(self, count):
        self.names = [f"{RUN.replace('mapRun', 'execution')}-{number}" for number in range(count)]
        self.calls, self.status = [], "RUNNING"

    def list_executions(self, **_request):
        self.calls.append("list")
        return {"executions": [{"executionArn": name, "status": self.status} for name in self.names]}

    def describe_execution(self, **request):
        self.calls.append("describe")
        number = self.names.index(request["executionArn"])
        return {"input": json.dumps({"target": {"environment": f"production-fn{number:03}"}})}

    def get_execution_history(self, **_request):
        self.calls.append("history")
        at = datetime.fromtimestamp(100, UTC)
        states = ["ExecutionStarted", "Validate", "PublishVersion"]
        events = [
            {"id": n + 1, "type": "PassStateEntered", "timestamp": at, "previousEventId": n}
            | ({"stateEnteredEventDetails": {"name": name}} if n else {"type": name})
            for n, name in enumerate(states)
        ]
        if self.status != "RUNNING":
            events.append({"id": 4, "type": "ExecutionSucceeded", "timestamp": at, "previousEventId": 3})
        return {"events": events[::-1]}


def test_a_hundred_executions_are_read_in_turn_with_few_calls_a_second():
    sfn, clock = StepFunctions(100), Clock()
    machine = SimpleNamespace(sfn=sfn, rung=SimpleNamespace(clock=clock))
    runs = map_runs.MapRunHistories(machine, is_local=False)
    view = LadderView([rung(2, name="staging"), rung(100)])
    assert not runs.refresh(view)
    assert sfn.calls == [], "a promotion of few targets has no Map Run"
    view.map_runs[RUN] = (1, 1)
    for _ in range(10):
        clock.sleep(1)
        runs.refresh(view)
    assert len(sfn.calls) < 10 * 20
    assert len([target for target in view.rungs[1] if target.phase == "publishing a version"]) == 80
    for _ in range(20):
        clock.sleep(1)
        runs.refresh(view)
    assert {target.phase for target in view.rungs[1]} == {"publishing a version"}
    sfn.status = "SUCCEEDED"
    for _ in range(30):
        clock.sleep(1)
        runs.refresh(view)
    calls = len(sfn.calls)
    clock.sleep(60)
    runs.refresh(view)
    assert len(sfn.calls) == calls, "what has ended is read no more"


def test_an_end_that_was_not_read_any_more_is_taken_from_the_promotions_own():
    view = LadderView([rung(3, history.VERIFIED)], last_event=(100.0, 0.0), end="Failed", map_runs={RUN: (0, 1)})
    ends = [{"environment": f"production-fn{n:03}", "outcome": "rolled_back"} for n in range(2)]
    map_runs.finish(view, ends)
    assert [target.phase for target in view.targets] == ["rolled back", "rolled back", ""]


CHILDREN = {  # by label: execution, its target, the states that it came to
    "release": [("release:a", "production-fn001", ["Validate", "Released"])],
    "finish": [("finish:b", "production-fn001", ["RecordSuccess", "SetSucceeded"])],
}


class Recorded:
    """A promotion of two targets whose Maps were distributed: its history, and those of its targets' executions."""

    def event(self, number, kind, **details):
        moment = datetime.fromtimestamp(100 + number, UTC)
        return {"id": number, "type": kind, "timestamp": moment, "previousEventId": number - 1, **details}

    def entered(self, number, name, **more):
        return self.event(number, "PassStateEntered", stateEnteredEventDetails={"name": name}) | more

    def get_execution_history(self, executionArn, **_request):  # noqa: N803
        if executionArn == "promotion":
            begun = {"name": "PromoteRungs", "index": 0}
            runs = [{"mapRunArn": f"arn:mapRun:orders-promotion/{label}:1"} for label in CHILDREN]
            return {
                "events": [
                    self.event(1, "ExecutionStarted"),
                    self.event(2, "MapIterationStarted", mapIterationStartedEventDetails=begun),
                    self.event(3, "MapRunStarted", mapRunStartedEventDetails=runs[0]),
                    self.event(4, "MapRunStarted", mapRunStartedEventDetails=runs[1]),
                    self.event(5, "ExecutionSucceeded"),
                ]
            }
        states = next(states for each in CHILDREN.values() for name, _, states in each if name in executionArn)
        events = [self.entered(number, name) for number, name in enumerate(states, 2)]
        return {"events": [self.event(1, "ExecutionStarted"), *events, self.event(9, "ExecutionSucceeded")]}

    def list_executions(self, mapRunArn, **_request):  # noqa: N803
        label = mapRunArn.rpartition("/")[2].partition(":")[0]
        return {"executions": [{"executionArn": f"arn:execution:m/{name}"} for name, _, _ in CHILDREN[label]]}

    def describe_execution(self, executionArn):  # noqa: N803
        target = next(key for each in CHILDREN.values() for name, key, _ in each if name in executionArn)
        told = json.dumps({"target": {"environment": target}})
        return {"input": told, "status": "SUCCEEDED", "startDate": datetime.fromtimestamp(100, UTC)}


def test_an_audit_reads_each_targets_own_execution_as_an_iteration_of_the_promotion():
    targets = [{"environment": f"production-fn{number:03}", "function": "f"} for number in range(2)]
    started_with = {"rungs": [{"name": "production", "targets": targets}]}
    view = LadderView.of(started_with, 0.0)
    events = list(merged_history.events(Recorded(), "promotion", started_with))
    assert len({event["id"] for event in events}) == len(events)
    history.apply_events(view, events)
    first, second = view.targets
    assert (first.phase, second.phase) == ("", history.RELEASED)
    assert [phase for phase, _ in second.past] == ["validating", history.VERIFIED]
    ended = [view.paths[event["id"]][1] for event in events if event["type"] == "MapIterationSucceeded"]
    assert ended == [("ReleaseTargets", 1), ("FinishTargets", 1)]
    assert view.end == "Succeeded"


def test_the_lines_of_a_promotion_stand_under_each_other_whatever_their_targets_are_called():
    printed = io.StringIO()
    targets = rung(1, "validating", name="staging") + rung(1, name="production-with-a-name")
    targets[1].enter("validating", 101.0)
    view = LadderView([targets], started=100.0, last_event=(102.0, 0.0), end="Succeeded")
    render.LineRenderer(Console(err=printed, live=False)).update(view)
    lines = printed.getvalue().splitlines()
    assert len({line.index("validating") for line in lines}) == 1
