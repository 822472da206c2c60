import json

import pytest
from fakes.pipeline import EXECUTION, FUNCTION, RELEASE, Context, release, target
from fakes.pipeline_calls import alias, shorten_waits


@pytest.fixture(autouse=True)
def short_waits(pipeline, monkeypatch):
    shorten_waits(pipeline, monkeypatch)


class TestRecover:
    @pytest.fixture(autouse=True)
    def cut_off(self, pipeline):
        aws = pipeline.aws
        told = {
            "release_id": RELEASE,
            "digest": release()["digest"],
            "git_commit": "c0ffee",
            "requested_by": "jo",
            "input_key": "k-1",
            "hotfix": True,
            "rungs": [{"targets": [target(environment="staging", function="orders-staging")]}, {"targets": [target()]}],
        }
        aws.states.execution = {"status": "ABORTED", "input": json.dumps(told), "error": "Stopped"}
        aws.dynamodb.put("env#production", "lock", run_id=EXECUTION, previous_version="7", since="then")

    def recover(self, pipeline):
        return pipeline.rollback.handler({"action": "settle", "execution_arn": EXECUTION}, Context(20))["settled"]

    def entry(self, pipeline):
        return pipeline.aws.dynamodb.read("env#production", f"release#{RELEASE}")

    def test_what_it_left_shifted_is_put_back_recorded_and_unlocked(self, pipeline):
        pipeline.aws.codedeploy.add("d-1", status="Succeeded")
        alias(pipeline)["FunctionVersion"] = "8"
        settled = self.recover(pipeline)
        assert [t["outcome"] for t in settled] == ["untouched", "rolled_back"]
        assert self.entry(pipeline)["result"] == "rolled_back"
        assert self.entry(pipeline)["version"] == "8"
        assert "the execution ended ABORTED: Stopped" in self.entry(pipeline)["cause"]
        assert pipeline.aws.dynamodb.read("env#production", "lock") == {}

    @pytest.mark.parametrize("known", [True, False], ids=["a deployment", "a deployment that is not listed yet"])
    def test_of_two_calls_at_once_both_tell_what_was_recorded(self, pipeline, monkeypatch, known):
        if known:
            pipeline.aws.codedeploy.add("d-1", status="Succeeded")
        pipeline.aws.dynamodb.items["env#production", "lock"]["version"] = {"S": "8"}
        alias(pipeline)["FunctionVersion"] = "8"
        restore_, inner = pipeline.restore.restore, []

        def overtaken(*told):
            """Let another call do all of it, once this one has read the lock."""
            if not inner:
                inner.append([])
                inner.append(self.recover(pipeline))
            return restore_(*told)

        monkeypatch.setattr(pipeline.restore, "restore", overtaken)
        for told in (self.recover(pipeline), inner[1]):
            assert told[1]["outcome"] == "rolled_back"
            assert told[1]["cause"] == self.entry(pipeline)["cause"]
        assert self.entry(pipeline)["result"] == "rolled_back"
        assert self.entry(pipeline)["version"] == "8"

    def test_its_entry_keeps_what_the_release_was_started_with(self, pipeline):
        self.recover(pipeline)
        assert (self.entry(pipeline)["input_key"], self.entry(pipeline)["hotfix"]) == ("k-1", "True")

    def test_who_stopped_it_and_why_is_recorded(self, pipeline):
        pipeline.aws.states.execution["cause"] = "stopped by jo@laptop: wrong version"
        self.recover(pipeline)
        assert self.entry(pipeline)["cause"].endswith("ABORTED: Stopped: stopped by jo@laptop: wrong version")

    def test_a_rung_that_ran_the_image_already_is_unlocked_without_a_false_entry(self, pipeline):
        pipeline.aws.lambda_.digests[FUNCTION, "7"] = release()["digest"]
        assert self.recover(pipeline)[1] == {
            "environment": "production",
            "outcome": "unchanged",
            "error": "",
            "cause": "",
        }
        assert self.entry(pipeline) == {}
        assert pipeline.aws.dynamodb.read("env#production", "lock") == {}

    def ended(self, pipeline, status, outcome, **more):
        targets = [{"environment": "production", "outcome": outcome, "error": "E", "cause": "why"}]
        said = {"output": json.dumps([{"targets": []}, {"targets": targets}])}
        if status == "FAILED":
            said = {"error": "RefusedBeforeTraffic", "cause": json.dumps(targets)}
        pipeline.aws.states.execution |= {"status": status, **said, **more}
        pipeline.aws.dynamodb.put("env#staging", "lock", run_id=EXECUTION, previous_version="3", since="then")
        return self.recover(pipeline)

    @pytest.mark.parametrize(("status", "outcome"), [("SUCCEEDED", "unchanged"), ("FAILED", "refused")])
    def test_locks_that_an_ended_promotion_could_not_give_back_are_given_back_and_nothing_else(
        self, pipeline, status, outcome
    ):
        settled = self.ended(pipeline, status, outcome)
        assert [t["outcome"] for t in settled] == ["unchanged", outcome]
        for environment in ("staging", "production"):
            assert pipeline.aws.dynamodb.read(f"env#{environment}", "lock") == {}
            assert pipeline.aws.dynamodb.read(f"env#{environment}", f"release#{RELEASE}") == {}
        assert pipeline.aws.lambda_.moves == []

    def test_an_end_that_can_t_be_read_is_recovered_as_one_that_was_cut_off(self, pipeline):
        pipeline.aws.lambda_.aliases["orders-staging"]["FunctionVersion"] = "3"
        settled = self.ended(pipeline, "FAILED", "refused", cause="not JSON")
        assert settled[1]["outcome"] == "failed"

    def test_what_it_had_not_moved_is_recorded_as_failed(self, pipeline):
        assert [t["outcome"] for t in self.recover(pipeline)] == ["untouched", "failed"]
        assert self.entry(pipeline)["result"] == "failed"

    def test_settling_twice_says_the_same(self, pipeline):
        first = self.recover(pipeline)
        assert [t["outcome"] for t in self.recover(pipeline)] == [t["outcome"] for t in first]

    def test_a_release_that_was_recorded_is_kept_and_only_unlocked(self, pipeline):
        pipeline.aws.dynamodb.put("env#production", f"release#{RELEASE}", result="succeeded", execution_arn=EXECUTION)
        alias(pipeline)["FunctionVersion"] = "8"
        assert self.recover(pipeline)[1]["outcome"] == "succeeded"
        assert alias(pipeline)["FunctionVersion"] == "8"
        assert pipeline.aws.dynamodb.read("env#production", "lock") == {}

    def test_a_hand_that_moved_the_alias_is_told(self, pipeline):
        alias(pipeline)["FunctionVersion"] = "3"
        assert self.recover(pipeline)[1]["outcome"] == "rollback_failed"
        assert "somebody else moved" in self.entry(pipeline)["cause"]

    def test_one_that_can_t_be_rolled_back_is_recorded_with_what_is_known_of_it(self, pipeline):
        pipeline.aws.codedeploy.add("d-1", status="Succeeded")
        alias(pipeline)["FunctionVersion"] = "3"
        assert self.recover(pipeline)[1]["outcome"] == "rollback_failed"
        assert (self.entry(pipeline)["version"], self.entry(pipeline)["deployment_id"]) == ("8", "d-1")

    def test_one_that_is_still_running_is_left_alone(self, pipeline):
        pipeline.aws.states.execution["status"] = "RUNNING"
        assert self.recover(pipeline) == []
        assert pipeline.aws.dynamodb.read("env#production", "lock")["run_id"] == EXECUTION

    def test_an_event_of_eventbridge_is_understood(self, pipeline):
        event = {"detail-type": "Step Functions Execution Status Change", "detail": {"executionArn": EXECUTION}}
        assert pipeline.rollback.handler(event, Context(20))["settled"][1]["outcome"] == "failed"

    def test_an_event_that_came_before_the_end_shows_is_left_to_be_sent_again(self, pipeline):
        pipeline.aws.states.execution["status"] = "RUNNING"
        with pytest.raises(pipeline.errors.StillRollingBackError, match="does not show yet"):
            pipeline.rollback.handler({"detail": {"executionArn": EXECUTION}}, Context(20))

    def test_the_state_machine_s_own_call_never_says_untouched(self, pipeline):
        event = {
            "action": "settle",
            "execution_arn": "other",
            "release": release(),
            "targets": [target()],
            "cause": "c",
        }
        assert pipeline.rollback.handler(event, Context(20))["settled"][0]["outcome"] == "failed"


