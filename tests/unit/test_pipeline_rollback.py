import json

import pytest
from fakes.pipeline import EXECUTION, FUNCTION, RELEASE, Context, release, target


@pytest.fixture(autouse=True)
def quick(pipeline, monkeypatch):
    monkeypatch.setattr(pipeline.rollback, "_SHORT", 0.2)
    monkeypatch.setattr(pipeline.restore, "_POLL", 0.01)
    monkeypatch.setattr(pipeline.restore, "_GRACE", 0.05)


def restore(pipeline):
    event = {"action": "restore", "release": release(), "target": target(), "previous_version": "7", "version": "8"}
    return pipeline.rollback.handler(event, Context())


def alias(pipeline):
    return pipeline.aws.lambda_.aliases[FUNCTION]


def test_a_deployment_under_way_is_stopped_and_its_rollback_waited_for(pipeline):
    aws = pipeline.aws
    aws.codedeploy.add("d-1")
    aws.lambda_.route("8", 0.1)

    def undo():
        aws.codedeploy.deployments["d-1"]["rollbackInfo"] = {"rollbackDeploymentId": "d-2"}
        aws.codedeploy.add("d-2", status="Succeeded", creator="codeDeployRollback", description="")
        alias(pipeline).pop("RoutingConfig")

    aws.codedeploy.on_stop = undo
    assert restore(pipeline) == {"moved": True, "deployment_id": "d-1", "cause": "", "blames_version": False}
    assert aws.codedeploy.undone == {"d-1": True}
    assert aws.lambda_.moves == []


def test_a_rollback_still_under_way_is_asked_for_again(pipeline):
    pipeline.aws.codedeploy.add("d-1", status="Failed", rollbackInfo={"rollbackDeploymentId": "d-2"})
    pipeline.aws.codedeploy.add("d-2", creator="codeDeployRollback", description="")
    with pytest.raises(pipeline.errors.StillRollingBackError, match="d-2"):
        restore(pipeline)


def test_what_codedeploy_leaves_is_put_back_with_the_weights_cleared(pipeline):
    pipeline.aws.codedeploy.add("d-1", status="Failed", errorInformation={"code": "ALARM_ACTIVE", "message": "errors"})
    pipeline.aws.lambda_.route("8", 0.1)
    told = restore(pipeline)
    assert told == {"moved": True, "deployment_id": "d-1", "cause": "ALARM_ACTIVE: errors", "blames_version": True}
    move = pipeline.aws.lambda_.moves[0]
    assert move["FunctionVersion"] == "7"
    assert move["RoutingConfig"] == {"AdditionalVersionWeights": {}}
    assert move["RevisionId"] == "r1"


def test_the_child_executions_of_a_killed_promotion_are_ended(pipeline, monkeypatch):
    there = target(environment="produs", place={"account": "222222222222", "region": "us-east-1"})
    told = {key: value for key, value in release().items() if key != "id"} | {"release_id": RELEASE}
    told["rungs"] = [{"targets": [there]}]
    pipeline.aws.states.execution = {"status": "ABORTED", "input": json.dumps(told)}
    monkeypatch.setenv("RELAY", "relay")
    pipeline.aws.lambda_.pipeline["relay"] = lambda event: {
        "state": "ended",
        "outcome": "rolled_back",
        "error": event["why"]["Error"],
        "cause": "it was put back",
    }
    answer = pipeline.rollback.handler({"action": "settle", "execution_arn": EXECUTION}, Context(20))
    assert answer["settled"] == [
        {"environment": "produs", "outcome": "rolled_back", "error": "Abandoned", "cause": "it was put back"}
    ]
    ((_, asked),) = pipeline.aws.lambda_.calls
    assert (asked["action"], asked["execution_arn"], asked["unwritten"]) == ("end", EXECUTION, "untouched")


