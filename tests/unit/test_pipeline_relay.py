"""The relay: what it may be asked, whom it asks, and what it says of a child execution in another location."""

import json

import pytest
from fakes.pipeline import EXECUTION, FUNCTION, NEW, OLD, refusal, release, target

MACHINE = "arn:aws:states:us-east-1:222222222222:stateMachine:orders-promotion"
THERE = "arn:aws:lambda:us-east-1:222222222222:function:orders-pipeline-relay"
SENTENCE = '{"errorMessage": "staging runs another image", "errorType": "RefusedError"}'


@pytest.fixture(autouse=True)
def place(pipeline, monkeypatch):
    """The place that is asked; `home` makes it the one that asks."""
    ladder = {"production": {"function": FUNCTION, "alias": "live", "below": []}}
    for name, value in {
        "ELSEWHERE": "{}",
        "LADDER": json.dumps(ladder),
        "MACHINE": MACHINE,
        "ROLLBACK": "rollback",
        "VALIDATE": "validate",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pipeline.child, "_WAIT", 0.0)


@pytest.fixture
def home(pipeline, monkeypatch):
    ladder = {
        "staging": {"function": "orders-staging", "alias": "live", "below": []},
        "production": {"function": FUNCTION, "alias": "live", "below": ["staging"], "elsewhere": True},
    }
    monkeypatch.setenv("LADDER", json.dumps(ladder))
    monkeypatch.setenv("ELSEWHERE", json.dumps({"production": {"relay": THERE, "region": "us-east-1"}}))
    pipeline.aws.states.executions[EXECUTION] = {"status": "RUNNING"}
    pipeline.aws.lambda_.pipeline[THERE] = lambda _event: {"execution_arn": "child"}
    return pipeline


def away(**changes):
    place = {"account": "222222222222", "region": "us-east-1"}
    return target(place=place, verdict_seconds=7200, **changes)


def ask(pipeline, action, **more):
    event = {"action": action, "execution_arn": EXECUTION, "target": away(), "release": release(untested="")}
    return pipeline.relay.handler(event | more, None)


def child(pipeline):
    return pipeline.child.arn(EXECUTION, away()["environment"])


def end(pipeline, **more):
    why = {"Error": "ChildTimedOut", "Cause": "no answer in time"}
    return ask(pipeline, "end", **{"why": why, "appears": 0, "unwritten": "failed"} | more)


def settled(outcome, cause=""):
    return lambda _event: {
        "settled": [{"environment": "production", "outcome": outcome, "error": "Abandoned", "cause": cause}]
    }


class TestHome:
    def test_passes_a_request_on_as_it_is(self, home):
        ask(home, "look")
        ((function, event),) = home.aws.lambda_.calls
        assert (function, event["action"], event["target"]) == (THERE, "look", away())

    def test_starts_nothing_when_the_rung_below_runs_another_image(self, home):
        home.aws.lambda_.digests["orders-staging", "3"] = OLD
        with pytest.raises(home.errors.RefusedError, match="staging, the rung below, runs"):
            ask(home, "start")
        assert "start" not in [event["action"] for _, event in home.aws.lambda_.calls]

    def test_a_refusal_ends_what_an_earlier_request_began_whose_answer_was_lost(self, home):
        home.aws.lambda_.digests["orders-staging", "3"] = OLD
        with pytest.raises(home.errors.RefusedError, match="staging, the rung below, runs"):
            ask(home, "start")
        ((_, asked),) = home.aws.lambda_.calls
        assert (asked["action"], asked["why"]["Error"]) == ("end", "RefusedError")

    @pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
    def test_a_relay_that_does_not_let_us_in_has_begun_nothing(self, home, code):
        def shut(_event):
            raise refusal(code, 403)

        home.aws.lambda_.pipeline[THERE] = shut
        with pytest.raises(home.errors.RefusedError, match="production can't be reached"):
            ask(home, "start")

    def test_a_parent_that_does_not_show_yet_is_running(self, home):
        del home.aws.states.executions[EXECUTION]
        assert ask(home, "start") == {"execution_arn": "child"}

    def test_starts_nothing_while_the_rung_below_is_shifted(self, home):
        home.aws.lambda_.aliases["orders-staging"]["RoutingConfig"] = {"AdditionalVersionWeights": {"4": 0.1}}
        with pytest.raises(home.errors.RefusedError, match="is being shifted"):
            ask(home, "start")

    def test_ends_a_child_whose_parent_was_stopped_meanwhile(self, home):
        home.aws.states.executions[EXECUTION] = {"status": "ABORTED"}
        with pytest.raises(home.errors.RefusedError, match="ended ABORTED"):
            ask(home, "start")
        assert [event["action"] for _, event in home.aws.lambda_.calls] == ["start", "end"]

    @pytest.mark.parametrize("name", ["RefusedError", "StillRollingBackError", "TransientError"])
    def test_tells_an_error_of_the_other_place_under_its_own_name(self, home, name):
        home.aws.lambda_.pipeline[THERE] = lambda _event: {"errorType": name, "errorMessage": "so it is"}
        with pytest.raises(getattr(home.errors, name), match="so it is"):
            ask(home, "look")

    def test_takes_no_other_error_for_a_refusal_since_something_may_have_begun(self, home):
        home.aws.lambda_.pipeline[THERE] = lambda _event: {"errorType": "KeyError", "errorMessage": "x"}
        with pytest.raises(home.errors.ElsewhereError, match="failed with KeyError: x"):
            ask(home, "look")


