from datetime import UTC, datetime

import pytest
from fakes.pipeline import EXECUTION, target

from stepladder.core.cloud_clock import ClockReader
from stepladder.core.console import Console
from stepladder.promotion import definition, history, render
from stepladder.promotion.render import LineRenderer

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


def begun():
    events = Events()
    events.add("ExecutionStarted", 0)
    return events, history.LadderView.of(INPUT, 1000.0)


def refresh(view, events):
    return history.refresh(view, events.read, EXECUTION)


def test_an_event_belongs_to_the_rung_and_target_whose_iterations_it_came_through():
    events, view = begun()
    events.iteration("PromoteRungs", 1)
    top = events.state("ReleaseTargets")
    events.iteration("ReleaseTargets", 1, on=top)
    events.state("UpdateCode")
    first = events.iteration("ReleaseTargets", 0, on=top)
    events.state("TestVersion", on=first)
    refresh(view, events)
    assert [t.phase for t in view.targets] == ["", "testing the version", "updating the code"]


def test_after_a_map_events_belong_to_the_whole_rung_again():
    events, view = begun()
    events.iteration("PromoteRungs", 1)
    events.iteration("ReleaseTargets", 0)
    events.state("Validate")
    events.add("MapStateExited", stateExitedEventDetails={"name": "ReleaseTargets"})
    events.state("AwaitApproval")
    refresh(view, events)
    assert [t.phase for t in view.targets] == ["", "waiting for approval", "waiting for approval"]


def test_only_new_events_are_read_and_a_long_history_costs_one_page_a_look():
    events, view = begun()
    events.iteration("PromoteRungs", 0)
    events.iteration("ReleaseTargets", 0)
    for _ in range(450):
        events.state("PollDeployment")
    assert refresh(view, events)
    assert events.pages == 5
    events.pages = 0
    assert not refresh(view, events)
    events.state("VerifyAlias")
    assert refresh(view, events)
    assert events.pages == 2
    assert view.targets[0].phase == "verifying the alias"


def test_the_end_is_seen():
    events, view = begun()
    events.add("ExecutionAborted")
    refresh(view, events)
    assert view.end == "Aborted"


def test_a_task_that_is_tried_again_is_counted_and_no_error_s_name_is_shown():
    events, view = begun()
    events.iteration("PromoteRungs", 0)
    events.iteration("ReleaseTargets", 0)
    events.state("Validate")
    events.add("TaskScheduled")
    events.add("TaskFailed", taskFailedEventDetails={"error": "Lambda.TooManyRequestsException"})
    refresh(view, events)
    assert view.targets[0].tries == 1, "it may be given up as well"
    events.add("TaskScheduled")
    refresh(view, events)
    assert view.targets[0].tries == 2
    told = "".join(text for line in render.rows(view) for text, _ in line)
    assert "validating, try 2" in told
    assert "Exception" not in told
    events.state("UpdateCode")
    refresh(view, events)
    assert view.targets[0].tries == 1


def test_an_error_that_is_given_up_is_no_second_try():
    events, view = begun()
    events.iteration("PromoteRungs", 0)
    events.iteration("ReleaseTargets", 0)
    events.state("Validate")
    events.add("TaskFailed", taskFailedEventDetails={"error": "DynamoDb.ConditionalCheckFailedException"})
    events.state("Refused")
    events.state("RecordFailure")
    events.add("TaskScheduled")
    refresh(view, events)
    assert (view.targets[0].phase, view.targets[0].tries) == ("failed, nothing moved", 1)


def test_a_target_s_time_stops_when_nothing_more_happens_to_it(monkeypatch):
    events, view = begun()
    monkeypatch.setattr(history.time, "time", lambda: 1000.0)
    events.iteration("PromoteRungs", 0)
    events.iteration("ReleaseTargets", 0)
    events.state("Validate")
    events.state("SetUnchanged")
    refresh(view, events)
    monkeypatch.setattr(history.time, "time", lambda: 1500.0)
    assert view.elapsed(view.targets[0]) == 1
    assert view.targets[0].past == [("validating", 1.0)]
    assert view.seconds(view.started) > 500


def test_the_seconds_of_a_fast_clock_are_its_own_and_called_simulated(monkeypatch, capsys):
    events, view = begun()
    monkeypatch.setattr(history.time, "time", lambda: 1000.0)
    events.iteration("PromoteRungs", 0)
    events.iteration("ReleaseTargets", 0)
    events.state("Validate")
    refresh(view, events)
    view.set_clock(1004.0, 40.0)
    monkeypatch.setattr(history.time, "time", lambda: 1001.0)
    assert view.seconds(1004.0) == 40
    LineRenderer(Console(live=False)).update(view)
    assert capsys.readouterr().err.splitlines() == [
        "times are simulated: the clock runs at 40x real time",
        "   44.0 s sim  staging      validating",
    ]
    assert "44 s simulated (the clock runs at 40x real time)" in render._foot(view)