def test_a_place_that_does_not_answer_keeps_no_other_target_shifted(pipeline, monkeypatch):
    place = {"account": "222222222222", "region": "us-east-1"}
    lost, there = (target(environment=name, place=place) for name in ("produs", "prodap"))
    told = {key: value for key, value in release().items() if key != "id"} | {"release_id": RELEASE}
    told["rungs"] = [{"targets": [lost, there, target()]}]
    aws = pipeline.aws
    aws.states.execution = {"status": "ABORTED", "input": json.dumps(told)}
    aws.dynamodb.put("env#production", "lock", run_id=EXECUTION, previous_version="7", since="now")
    aws.codedeploy.add("d-1", status="Succeeded")
    alias(pipeline)["FunctionVersion"] = "8"
    monkeypatch.setenv("RELAY", "relay")
    answers = {
        "produs": {"errorType": "KeyError", "errorMessage": "x"},
        "prodap": {"state": "ended", "outcome": "rolled_back", "error": "", "cause": ""},
    }
    aws.lambda_.pipeline["relay"] = lambda event: answers[event["target"]["environment"]]
    with pytest.raises(pipeline.errors.ElsewhereError):
        pipeline.rollback.handler({"action": "settle", "execution_arn": EXECUTION}, Context(20))
    assert alias(pipeline)["FunctionVersion"] == "7"
    assert not aws.dynamodb.read("env#production", "lock")
    assert {event["target"]["environment"] for _, event in aws.lambda_.calls} == {"produs", "prodap"}


def test_a_finished_shift_is_undone(pipeline):
    pipeline.aws.codedeploy.add("d-1", status="Succeeded")
    alias(pipeline)["FunctionVersion"] = "8"
    assert restore(pipeline)["moved"] is True
    assert alias(pipeline)["FunctionVersion"] == "7"


def test_running_it_again_changes_nothing_more(pipeline):
    pipeline.aws.codedeploy.add("d-1", status="Succeeded")
    alias(pipeline)["FunctionVersion"] = "8"
    first = restore(pipeline)
    assert restore(pipeline) == first
    assert len(pipeline.aws.lambda_.moves) == 1


def test_a_deployment_that_never_was_has_moved_nothing(pipeline):
    assert restore(pipeline) == {"moved": False, "deployment_id": "", "cause": "", "blames_version": False}


def test_a_deployment_that_failed_before_its_shift_has_moved_nothing(pipeline):
    pipeline.aws.codedeploy.add("d-1", status="Failed")
    pipeline.aws.codedeploy.shifted = "Skipped"
    pipeline.aws.dynamodb.put("deployment#d-1", "hook", why="says hello: status 500", error="SmokeFailedError")
    told = restore(pipeline)
    assert (told["moved"], told["deployment_id"], told["cause"]) == (False, "d-1", "says hello: status 500")


@pytest.mark.parametrize(
    ("error", "blames"),
    [("SmokeFailedError", True), ("TransientError", False), ("ClientError", False), ("", False)],
    ids=["a smoke case", "AWS, for a while", "AWS", "the clock"],
)
def test_of_what_fails_a_hook_only_the_smoke_cases_blame_the_version(error, blames, pipeline):
    why = {"code": "HOOK_EXECUTION_FAILURE", "message": "a hook failed"}
    pipeline.aws.codedeploy.add("d-1", status="Failed", errorInformation=why)
    pipeline.aws.dynamodb.put("deployment#d-1", "hook", why="told", error=error)
    assert restore(pipeline)["blames_version"] is blames


@pytest.mark.parametrize("code", ["MANUAL_STOP", "HOOK_EXECUTION_FAILURE", "IAM_ROLE_PERMISSIONS", "THROTTLED"])
def test_neither_a_person_nor_aws_blames_the_version(code, pipeline):
    pipeline.aws.codedeploy.add("d-1", status="Failed", errorInformation={"code": code, "message": "no"})
    assert restore(pipeline)["blames_version"] is False


def test_somebody_else_s_deployment_is_left_alone(pipeline):
    pipeline.aws.codedeploy.add("d-9", description="by hand")
    pipeline.aws.lambda_.route("9", 0.1)
    assert restore(pipeline)["moved"] is False
    assert pipeline.aws.codedeploy.stopped == []
    assert pipeline.aws.lambda_.moves == []


def test_somebody_else_s_choice_in_the_middle_of_a_shift_is_left_and_codedeploy_stopped(pipeline):
    pipeline.aws.codedeploy.add("d-1")
    alias(pipeline)["FunctionVersion"] = "3"
    with pytest.raises(pipeline.errors.RollbackFailedError, match="it serves version 3 and was left so"):
        restore(pipeline)
    assert pipeline.aws.codedeploy.undone == {"d-1": False}
    assert pipeline.aws.lambda_.moves == []


def test_somebody_else_s_choice_of_version_is_left_and_told(pipeline):
    alias(pipeline)["FunctionVersion"] = "3"
    with pytest.raises(pipeline.errors.RollbackFailedError, match=r"somebody else moved .* serves version 3"):
        restore(pipeline)


