"""A shift by the state machine: the function that judges a width, and the one that moves traffic."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import EndpointConnectionError
from fakes.pipeline import EXECUTION, FUNCTION, RELEASE, Context, refusal, release, target
from fakes.pipeline_calls import alias, shorten_waits

SHIFT = {
    "widths": [1, 25, 100],
    "seconds": [600, 1800, 0],
    "limit_seconds": 3600,
    "bake_seconds": 300,
    "bake_requests": 0,
    "inconclusive": "restore",
    "ask_seconds": 7200,
    "max_polls": 400,
    "canary": {"error_rate": 0.5, "p99": 1.5, "minimum_requests": 100},
}
BEGAN = datetime(2026, 11, 26, 15, 0, 30, tzinfo=UTC)
GOOD = (900, 2, {100.0: 890, 220.0: 10})
FEW, SAME = (90, 0, {100.0: 90}), (200, 1, {100.0: 198, 220.0: 2})


def later(minutes):
    return (BEGAN + timedelta(minutes=minutes)).isoformat()


def progress(step=1, minutes=0, **changes):
    usual = {
        "step": step,
        "polls": 3,
        "began": BEGAN.isoformat(),
        "moved": later(minutes),
        "questioned": "",
        "wait": 15,
    }
    return usual | {"move": "wait", "why": ""} | changes


@pytest.fixture(autouse=True)
def quick(pipeline, monkeypatch):
    shorten_waits(pipeline, monkeypatch)
    pipeline.aws.dynamodb.put("env#production", "lock", run_id=EXECUTION, previous_version="7")


def at_width(pipeline, percent):
    if percent == 100:
        alias(pipeline)["FunctionVersion"] = "8"
        alias(pipeline).pop("RoutingConfig", None)
    elif percent:
        pipeline.aws.lambda_.route("8", percent / 100)


def call(pipeline, function, action, shifted, at, shift=None, **changes):
    event = {
        "action": action,
        "execution_arn": EXECUTION,
        "release": release(smoke_key="") | changes,
        "target": target(shift=SHIFT | (shift or {}), poll_seconds=15),
        "version": "8",
        "previous_version": "7",
        "shifted": shifted,
        "at": at,
    }
    return getattr(pipeline, function).handler(event, Context())


def judged(pipeline, minutes=1, shifted=None, new=SAME, old=GOOD, **shift):
    shifted = shifted or progress()
    at_width(pipeline, SHIFT["widths"][shifted["step"]])
    pipeline.aws.cloudwatch.minutes = {"8": [new], "7": [old]}
    return call(pipeline, "verify", "judge", shifted, later(minutes), shift)


class TestJudge:
    def test_a_version_like_the_old_one_waits_until_its_width_has_had_its_time_and_is_widened_then(self, pipeline):
        assert judged(pipeline, minutes=29)["move"] == "wait"
        ended = judged(pipeline, minutes=30)
        assert (ended["move"], ended["step"], ended["polls"]) == ("widen", 2, 4)
        assert ended["why"] == "version 8: 0.5% errors in 200 requests, version 7 0.2% in 900"

    def test_a_worse_version_fails_at_once_with_both_rates(self, pipeline):
        with pytest.raises(pipeline.errors.CanaryFailedError) as failed:
            judged(pipeline, new=(210, 13, {100.0: 210}), old=(1890, 4, {100.0: 1890}))
        assert str(failed.value) == "version 8: 6.2% errors in 210 requests, version 7 0.2% in 1,890"

    def test_a_slower_version_fails_by_the_old_ones_p99(self, pipeline):
        with pytest.raises(pipeline.errors.CanaryFailedError, match=r"12.0% of 200 requests took over 330 ms \(1.5 ti"):
            judged(pipeline, new=(200, 0, {100.0: 176, 500.0: 24}), old=(900, 0, {100.0: 880, 220.0: 20}))

    def test_new_execution_environments_may_begin_slowly_after_each_move(self, pipeline):
        slow = {"new": (200, 0, {100.0: 176, 500.0: 24}), "old": (900, 0, {100.0: 880, 220.0: 20})}
        moves = [BEGAN.isoformat(), later(10), later(40)]
        for minute in (0, 1, 10, 11, 40, 41):
            pipeline.aws.cloudwatch.first = BEGAN.replace(second=0) + timedelta(minutes=minute)
            assert judged(pipeline, shifted=progress(minutes=40, moves=moves), minutes=41, **slow)["move"] == "wait"
        for minute in (2, 9, 12, 39, 42):
            pipeline.aws.cloudwatch.first = BEGAN.replace(second=0) + timedelta(minutes=minute)
            with pytest.raises(pipeline.errors.CanaryFailedError, match="took over 330 ms"):
                judged(pipeline, shifted=progress(minutes=40, moves=moves), minutes=43, **slow)

    def test_errors_count_in_the_minutes_in_which_durations_do_not(self, pipeline):
        pipeline.aws.cloudwatch.first = BEGAN.replace(second=0)
        with pytest.raises(pipeline.errors.CanaryFailedError, match=r"version 8: 6\.2% errors"):
            judged(pipeline, new=(210, 13, {100.0: 210}), old=(1890, 4, {100.0: 1890}))

    def test_requests_whose_durations_do_not_count_are_no_pass_when_widths_follow_each_other_fast(self, pipeline):
        pipeline.aws.cloudwatch.first = BEGAN.replace(second=0)
        ended = judged(pipeline, minutes=30)
        assert ended["move"] == "wait"
        assert ended["why"] == (
            "too few requests to compare: 0 of version 8 and 0 of version 7 in the same minutes, "
            "the first two of each width left out, 100 of each are needed"
        )

    def test_asks_cloudwatch_for_each_version_of_the_alias_since_traffic_began(self, pipeline):
        judged(pipeline)
        _, counts = pipeline.aws.cloudwatch.queries
        assert counts["StartTime"] == BEGAN.replace(second=0)
        assert {q["MetricStat"]["Period"] for q in counts["MetricDataQueries"]} == {60}
        dimensions = [
            {d["Name"]: d["Value"] for d in q["MetricStat"]["Metric"]["Dimensions"]}
            for q in counts["MetricDataQueries"]
        ]
        alias_of = {"FunctionName": FUNCTION, "Resource": f"{FUNCTION}:live"}
        assert all(
            each in ({**alias_of, "ExecutedVersion": "8"}, {**alias_of, "ExecutedVersion": "7"}) for each in dimensions
        )
        assert {q["MetricStat"]["Stat"] for q in counts["MetricDataQueries"]} == {"Sum", "TC(330.000:)"}

    def test_without_enough_requests_the_width_stays_until_its_limit_and_is_restored_then(self, pipeline):
        assert judged(pipeline, minutes=59, new=FEW)["move"] == "wait"
        with pytest.raises(pipeline.errors.CanaryInconclusiveError, match="no judgement in time: too few requests"):
            judged(pipeline, minutes=60, new=FEW)

    @pytest.mark.parametrize(
        "failure", [refusal("Throttling"), refusal("AccessDenied", 403), EndpointConnectionError(endpoint_url="x")]
    )
    def test_no_answer_of_cloudwatch_is_no_pass_and_no_failure(self, pipeline, failure):
        pipeline.aws.cloudwatch.failures = [failure]
        ended = judged(pipeline, minutes=31)
        assert ended["move"] == "wait"
        assert ended["why"].startswith("CloudWatch gave no answer")
        assert judged(pipeline, minutes=32)["move"] == "widen", "the next poll knows more"

    def test_half_an_answer_is_none(self, pipeline):
        pipeline.aws.cloudwatch.status = "InternalError"
        assert judged(pipeline, minutes=31)["move"] == "wait"

    def test_without_a_canary_only_time_and_alarms_count_and_no_metric_is_read(self, pipeline):
        at_width(pipeline, 25)
        shift = {key: value for key, value in SHIFT.items() if key != "canary"}
        event = {"action": "judge", "execution_arn": EXECUTION, "release": release(smoke_key=""), "version": "8"}
        event |= {
            "target": target(shift=shift, poll_seconds=15),
            "previous_version": "7",
            "shifted": progress(),
            "at": later(30),
        }
        assert pipeline.verify.handler(event, Context())["move"] == "widen"
        assert pipeline.aws.cloudwatch.queries == []

    def test_an_alarm_since_the_shift_began_blames_the_version(self, pipeline):
        pipeline.aws.cloudwatch.firing = [f"{FUNCTION}-errors"]
        pipeline.aws.cloudwatch.fired_at = BEGAN + timedelta(minutes=1)
        with pytest.raises(pipeline.errors.AlarmFiredError, match="errors fired: too many"):
            judged(pipeline)

    def test_an_alarm_that_fired_before_ends_the_shift_and_blames_nothing(self, pipeline):
        pipeline.aws.cloudwatch.firing = [f"{FUNCTION}-errors"]
        pipeline.aws.cloudwatch.fired_at = BEGAN - timedelta(minutes=1)
        with pytest.raises(pipeline.errors.RefusedError, match="fired before traffic began to shift"):
            judged(pipeline)

    def test_an_alarm_that_fired_before_blames_nothing_though_its_reason_was_written_anew(self, pipeline):
        pipeline.aws.cloudwatch.firing = [f"{FUNCTION}-errors"]
        pipeline.aws.cloudwatch.fired_at = BEGAN - timedelta(minutes=1)
        pipeline.aws.cloudwatch.updated_at = BEGAN + timedelta(minutes=1)
        with pytest.raises(pipeline.errors.RefusedError, match="fired before traffic began to shift"):
            judged(pipeline)

    def test_an_alarm_of_the_project_that_fires_ends_the_shift(self, pipeline, monkeypatch):
        monkeypatch.setattr(pipeline.probe.gate_alarms, "firing", lambda _target: "alarm checkout fires: too many")
        with pytest.raises(pipeline.errors.AlarmFiredError, match="alarm checkout fires: too many"):
            judged(pipeline)

    @pytest.mark.parametrize("percent", [0, 1, 50, 100])
    def test_an_alias_with_other_weights_was_moved_by_hand(self, pipeline, percent):
        at_width(pipeline, percent)
        with pytest.raises(pipeline.errors.NotServedError, match="somebody else moved alias live"):
            call(pipeline, "verify", "judge", progress(), later(1))

    def test_one_round_of_synthetic_traffic_may_miss_a_narrow_width(self, pipeline):
        at_width(pipeline, 1)
        pipeline.aws.cloudwatch.minutes = {"8": [FEW], "7": [GOOD]}
        call(pipeline, "verify", "judge", progress(step=0), later(1), smoke_key="smoke/cases.json")
        assert len(pipeline.aws.lambda_.invoked) == 10

    def test_a_wrong_answer_to_synthetic_traffic_fails_the_version(self, pipeline):
        at_width(pipeline, 100)
        pipeline.aws.lambda_.answers = lambda *_: (None, "ValueError")
        with pytest.raises(pipeline.errors.ProbeFailedError, match="failed 10 of 10"):
            call(pipeline, "verify", "judge", progress(step=2), later(1), smoke_key="smoke/cases.json")


class TestBake:
    def test_a_version_bakes_for_its_time_and_is_verified_then(self, pipeline):
        assert judged(pipeline, minutes=4, shifted=progress(step=2))["move"] == "wait"
        assert judged(pipeline, minutes=5, shifted=progress(step=2))["move"] == "verify"

    def test_a_version_that_gets_worse_with_all_traffic_fails_by_what_the_old_one_did(self, pipeline):
        at_width(pipeline, 100)
        pipeline.aws.cloudwatch.minutes = {"8": [SAME, *[(2000, 90, {100.0: 2000})] * 12], "7": [GOOD]}
        with pytest.raises(pipeline.errors.CanaryFailedError, match=r"4\.5% errors in 12,000 requests, version 7 0.2%"):
            call(pipeline, "verify", "judge", progress(step=2), later(1))

    def test_requests_are_counted_and_end_the_bake_early(self, pipeline):
        ended = judged(pipeline, minutes=1, shifted=progress(step=2), bake_requests=150)
        assert ended["move"] == "verify"
        ended = judged(pipeline, minutes=1, shifted=progress(step=2), bake_requests=500)
        assert ended["move"] == "wait"

    def test_requests_that_do_not_come_are_no_pass(self, pipeline):
        with pytest.raises(pipeline.errors.CanaryInconclusiveError, match="no judgement in time"):
            judged(pipeline, minutes=5, shifted=progress(step=2), bake_requests=500)


class TestQuestion:
    def ask(self, pipeline, **changes):
        return judged(pipeline, new=FEW, inconclusive="ask", **changes)

    def answer(self, pipeline, decision=""):
        fields = {"rung": "production:canary", "token": "", "asked_at": later(60), "requested_by": "jo"}
        fields |= {"decision": decision, "decided_by": "kim", "why": "seen by hand"} if decision else {}
        pipeline.aws.dynamodb.put("climb#production-c0ffee-bbbbbbbb-1", "approval#production:canary", **fields)

    def test_a_width_without_a_judgement_asks_at_its_limit_and_stays_watched(self, pipeline):
        first = self.ask(pipeline, minutes=60)
        assert (first["move"], first["questioned"], first["wait"], first["step"]) == ("ask", later(60), 36, 1)
        self.answer(pipeline)
        waiting = progress(questioned=later(60))
        assert self.ask(pipeline, minutes=100, shifted=waiting)["move"] == "wait"
        with pytest.raises(pipeline.errors.CanaryFailedError):
            judged(pipeline, minutes=100, shifted=waiting, new=(200, 90, {100.0: 200}), inconclusive="ask")

    def test_polls_are_as_seldom_as_the_input_says_while_a_person_is_asked(self, pipeline):
        assert self.ask(pipeline, minutes=60, ask_poll_seconds=90)["wait"] == 90
        assert judged(pipeline, minutes=30, ask_poll_seconds=90)["wait"] == 15

    def test_an_approval_widens_and_the_next_width_is_judged_anew(self, pipeline):
        self.answer(pipeline, "approved")
        ended = self.ask(pipeline, minutes=100, shifted=progress(questioned=later(60)))
        assert (ended["move"], ended["step"], ended["questioned"]) == ("widen", 2, "")

    def test_a_judgement_that_comes_meanwhile_needs_no_answer(self, pipeline):
        ended = judged(pipeline, minutes=100, shifted=progress(questioned=later(60)), inconclusive="ask")
        assert ended["move"] == "widen"

    def test_counted_requests_that_do_not_come_are_asked_about_and_an_approval_ends_the_bake(self, pipeline):
        bake = {"shifted": progress(step=2), "bake_requests": 500}
        assert self.ask(pipeline, minutes=5, **bake)["move"] == "ask"
        self.answer(pipeline, "rejected")
        bake["shifted"] = progress(step=2, questioned=later(5))
        with pytest.raises(pipeline.errors.CanaryInconclusiveError, match="rejected by kim"):
            self.ask(pipeline, minutes=6, **bake)
        self.answer(pipeline, "approved")
        assert self.ask(pipeline, minutes=6, **bake)["move"] == "verify"

    def test_a_rejection_restores_and_blames_nothing(self, pipeline):
        self.answer(pipeline, "rejected")
        with pytest.raises(pipeline.errors.CanaryInconclusiveError, match=r"rejected by kim \(seen by hand\): too few"):
            self.ask(pipeline, minutes=100, shifted=progress(questioned=later(60)))

    def test_no_answer_in_time_restores(self, pipeline):
        self.answer(pipeline)
        with pytest.raises(pipeline.errors.CanaryInconclusiveError, match="nobody answered in 2 hours: too few"):
            self.ask(pipeline, minutes=180, shifted=progress(questioned=later(60)))


class TestMove:
    def move(self, pipeline, step=0, minutes=0):
        before = progress(step=step, began="" if step == 0 else BEGAN.isoformat(), moved="")
        return call(pipeline, "rollback", "shift", before, later(minutes))

    def test_each_width_follows_the_one_before_and_the_last_takes_all_traffic(self, pipeline):
        moved = self.move(pipeline)
        assert (moved["began"], moved["moved"], moved["moves"]) == (BEGAN.isoformat(),) * 2 + ([BEGAN.isoformat()],)
        assert alias(pipeline)["RoutingConfig"] == {"AdditionalVersionWeights": {"8": 0.01}}
        assert pipeline.aws.dynamodb.read("env#production", "lock")["moved_to"] == "8"
        self.move(pipeline, step=1, minutes=10)
        assert alias(pipeline)["RoutingConfig"] == {"AdditionalVersionWeights": {"8": 0.25}}
        ended = self.move(pipeline, step=2, minutes=40)
        assert (ended["began"], ended["moved"]) == (BEGAN.isoformat(), later(40))
        assert (alias(pipeline)["FunctionVersion"], alias(pipeline).get("RoutingConfig")) == ("8", None)

    def test_asking_twice_moves_once(self, pipeline):
        self.move(pipeline)
        self.move(pipeline)
        assert len(pipeline.aws.lambda_.moves) == 1

    @pytest.mark.parametrize("weights", [{"8": 0.5}, {"9": 0.01}])
    def test_an_alias_that_somebody_moved_is_left_alone(self, pipeline, weights):
        alias(pipeline)["RoutingConfig"] = {"AdditionalVersionWeights": weights}
        with pytest.raises(pipeline.errors.NotServedError, match="somebody else moved alias live"):
            self.move(pipeline, step=1)
        assert pipeline.aws.lambda_.moves == []

    def test_an_alias_that_somebody_moves_meanwhile_is_left_alone(self, pipeline):
        pipeline.aws.lambda_.before_update = lambda: alias(pipeline).update(FunctionVersion="3", RevisionId="r2")
        with pytest.raises(pipeline.errors.NotServedError, match="it serves version 3"):
            self.move(pipeline)

    def test_without_the_lock_nothing_moves(self, pipeline):
        pipeline.aws.dynamodb.items.clear()
        with pytest.raises(pipeline.errors.RefusedError, match=f"lost before release {RELEASE} could shift"):
            self.move(pipeline)
        assert pipeline.aws.lambda_.moves == []

    @pytest.mark.parametrize("holder", [None, "another execution"])
    def test_a_move_after_the_promotion_was_recovered_is_taken_back(self, pipeline, holder):
        """Stopped between the first look at the lock and the move: the recovery found nothing to restore."""

        def recovered():
            pipeline.aws.dynamodb.items.clear()
            if holder:
                pipeline.aws.dynamodb.put("env#production", "lock", run_id=holder, previous_version="7")

        pipeline.aws.lambda_.before_update = recovered
        with pytest.raises(pipeline.errors.RefusedError, match="lost while version 8 got traffic"):
            self.move(pipeline)
        assert (alias(pipeline)["FunctionVersion"], alias(pipeline).get("RoutingConfig")) == ("7", None)
        assert len(pipeline.aws.lambda_.moves) == 2

    def test_a_rollback_restores_and_still_knows_after_a_lost_answer_that_traffic_had_moved(self, pipeline):
        self.move(pipeline)
        event = {"action": "restore", "release": release(), "target": target(shift=SHIFT), "previous_version": "7"}
        event |= {"version": "8", "execution_arn": EXECUTION}
        first, again = (pipeline.rollback.handler(event, Context()) for _ in range(2))
        assert first == again == {"moved": True, "deployment_id": "", "cause": "", "blames_version": False}
        assert (alias(pipeline)["FunctionVersion"], alias(pipeline).get("RoutingConfig")) == ("7", None)
