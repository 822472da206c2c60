"""An answer to a promotion converges: whatever fails between the ledger and Step Functions, it can be given again."""

import json

import pytest
from fakes.deploy_harness import TABLE, DeployHarness
from fakes.errors import BROKEN, DENIED, Scripted, error

from stepladder.core.errors import BadInputError, RefusedError
from stepladder.promotion import approval
from stepladder.promotion.executions import Execution, StateMachine

PROMOTION = Execution(
    "arn:aws:states:eu-west-1:123456789012:execution:hello-promotion:production-c0ffee-1", "RUNNING", {}
)


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
def harness(tmp_path):
    harness = DeployHarness(tmp_path)
    harness.table.tables[TABLE] = {}
    harness.states = harness.aws.clients["stepfunctions"] = States()
    return harness


def ask(harness, rung="production", token="token", asked_at="2026-11-22T00:00:00Z"):
    item = {
        "pk": f"climb#{PROMOTION.name}",
        "sk": f"approval#{rung}",
        "rung": rung,
        "token": token,
        "asked_at": asked_at,
    }
    harness.table.tables[TABLE][item["pk"], item["sk"]] = {name: {"S": value} for name, value in item.items()}


def decide(harness, why="", *, approve=True, rung=""):
    return approval.decide(StateMachine(harness.rung()), PROMOTION, rung, why, approve=approve)


def test_an_approval_is_recorded_and_sent_with_who_and_why(harness):
    ask(harness)
    told = decide(harness, "looks good")
    who = harness.rung().requested_by
    assert (told.decision, told.decided_by, told.why) == ("approved", who, "looks good")
    assert harness.states.answers == [("success", {"by": who, "why": "looks good"})]


def test_a_rejection_tells_the_promotion_who_and_why(harness):
    ask(harness)
    decide(harness, "not today", approve=False)
    ((name, cause),) = harness.states.answers
    assert name == "ApprovalRejected"
    assert cause == f"rejected by {harness.rung().requested_by}: not today"


def test_an_answer_that_step_functions_fails_to_take_is_sent_again(harness):
    ask(harness)
    harness.states.fail("SendTaskSuccess", BROKEN, times=3)
    decide(harness)
    assert len(harness.states.answers) == 1


def test_an_answer_that_counted_though_its_receipt_was_lost_is_no_refusal(harness):
    ask(harness)

    def lose():
        raise BROKEN

    harness.states.after("SendTaskSuccess", lose)
    assert decide(harness, "good").decision == "approved"
    assert len(harness.states.answers) == 1


def test_nor_is_one_that_botocore_sent_again_by_itself(harness):
    ask(harness)
    again = error("TaskTimedOut")
    again.response["ResponseMetadata"]["RetryAttempts"] = 1
    harness.states.fail("SendTaskSuccess", again)
    assert decide(harness, "good").decision == "approved"


@pytest.mark.parametrize("failure", [DENIED, KeyboardInterrupt()], ids=["denied", "killed"])
def test_an_answer_that_never_got_through_may_be_given_again_and_stays_as_first_recorded(failure, harness):
    ask(harness)
    harness.states.fail("SendTaskSuccess", failure)
    with pytest.raises(type(failure)):
        decide(harness, "first")
    told = decide(harness, "second")
    assert told.why == "first"
    assert harness.states.answers == [("success", {"by": told.decided_by, "why": "first"})]


def test_killed_after_it_was_sent_the_same_answer_says_that_it_was_given(harness):
    ask(harness)
    decide(harness, "first")
    assert decide(harness).why == "first"
    assert len(harness.states.answers) == 1


def test_the_other_answer_is_refused_once_one_was_recorded_sent_or_not(harness):
    ask(harness)
    harness.states.fail("SendTaskSuccess", DENIED)
    with pytest.raises(type(DENIED)):
        decide(harness, "mine")
    with pytest.raises(RefusedError, match=r"production was approved by .*: mine"):
        decide(harness, approve=False)
    assert harness.states.answers == []


def test_of_two_answers_at_once_the_first_counts(harness):
    ask(harness)
    harness.table.before("UpdateItem", lambda: decide(harness, "sooner", approve=False))
    with pytest.raises(RefusedError, match="was rejected by"):
        decide(harness)
    assert [name for name, _ in harness.states.answers] == ["ApprovalRejected"]


def test_a_question_that_is_asked_anew_meanwhile_is_not_answered_blindly(harness):
    ask(harness)
    harness.table.before("UpdateItem", lambda: ask(harness, token="another"))
    with pytest.raises(RefusedError, match="was asked anew"):
        decide(harness)
    assert harness.states.answers == []


def test_a_promotion_that_no_longer_waits_says_so(harness):
    ask(harness)
    harness.states.waiting.clear()
    with pytest.raises(RefusedError, match="no longer waits"):
        decide(harness)


def test_the_question_that_waits_is_meant_whatever_its_rung_is_called(harness):
    ask(harness, "zulu")
    decide(harness)
    ask(harness, "alpha", "later", "2026-11-22T01:00:00Z")
    harness.states.waiting.add("later")
    assert decide(harness).rung == "alpha"
    assert [question.rung for question in approval.requests(StateMachine(harness.rung()), PROMOTION)] == [
        "zulu",
        "alpha",
    ]


@pytest.mark.parametrize("rung", ["", "production"])
def test_nothing_asked_is_nothing_to_answer(rung, harness):
    with pytest.raises(BadInputError, match="waits for no approval"):
        decide(harness, rung=rung)


def test_a_mistyped_rung_is_answered_with_the_one_that_was_meant(harness):
    ask(harness)
    with pytest.raises(BadInputError) as caught:
        decide(harness, rung="prodction")
    assert caught.value.hint == "did you mean `production`?"