def test_a_line_is_never_earlier_than_the_one_before(capsys):
    view = history.LadderView.of(INPUT, 1000.0)
    lines = LineRenderer(Console(live=False))
    for second, end, phase in ((1052.6, "", "verifying the alias"), (1046.0, "SUCCEEDED", "released")):
        view.last_event, view.end = (second, history.time.time()), end
        view.targets[0].phase = phase
        lines.update(view)
    first, last = (float(line.split()[0]) for line in capsys.readouterr().err.splitlines())
    assert first <= last


@pytest.mark.parametrize(
    ("config", "share", "minutes", "words"),
    [
        ("CodeDeployDefault.LambdaCanary10Percent5Minutes", 0.1, 3.4, "10% for 3 of 5 min"),
        ("CodeDeployDefault.LambdaCanary10Percent5Minutes", 0.1, 9, "10% for 5 of 5 min"),
        ("orders-production-canary-20-15", 0.2, 2, "20% for 2 of 15 min"),
        ("CodeDeployDefault.LambdaLinear10PercentEvery1Minute", 0.3, 3, "30%, 10% more every minute"),
        ("orders-production-linear-25-7", 0.25, 1, "25%, 25% more every 7 min"),
        ("CodeDeployDefault.LambdaCanary10Percent5Minutes", 0.0, 0, "0% on the new version"),
        ("CodeDeployDefault.LambdaAllAtOnce", 1.0, 0, "100%, watched until CodeDeploy is done"),
    ],
)
def test_the_progress_of_a_shift_is_told_in_words(config, share, minutes, words):
    told = {"rungs": [{"name": "staging", "targets": [target(environment="staging", deployment_config=config)]}]}
    view = history.LadderView.of(told, 1000.0)
    view.last_event, view.end = (1000 + minutes * 60, 0.0), "Failed"
    one = view.targets[0]
    one.phase, one.shifted, one.share = history.SHIFTING, 1000.0, share
    assert render.progress(view, one) == words


SHIFT = {"widths": [1, 25, 100], "seconds": [600, 1800, 0], "bake_seconds": 600, "canary": {}}


@pytest.mark.parametrize(
    ("share", "minutes", "words"),
    [
        (0.01, 2, "1% for 2 of 10 min"),
        (0.25, 29, "25% for 29 of 30 min"),
        (0.25, 45, "25% for 45 min, without a judgement"),
        (1.0, 3, "100%, watched for 3 of 10 min"),
    ],
)
def test_the_progress_of_a_shift_by_widths_counts_from_its_newest_width(share, minutes, words):
    told = {"rungs": [{"name": "staging", "targets": [target(environment="staging", shift=SHIFT)]}]}
    view = history.LadderView.of(told, 1000.0)
    view.last_event, view.end = (5000 + minutes * 60, 0.0), "Failed"
    one = view.targets[0]
    one.phase, one.shifted, one.moved, one.share = history.SHIFTING, 1000.0, 5000.0, share
    assert render.progress(view, one) == words


def test_a_canary_that_compares_shows_both_versions_and_its_question(capsys):
    told = {"rungs": [{"name": "staging", "targets": [target(environment="staging", shift=SHIFT)]}]}
    view = history.LadderView.of(told, 1000.0)
    view.last_event = (1000.0, history.time.time())
    one = view.targets[0]
    one.enter(history.SHIFTING, 1000.0)
    one.share, one.version, one.calls, one.errors, one.p99 = 0.25, "8", 210, 13, 1310.4
    one.old = history.OldVersion("7", 1890, 4, 120.2)
    text = render.picture(view, 120).plain
    assert "version 8: 13 errors in 210 calls, p99 1,310 ms   version 7: 4 in 1890, p99 120 ms   no alarm" in text
    assert "no judgement" not in text
    one.has_question = True
    assert "no judgement: answer it with `inv promote.approve`" in render.picture(view, 120).plain
    LineRenderer(Console(live=False)).update(view)
    assert "no judgement: answer it with" in capsys.readouterr().err


def test_a_version_that_has_all_traffic_is_watched_for_its_bake():
    bake = target(environment="staging", bake_polls=40, poll_seconds=15)
    view = history.LadderView.of({"rungs": [{"name": "staging", "targets": [bake]}]}, 1000.0)
    view.last_event, view.end = (1000 + 120, 0.0), "Failed"
    one = view.targets[0]
    one.phase, one.shifted, one.baked, one.share = history.SHIFTING, 900.0, 1000.0, 1.0
    assert render.progress(view, one) == "100%, watched for 2 of 10 min"


