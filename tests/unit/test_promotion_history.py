from datetime import UTC, datetime

from fakes.pipeline import EXECUTION, target

from stepladder.console import Console
from stepladder.promotion import definition, history
from stepladder.promotion.draw import Lines

INPUT = {
    "rungs": [
        {"name": "staging", "targets": [target(environment="staging", function="orders-staging")]},
        {"name": "produs+prodeu", "targets": [target(environment="produs"), target(environment="prodeu")]},
    ]
}


class Events:
    """A history in the making; `on` names the event that the next one follows."""

    def __init__(self):
        self.all = []

    def add(self, kind, on=None, **details):
        number = len(self.all) + 1
        event = {"id": number, "type": kind, "previousEventId": number - 1 if on is None else on}
        self.all.append(event | {"timestamp": datetime.fromtimestamp(1000 + number, UTC)} | details)
        return number

    def state(self, name, on=None):
        return self.add("TaskStateEntered", on, stateEnteredEventDetails={"name": name})

    def iteration(self, name, index, on=None):
        return self.add("MapIterationStarted", on, mapIterationStartedEventDetails={"name": name, "index": index})

    def read(self, executionArn, reverseOrder, maxResults, includeExecutionData, nextToken="0"):  # noqa: N803
        assert (executionArn, reverseOrder, includeExecutionData) == (EXECUTION, True, False)
        events, start = self.all[::-1], int(nextToken)
        more = {"nextToken": str(start + maxResults)} if start + maxResults < len(events) else {}
        self.pages = getattr(self, "pages", 0) + 1
        return {"events": events[start : start + maxResults], **more}


def climbing():
    events = Events()
    events.add("ExecutionStarted", 0)
    return events, history.View.of(INPUT, 1000.0)


def refresh(view, events):
    return history.refresh(view, events.read, EXECUTION)


def test_an_event_belongs_to_the_rung_and_target_whose_iterations_it_came_through():
    events, view = climbing()
    events.iteration("Climb", 1)
    top = events.state("ReleaseTargets")
    events.iteration("ReleaseTargets", 1, on=top)
    events.state("UpdateCode")
    first = events.iteration("ReleaseTargets", 0, on=top)
    events.state("TestVersion", on=first)
    refresh(view, events)
    assert [t.phase for t in view.targets] == ["", "testing the version", "updating the code"]


def test_after_a_map_events_belong_to_the_whole_rung_again():
    events, view = climbing()
    events.iteration("Climb", 1)
    events.iteration("ReleaseTargets", 0)
    events.state("Validate")
    events.add("MapStateExited", stateExitedEventDetails={"name": "ReleaseTargets"})
    events.state("Approve")
    refresh(view, events)
    assert [t.phase for t in view.targets] == ["", "waiting for approval", "waiting for approval"]


def test_only_new_events_are_read_and_a_long_history_costs_one_page_a_look():
    events, view = climbing()
    events.iteration("Climb", 0)
    events.iteration("ReleaseTargets", 0)
    for _ in range(450):
        events.state("ReadDeployment")
    assert refresh(view, events)
    assert events.pages == 5
    events.pages = 0
    assert not refresh(view, events)
    events.state("VerifyAlias")
    assert refresh(view, events)
    assert events.pages == 2
    assert view.targets[0].phase == "verifying the alias"


def test_the_end_is_seen():
    events, view = climbing()
    events.add("ExecutionAborted")
    refresh(view, events)
    assert view.end == "Aborted"


def test_failed_attempts_are_told():
    events, view = climbing()
    events.iteration("Climb", 0)
    events.iteration("ReleaseTargets", 0)
    events.add("TaskFailed", taskFailedEventDetails={"error": "Lambda.TooManyRequestsException"})
    refresh(view, events)
    assert view.last == "staging: Lambda.TooManyRequestsException, trying again or giving up"


def test_every_state_with_a_phrase_exists():
    names = {state.name for state in definition.states(definition.load())}
    assert set(history._PHRASES) | history._SHIFTING <= names


def test_lines_tell_each_change_once(capsys):
    events, view = climbing()
    lines = Lines(Console(live=False))
    events.iteration("Climb", 0)
    events.iteration("ReleaseTargets", 0)
    for name in ("Validate", "UpdateCode", "AwaitUpdate", "AwaitUpdate", "ReadDeployment", "Probe"):
        events.state(name)
        refresh(view, events)
        lines.update(view)
        lines.update(view)
    view.targets[0].share = "10% on version 8"
    lines.update(view)
    told = [line.split(" s  ")[1] for line in capsys.readouterr().err.splitlines()]
    assert [" ".join(line.split()) for line in told] == [
        "staging validating",
        "staging updating the code",
        "staging waiting for the update",
        "staging shifting",
        "staging shifting: 10% on version 8",
    ]


def test_times_are_the_execution_s_own_whatever_this_machine_s_clock_says(monkeypatch):
    events, view = climbing()
    monkeypatch.setattr(history.time, "time", lambda: 50_000.0)
    events.iteration("Climb", 0)
    events.iteration("ReleaseTargets", 0)
    events.state("Validate")
    refresh(view, events)
    monkeypatch.setattr(history.time, "time", lambda: 50_007.0)
    assert view.seconds(view.targets[0].since) == 7
    assert view.seconds(view.started) == 11