def test_nothing_but_the_list_is_done(pipeline):
    with pytest.raises(pipeline.errors.RefusedError, match="does no 'restore'"):
        ask(pipeline, "restore")


@pytest.mark.parametrize("stranger", [{"environment": "staging"}, {"function": "orders-other"}])
def test_nothing_is_done_to_a_target_that_terraform_does_not_name(pipeline, stranger):
    with pytest.raises(pipeline.errors.RefusedError, match="is no rung of this place"):
        ask(pipeline, "start", target=away(**stranger))
    assert not pipeline.aws.states.started


def test_a_child_is_one_rung_with_one_target_that_waits_for_a_verdict(pipeline):
    assert ask(pipeline, "start") == {"execution_arn": child(pipeline)}
    (started,) = pipeline.aws.states.started
    told = json.loads(started["input"])
    assert started["stateMachineArn"] == f"{MACHINE}:live"
    assert (told["release_id"], told["digest"], told["parent"]) == (release()["id"], NEW, EXECUTION)
    (rung,) = told["rungs"]
    assert (rung["approval"], rung["verdict_seconds"]) == (False, 7200)
    assert rung["targets"] == [target()]


def test_a_child_of_one_of_many_begins_at_once_since_its_parent_has_waited_for_its_turn(pipeline):
    ask(pipeline, "start", target=away(begins_after=150))
    (rung,) = json.loads(pipeline.aws.states.started[0]["input"])["rungs"]
    assert rung["targets"] == [target()]


def test_the_input_of_a_child_has_all_that_the_definition_reads(pipeline, tmp_path):
    from stepladder.promotion import ladder
    from stepladder.promotion.ladder import PromotionRequest
    from stepladder.settings.load import load

    place = {"account": "123456789012", "region": "eu-west-1"}
    settings = load({"project": "orders", "environments": {"staging": place, "production": place}}, tmp_path)
    whole = ladder.execution_input(settings, PromotionRequest("r", NEW, "c0ffee", "jo"))
    ask(pipeline, "start")
    told = json.loads(pipeline.aws.states.started[0]["input"])
    assert set(whole) <= set(told)
    assert set(whole["rungs"][0]) <= set(told["rungs"][0])


def test_starting_twice_is_starting_once(pipeline):
    assert ask(pipeline, "start") == ask(pipeline, "start")
    assert len(pipeline.aws.states.started) == 1


def test_a_child_waits_only_while_its_question_stands(pipeline):
    ask(pipeline, "start")
    assert ask(pipeline, "look")["state"] == "climbing"
    pipeline.aws.dynamodb.put(f"climb#{child(pipeline).rpartition(':')[2]}", "verdict", token="t-1")
    assert ask(pipeline, "look")["state"] == "climbing", "the task that asked has failed since"
    pipeline.aws.states.waiting.add("t-1")
    assert ask(pipeline, "look")["state"] == "waiting"