def test_phases_that_ended_keep_their_times_and_the_newest_are_shown():
    one = history.Target("production", "orders-production", "production")
    for when, phrase in enumerate(("validating", "updating the code", "testing the version", history.SHIFTING)):
        one.enter(phrase, 1000.0 + when * 65)
    one.enter("released", 1500.0)
    assert render.phases(one, 80) == "validate 1 min 5 s, code 1 min 5 s, test 1 min 5 s, shift 5 min 5 s"
    assert render.phases(one, 40) == "test 1 min 5 s, shift 5 min 5 s"


def test_an_approval_names_the_commands_that_answer_it(capsys):
    view = history.LadderView.of(INPUT, 1000.0)
    view.last_event = (1000.0, history.time.time())
    view.targets[1].enter("waiting for approval", 1000.0)
    LineRenderer(Console(live=False)).update(view)
    said = capsys.readouterr().err
    assert "`inv promote.approve` or `inv promote.reject`" in said
    assert "`inv promote.approve` or `inv promote.reject`" in render.picture(view, 80).plain


@pytest.mark.parametrize(
    ("endpoint", "is_local"),
    [("", False), ("https://states.eu-west-1.amazonaws.com", False), ("http://127.0.0.1:9", True)],
)
def test_only_a_local_cloud_s_clock_is_read_and_one_that_is_gone_is_no_error(endpoint, is_local):
    clock = ClockReader(endpoint)
    assert clock.is_local == is_local
    assert clock.read() is None


def test_a_clock_that_was_set_forward_is_simulated_time_too(monkeypatch):
    monkeypatch.setattr(history.time, "time", lambda: 1000.0)
    view = history.LadderView.of(INPUT, 1000.0)
    view.last_event = (1000.0, 1000.0)
    view.set_clock(1001.0, 1.0)
    assert not view.simulated
    view.set_clock(1600.0, 1.0)
    assert view.simulated
    assert "(the clock was set forward)" in render._foot(view)


@pytest.mark.parametrize(("share", "full"), [(0, 0), (0.01, 1), (0.1, 2), (0.99, 19), (1, 20)])
def test_the_bar_is_the_new_version_s_share_and_full_or_empty_only_when_that_is(share, full):
    assert render.bar(share) == "█" * full + "░" * (20 - full)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_of_the_drawing_is_wider_than_the_terminal(width):
    view = history.LadderView.of(INPUT, 1000.0)
    view.last_event = (1400.0, history.time.time())
    for one in view.targets:
        one.environment *= 3
        one.enter("validating", 1000.0)
        one.enter("waiting for the version", 1100.0)
        one.enter(history.SHIFTING, 1200.0)
        one.share, one.version, one.shifted = 0.1, "12", 1210.0
        one.errors, one.calls, one.alarms = 7, 900, (f"{one.function}-errors", f"{one.function}-latency")
    view.set_clock(1401.0, 40)
    view.note = "the connection is lost, trying again"
    lines = render.picture(view, width).plain.split("\n")
    assert max(map(len, lines)) <= width


def test_every_state_with_a_phrase_exists():
    names = {state.name for state in definition.states(definition.load())}
    assert set(history._PHRASES) | history._SHIFTING <= names


def test_lines_tell_each_change_once(capsys):
    events, view = begun()
    lines = LineRenderer(Console(live=False))
    events.iteration("PromoteRungs", 0)
    events.iteration("ReleaseTargets", 0)
    for name in ("Validate", "UpdateCode", "AwaitUpdate", "AwaitUpdate", "PollDeployment", "ProbeAlias"):
        events.state(name)
        refresh(view, events)
        lines.update(view)
        lines.update(view)
    one = view.targets[0]
    one.share, one.version = 0.1, "8"
    lines.update(view)
    one.errors, one.alarms = 3, ("orders-staging-errors",)
    lines.update(view)
    one.errors = 4
    lines.update(view)
    told = [line.split(" s  ")[1] for line in capsys.readouterr().err.splitlines()]
    assert [" ".join(line.split()) for line in told] == [
        "staging validating",
        "staging updating the code",
        "staging waiting for the update",
        "staging shifting traffic",
        "staging shifting traffic: version 8 has 10%",
        "staging version 8 has raised errors",
        "staging alarm orders-staging-errors fires",
    ]


def test_times_are_the_execution_s_own_whatever_this_machine_s_clock_says(monkeypatch):
    events, view = begun()
    monkeypatch.setattr(history.time, "time", lambda: 50_000.0)
    events.iteration("PromoteRungs", 0)
    events.iteration("ReleaseTargets", 0)
    events.state("Validate")
    refresh(view, events)
    monkeypatch.setattr(history.time, "time", lambda: 50_007.0)
    assert view.seconds(view.targets[0].since) == 7
    assert view.seconds(view.started) == 11
