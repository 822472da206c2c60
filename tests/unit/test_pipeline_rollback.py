import json

import pytest
from fakes.pipeline import EXECUTION, RELEASE, Context, release, target
from fakes.pipeline_calls import alias, restore, shorten_waits


@pytest.fixture(autouse=True)
def short_waits(pipeline, monkeypatch):
    shorten_waits(pipeline, monkeypatch)


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