@pytest.mark.parametrize(
    ("verdict", "heard"),
    [
        ({"word": "keep", "error": "", "cause": ""}, "keep"),
        ({"word": "undo", "error": "SiblingFailed", "cause": "another"}, "SiblingFailed: another"),
    ],
)
def test_a_child_is_told_as_often_as_it_asks(pipeline, verdict, heard):
    ask(pipeline, "start")
    for token in ("t-1", "t-2"):
        pipeline.aws.dynamodb.put(f"climb#{child(pipeline).rpartition(':')[2]}", "verdict", token=token)
        pipeline.aws.states.waiting = {token}
        assert ask(pipeline, "tell", verdict=verdict)["state"] == "climbing"
    assert pipeline.aws.states.sent == [("t-1", heard), ("t-2", heard)]


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (
            {
                "status": "SUCCEEDED",
                "output": json.dumps(
                    [
                        {
                            "rung": "production",
                            "targets": [
                                {"environment": "production", "outcome": "unchanged", "error": "", "cause": ""}
                            ],
                        }
                    ]
                ),
            },
            ("unchanged", "", ""),
        ),
        (
            {
                "status": "FAILED",
                "error": "RolledBack",
                "cause": json.dumps(
                    [
                        {
                            "environment": "production",
                            "outcome": "rolled_back",
                            "error": "ProbeFailedError",
                            "cause": "bad",
                        }
                    ]
                ),
            },
            ("rolled_back", "ProbeFailedError", "bad"),
        ),
        ({"status": "FAILED", "error": "RollbackFailed", "cause": "[]"}, ("rollback_failed", "", "")),
        ({"status": "TIMED_OUT"}, ("cut_off", "Abandoned", "the child execution ended TIMED_OUT")),
        ({"status": "FAILED", "error": "States.Runtime", "cause": "x"}, ("cut_off", "States.Runtime", "x")),
    ],
    ids=["unchanged", "rolled back", "stuck", "timed out", "broken"],
)
def test_the_end_of_a_child_is_told_in_the_parent_s_words(pipeline, ended, told):
    pipeline.aws.states.executions[child(pipeline)] = ended
    seen = ask(pipeline, "look")
    assert (seen["state"], seen["outcome"], seen["error"], seen["cause"]) == ("ended", *told)


class TestEnd:
    def test_stops_a_child_and_has_what_it_left_put_back(self, pipeline):
        ask(pipeline, "start")
        pipeline.aws.lambda_.pipeline["rollback"] = settled("rolled_back", "Abandoned: x")
        seen = end(pipeline)
        assert seen == {
            "state": "ended",
            "outcome": "rolled_back",
            "error": "ChildTimedOut",
            "cause": "no answer in time",
        }
        assert pipeline.aws.states.stopped == [child(pipeline)]
        ((_, asked),) = pipeline.aws.lambda_.calls
        assert (asked["action"], asked["execution_arn"]) == ("settle", child(pipeline))

    def test_tells_a_child_that_has_ended_by_itself_as_it_is(self, pipeline):
        cause = json.dumps([{"environment": "production", "outcome": "failed", "error": "E", "cause": "c"}])
        pipeline.aws.states.executions[child(pipeline)] = {
            "status": "FAILED",
            "error": "RefusedBeforeTraffic",
            "cause": cause,
        }
        assert end(pipeline) == {"state": "ended", "outcome": "failed", "error": "E", "cause": "c"}
        assert not pipeline.aws.lambda_.calls

    def test_tells_the_reason_when_there_is_no_child(self, pipeline):
        seen = end(pipeline, why={"Error": "RefusedError", "Cause": SENTENCE}, unwritten="untouched")
        assert (seen["outcome"], seen["cause"]) == ("untouched", "staging runs another image")

    def test_a_rollback_that_failed_is_told_with_its_own_cause(self, pipeline):
        ask(pipeline, "start")
        pipeline.aws.lambda_.pipeline["rollback"] = settled("rollback_failed", "somebody moved it")
        seen = end(pipeline)
        assert (seen["outcome"], seen["cause"]) == ("rollback_failed", "somebody moved it")

    def test_one_whose_end_does_not_show_yet_is_asked_for_again(self, pipeline):
        """Rollback leaves what it sees running alone: nothing was put back, and no word of ours may say so."""
        ask(pipeline, "start")
        pipeline.aws.lambda_.pipeline["rollback"] = lambda _event: {"settled": []}
        with pytest.raises(pipeline.errors.StillRollingBackError, match="does not show yet"):
            end(pipeline)

    def test_one_still_under_way_is_asked_for_again(self, pipeline):
        ask(pipeline, "start")
        pipeline.aws.lambda_.pipeline["rollback"] = lambda _e: {
            "errorType": "StillRollingBackError",
            "errorMessage": "d-1",
        }
        with pytest.raises(pipeline.errors.StillRollingBackError):
            end(pipeline)


def test_the_place_checks_its_own_target_by_its_own_validate(pipeline):
    pipeline.aws.lambda_.pipeline["validate"] = lambda event: {"unchanged": event["targets"] == [away()]}
    assert ask(pipeline, "check") == {"unchanged": True}


def test_what_a_place_serves_is_read_from_the_version(pipeline):
    assert ask(pipeline, "runs", target={"environment": "production"}) == {"digest": OLD, "whole": True}