def test_an_alias_that_changes_under_our_hands_is_read_again(pipeline):
    alias(pipeline)["FunctionVersion"] = "8"
    pipeline.aws.lambda_.before_update = lambda: alias(pipeline).update(RevisionId="r2")
    assert restore(pipeline)["moved"] is True
    assert pipeline.aws.lambda_.moves[0]["RevisionId"] == "r2"


class TestFirstRelease:
    @pytest.fixture(autouse=True)
    def never_released(self, pipeline):
        alias(pipeline)["FunctionVersion"] = "$LATEST"
        pipeline.aws.dynamodb.put("env#production", "lock", run_id=EXECUTION, previous_version="$LATEST")

    def release(self, pipeline):
        event = {
            "action": "release_first",
            "release": release(),
            "target": target(),
            "version": "8",
            "execution_arn": EXECUTION,
        }
        return pipeline.rollback.handler(event, Context())

    def test_the_alias_is_moved_to_the_version_which_the_lock_tells_before(self, pipeline):
        def before():
            assert pipeline.aws.dynamodb.read("env#production", "lock")["version"] == "8"

        pipeline.aws.lambda_.before_update = before
        assert self.release(pipeline) == {"serves": "version 8"}
        assert pipeline.aws.lambda_.moves[0]["FunctionVersion"] == "8"
        assert pipeline.aws.lambda_.before_update is None

    def test_asking_twice_moves_once(self, pipeline):
        self.release(pipeline)
        self.release(pipeline)
        assert len(pipeline.aws.lambda_.moves) == 1

    def test_an_alias_that_serves_anything_else_is_left(self, pipeline):
        alias(pipeline)["FunctionVersion"] = "3"
        with pytest.raises(pipeline.errors.NotServedError, match=r"somebody else moved .* serves version 3"):
            self.release(pipeline)
        assert pipeline.aws.lambda_.moves == []

    def test_an_alias_that_somebody_moves_meanwhile_is_left(self, pipeline):
        def somebody():
            alias(pipeline).update(FunctionVersion="3", RevisionId="r2")

        pipeline.aws.lambda_.before_update = somebody
        with pytest.raises(pipeline.errors.NotServedError, match="serves version 3"):
            self.release(pipeline)

    @pytest.mark.parametrize("holder", ["other", None])
    def test_without_the_lock_nothing_moves(self, pipeline, holder):
        pipeline.aws.dynamodb.items.clear()
        if holder:
            pipeline.aws.dynamodb.put("env#production", "lock", run_id=holder)
        with pytest.raises(pipeline.errors.RefusedError, match="the lock of production was lost"):
            self.release(pipeline)
        assert pipeline.aws.lambda_.moves == []

    def test_it_is_put_back_to_where_terraform_made_it(self, pipeline):
        self.release(pipeline)
        event = {"action": "restore", "release": release(), "target": target()}
        told = pipeline.rollback.handler(event | {"previous_version": "$LATEST", "version": "8"}, Context())
        assert told["moved"] is True
        assert alias(pipeline)["FunctionVersion"] == "$LATEST"

    def test_putting_it_back_twice_tells_twice_that_it_had_moved(self, pipeline):
        self.release(pipeline)
        event = {"action": "restore", "release": release(), "target": target()}
        for _ in range(2):
            told = pipeline.rollback.handler(event | {"previous_version": "$LATEST", "version": "8"}, Context())
            assert told["moved"] is True
        assert len(pipeline.aws.lambda_.moves) == 2

    def test_putting_back_what_never_moved_tells_so(self, pipeline):
        event = {"action": "restore", "release": release(), "target": target()}
        told = pipeline.rollback.handler(event | {"previous_version": "$LATEST", "version": "8"}, Context())
        assert told["moved"] is False

    def test_of_two_calls_that_put_it_back_at_once_both_tell_that_it_had_moved(self, pipeline, monkeypatch):
        self.release(pipeline)
        pipeline.aws.dynamodb.items["env#production", "lock"]["since"] = {"S": "2026-11-21T23:05:01Z"}
        restore_, inner = pipeline.restore.restore, []

        def overtaken(*told):
            """Let another call do all of it, once this one has read the lock."""
            if not inner:
                inner.append("another")
                inner.append(pipeline.recover.targets(EXECUTION, release(), [target()], "stopped", 0.2))
            return restore_(*told)

        monkeypatch.setattr(pipeline.restore, "restore", overtaken)
        ours = pipeline.recover.targets(EXECUTION, release(), [target()], "stopped", 0.2)
        for told in (ours, inner[1]):
            assert told["settled"][0]["outcome"] == "rolled_back"
        entry = pipeline.aws.dynamodb.read("env#production", f"release#{RELEASE}")
        assert entry["result"] == "rolled_back"

    def test_one_that_is_cut_off_after_the_move_is_put_back_and_told(self, pipeline):
        self.release(pipeline)
        held = pipeline.aws.dynamodb.items["env#production", "lock"]
        held["since"] = {"S": "2026-11-21T23:05:01Z"}
        told = pipeline.recover.targets(EXECUTION, release(), [target()], "it was stopped", 0.2)
        assert told["settled"][0]["outcome"] == "rolled_back"
        assert alias(pipeline)["FunctionVersion"] == "$LATEST"
        entry = pipeline.aws.dynamodb.read("env#production", f"release#{RELEASE}")
        assert (entry["version"], entry["result"]) == ("8", "rolled_back")
        assert "previous_version" not in entry, "there was no release before"