class TestRecoverMany:
    """A promotion of many functions that was cut off: its targets are executions of their own, stopped after it."""

    KEYS = tuple(f"production-fn{number}" for number in range(12))

    @pytest.fixture(autouse=True)
    def cut_off(self, pipeline, monkeypatch):
        monkeypatch.setenv("FUNCTIONS", "all")
        aws = pipeline.aws
        own = {"digest": "sha256:own", "git_commit": "c2", "input_key": "k2", "smoke_key": "", "untested": ""}
        targets = [target(environment=key, function=FUNCTION) | {"release": own} for key in self.KEYS]
        told = {"release_id": RELEASE, "digest": "sha256:all", "git_commit": "c0ffee", "requested_by": "jo"}
        aws.states.execution = {"status": "ABORTED", "input": json.dumps(told | {"rungs": [{"targets": targets}]})}
        aws.states.running = 0
        for key in self.KEYS:
            aws.dynamodb.put(f"env#{key}", "lock", run_id=EXECUTION, previous_version="7", since="then")
        monkeypatch.setattr(aws.states, "list_map_runs", lambda **_: {"mapRuns": [{"mapRunArn": "r"}]}, raising=False)
        counts = lambda **_: {"executionCounts": {"running": aws.states.running}}  # noqa: E731
        monkeypatch.setattr(aws.states, "describe_map_run", counts, raising=False)

    def recover(self, pipeline):
        return pipeline.rollback.handler({"action": "settle", "execution_arn": EXECUTION}, Context(20))["settled"]

    def test_nothing_is_touched_while_an_execution_of_a_target_still_runs(self, pipeline):
        pipeline.aws.states.running = 3
        with pytest.raises(pipeline.errors.StillRollingBackError, match="3 targets"):
            self.recover(pipeline)
        assert pipeline.aws.dynamodb.read("env#production-fn0", "lock")["run_id"] == EXECUTION

    def test_every_target_is_recorded_with_its_own_image_and_unlocked(self, pipeline):
        settled = self.recover(pipeline)
        assert [each["environment"] for each in settled] == list(self.KEYS)
        for key in self.KEYS:
            assert pipeline.aws.dynamodb.read(f"env#{key}", f"release#{RELEASE}")["digest"] == "sha256:own"
            assert pipeline.aws.dynamodb.read(f"env#{key}", "lock") == {}
