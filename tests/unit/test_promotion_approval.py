"""An answer to a climb converges: whatever fails between the ledger and Step Functions, it can be given again."""

import json

import pytest
from fakes.errors import BROKEN, DENIED, Scripted, error
from fakes.world import TABLE, World

from stepladder.errors import BadInputError, RefusedError
from stepladder.promotion import approval
from stepladder.promotion.desk import Desk, Execution

CLIMB = Execution("arn:aws:states:eu-west-1:123456789012:execution:hello-promotion:production-c0ffee-1", "RUNNING", {})


class States(Scripted):
    """Step Functions' waiting tasks: a token takes one answer."""

    def __init__(self):
        super().__init__()
        self.waiting, self.answers = {"token"}, []

    def _take(self, action, token, *told):
        self.called(action)
        if token not in self.waiting:
            raise error("TaskTimedOut")
        self.waiting.remove(token)
        self.answers.append(told)
        self.answered(action)

    def send_task_success(self, *, taskToken, output):  # noqa: N803 - AWS's name
        self._take("SendTaskSuccess", taskToken, "success", json.loads(output))

    def send_task_failure(self, *, taskToken, error, cause):  # noqa: N803 - AWS's name
        self._take("SendTaskFailure", taskToken, error, cause)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.table.tables[TABLE] = {}
    world.states = world.aws.clients["stepfunctions"] = States()
    return world


def ask(world, rung="production", token="token", asked_at="2026-11-22T00:00:00Z"):
    item = {"pk": f"climb#{CLIMB.name}", "sk": f"approval#{rung}", "rung": rung, "token": token, "asked_at": asked_at}
    world.table.tables[TABLE][item["pk"], item["sk"]] = {name: {"S": value} for name, value in item.items()}


def decide(world, why="", *, approve=True, rung=""):
    return approval.decide(Desk(world.rung()), CLIMB, rung, why, approve=approve)


def test_an_approval_is_recorded_and_sent_with_who_and_why(world):
    ask(world)
    told = decide(world, "looks good")
    who = world.rung().requested_by
    assert (told.decision, told.decided_by, told.why) == ("approved", who, "looks good")
    assert world.states.answers == [("success", {"by": who, "why": "looks good"})]


def test_a_rejection_tells_the_climb_who_and_why(world):
    ask(world)
    decide(world, "not today", approve=False)
    ((name, cause),) = world.states.answers
    assert name == "ApprovalRejected"
    assert cause == f"rejected by {world.rung().requested_by}: not today"


def test_an_answer_that_step_functions_fails_to_take_is_sent_again(world):
    ask(world)
    world.states.fail("SendTaskSuccess", BROKEN, times=3)
    decide(world)
    assert len(world.states.answers) == 1


def test_an_answer_that_counted_though_its_receipt_was_lost_is_no_refusal(world):
    ask(world)

    def lose():
        raise BROKEN

    world.states.after("SendTaskSuccess", lose)
    assert decide(world, "good").decision == "approved"
    assert len(world.states.answers) == 1


def test_nor_is_one_that_botocore_sent_again_by_itself(world):
    ask(world)
    again = error("TaskTimedOut")
    again.response["ResponseMetadata"]["RetryAttempts"] = 1
    world.states.fail("SendTaskSuccess", again)
    assert decide(world, "good").decision == "approved"


@pytest.mark.parametrize("failure", [DENIED, KeyboardInterrupt()], ids=["denied", "killed"])
def test_an_answer_that_never_got_through_may_be_given_again_and_stays_as_first_recorded(failure, world):
    ask(world)
    world.states.fail("SendTaskSuccess", failure)
    with pytest.raises(type(failure)):
        decide(world, "first")
    told = decide(world, "second")
    assert told.why == "first"
    assert world.states.answers == [("success", {"by": told.decided_by, "why": "first"})]


def test_killed_after_it_was_sent_the_same_answer_says_that_it_was_given(world):
    ask(world)
    decide(world, "first")
    assert decide(world).why == "first"
    assert len(world.states.answers) == 1


def test_the_other_answer_is_refused_once_one_was_recorded_sent_or_not(world):
    ask(world)
    world.states.fail("SendTaskSuccess", DENIED)
    with pytest.raises(type(DENIED)):
        decide(world, "mine")
    with pytest.raises(RefusedError, match=r"production was approved by .*: mine"):
        decide(world, approve=False)
    assert world.states.answers == []


def test_of_two_answers_at_once_the_first_counts(world):
    ask(world)
    world.table.before("UpdateItem", lambda: decide(world, "sooner", approve=False))
    with pytest.raises(RefusedError, match="was rejected by"):
        decide(world)
    assert [name for name, _ in world.states.answers] == ["ApprovalRejected"]


def test_a_question_that_is_asked_anew_meanwhile_is_not_answered_blindly(world):
    ask(world)
    world.table.before("UpdateItem", lambda: ask(world, token="another"))
    with pytest.raises(RefusedError, match="was asked anew"):
        decide(world)
    assert world.states.answers == []


def test_a_climb_that_no_longer_waits_says_so(world):
    ask(world)
    world.states.waiting.clear()
    with pytest.raises(RefusedError, match="no longer waits"):
        decide(world)


def test_the_question_that_waits_is_meant_whatever_its_rung_is_called(world):
    ask(world, "zulu")
    decide(world)
    ask(world, "alpha", "later", "2026-11-22T01:00:00Z")
    world.states.waiting.add("later")
    assert decide(world).rung == "alpha"
    assert [question.rung for question in approval.questions(Desk(world.rung()), CLIMB)] == ["zulu", "alpha"]


@pytest.mark.parametrize("rung", ["", "production"])
def test_nothing_asked_is_nothing_to_answer(rung, world):
    with pytest.raises(BadInputError, match="waits for no approval"):
        decide(world, rung=rung)