class TestSettle:
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

    def settle(self, pipeline):
        return pipeline.rollback.handler({"action": "settle", "execution_arn": EXECUTION}, Context(20))["settled"]

    def entry(self, pipeline):
        return pipeline.aws.dynamodb.read("env#production", f"release#{RELEASE}")

    def test_what_it_left_shifted_is_put_back_recorded_and_unlocked(self, pipeline):
        pipeline.aws.codedeploy.add("d-1", status="Succeeded")
        alias(pipeline)["FunctionVersion"] = "8"
        settled = self.settle(pipeline)
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
                inner.append(self.settle(pipeline))
            return restore_(*told)

        monkeypatch.setattr(pipeline.restore, "restore", overtaken)
        for told in (self.settle(pipeline), inner[1]):
            assert told[1]["outcome"] == "rolled_back"
            assert told[1]["cause"] == self.entry(pipeline)["cause"]
        assert self.entry(pipeline)["result"] == "rolled_back"
        assert self.entry(pipeline)["version"] == "8"

    def test_its_entry_keeps_what_the_release_was_started_with(self, pipeline):
        self.settle(pipeline)
        assert (self.entry(pipeline)["input_key"], self.entry(pipeline)["hotfix"]) == ("k-1", "True")

    def test_who_stopped_it_and_why_is_recorded(self, pipeline):
        pipeline.aws.states.execution["cause"] = "stopped by jo@laptop: wrong version"
        self.settle(pipeline)
        assert self.entry(pipeline)["cause"].endswith("ABORTED: Stopped: stopped by jo@laptop: wrong version")

    def test_a_rung_that_ran_the_image_already_is_unlocked_without_a_false_entry(self, pipeline):
        pipeline.aws.lambda_.digests[FUNCTION, "7"] = release()["digest"]
        assert self.settle(pipeline)[1] == {
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
        return self.settle(pipeline)

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
        assert [t["outcome"] for t in self.settle(pipeline)] == ["untouched", "failed"]
        assert self.entry(pipeline)["result"] == "failed"

    def test_settling_twice_says_the_same(self, pipeline):
        first = self.settle(pipeline)
        assert [t["outcome"] for t in self.settle(pipeline)] == [t["outcome"] for t in first]

    def test_a_release_that_was_recorded_is_kept_and_only_unlocked(self, pipeline):
        pipeline.aws.dynamodb.put("env#production", f"release#{RELEASE}", result="succeeded", execution_arn=EXECUTION)
        alias(pipeline)["FunctionVersion"] = "8"
        assert self.settle(pipeline)[1]["outcome"] == "succeeded"
        assert alias(pipeline)["FunctionVersion"] == "8"
        assert pipeline.aws.dynamodb.read("env#production", "lock") == {}

    def test_a_hand_that_moved_the_alias_is_told(self, pipeline):
        alias(pipeline)["FunctionVersion"] = "3"
        assert self.settle(pipeline)[1]["outcome"] == "rollback_failed"
        assert "somebody else moved" in self.entry(pipeline)["cause"]

    def test_one_that_can_t_be_rolled_back_is_recorded_with_what_is_known_of_it(self, pipeline):
        pipeline.aws.codedeploy.add("d-1", status="Succeeded")
        alias(pipeline)["FunctionVersion"] = "3"
        assert self.settle(pipeline)[1]["outcome"] == "rollback_failed"
        assert (self.entry(pipeline)["version"], self.entry(pipeline)["deployment_id"]) == ("8", "d-1")

    def test_one_that_is_still_running_is_left_alone(self, pipeline):
        pipeline.aws.states.execution["status"] = "RUNNING"
        assert self.settle(pipeline) == []
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
