import io
import json

import pytest
from fakes.deploy_harness import DeployHarness

from stepladder.commands import promote
from stepladder.core.errors import StepladderError
from stepladder.promotion import executions
from stepladder.promotion.executions import Execution
from stepladder.promotion.outcome import PromotionOutcome, _sum_up, failure, read_end, recover_cut_off, sentence

FUNCTION_ERROR = '{"errorMessage": "says hello: status 500", "errorType": "SmokeFailedError", "stackTrace": []}'


class StateMachine:
    def link(self, _arn):
        return "https://console"


def execution(status="FAILED", error="", *targets):
    return Execution("arn:x:orders-1", status, {}, error, json.dumps(targets))


def target(environment, outcome, error="", cause=""):
    return {"environment": environment, "outcome": outcome, "error": error, "cause": cause}


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        ("RefusedBeforeTraffic", "refused", 4),
        ("RolledBack", "rolled_back", 3),
        ("RollbackFailed", "rollback_failed", 5),
    ],
)
def test_each_end_has_its_exit_code(error, outcome, code):
    ended = execution("FAILED", error, target("production", {"refused": "failed"}.get(outcome, outcome), "E", "why"))
    end = read_end(StateMachine(), ended)
    told = failure(StateMachine(), ended, end)
    assert end.outcome == outcome
    assert int(told.exit_code) == code
    assert "production: why (E)" in told.message


def test_a_target_that_keeps_its_release_is_named():
    ended = execution(
        "FAILED", "RolledBack", target("prodeu", "succeeded"), target("produs", "rolled_back", "RecordingFailed", "why")
    )
    told = failure(StateMachine(), ended, read_end(StateMachine(), ended))
    assert told.hint.startswith("prodeu keeps the release; every other target")


def test_each_function_that_could_not_be_put_back_is_named_by_its_flags():
    stuck = tuple(
        {"environment": key, "outcome": "rollback_failed", "error": "x", "cause": "y"}
        for key in ("production", "production-mailer")
    )
    told = failure(StateMachine(), execution("FAILED", "RollbackFailed"), PromotionOutcome("rollback_failed", stuck))
    assert "`inv rollback --env production` and `inv rollback --env production --function mailer`" in told.hint


def test_success_is_no_error():
    assert read_end(StateMachine(), execution("SUCCEEDED")) == PromotionOutcome("promoted")
    assert failure(StateMachine(), execution("SUCCEEDED"), PromotionOutcome("promoted")) is None


def test_the_cause_is_the_worst_target_s_and_never_a_sibling_s():
    end = PromotionOutcome(
        "rolled_back",
        (
            target("prodeu", "rolled_back", "SiblingFailed", "another target of the rung failed"),
            target("produs", "rolled_back", "ProbeFailedError", "failed 9 of 10"),
        ),
    )
    assert end.cause == "produs: failed 9 of 10 (ProbeFailedError)"


def test_a_function_s_error_is_told_as_its_sentence():
    assert sentence("SmokeFailedError", FUNCTION_ERROR) == "says hello: status 500 (SmokeFailedError)"
    assert sentence("", "plain") == "plain"
    assert sentence("E", "E said so") == "E said so"


def test_who_stopped_a_promotion_that_had_begun_nothing_is_its_cause():
    told = _sum_up((target("production", "untouched"),), "Stopped", "stopped by jo@laptop: wrong version")
    assert told.cause == "promotion: stopped by jo@laptop: wrong version (Stopped)"


@pytest.mark.parametrize(
    ("outcomes", "sum_up"),
    [
        (["succeeded", "rollback_failed"], "rollback_failed"),
        (["succeeded", "rolled_back"], "rolled_back"),
        (["succeeded", "failed"], "refused"),
        (["untouched", "untouched"], "refused"),
        (["succeeded", "untouched"], "refused"),
        (["untouched", "succeeded"], "promoted"),
        (["succeeded", "unchanged"], "promoted"),
    ],
)
def test_a_promotion_that_was_cut_off_is_summed_up(outcomes, sum_up):
    assert _sum_up(tuple(target(str(i), o) for i, o in enumerate(outcomes))).outcome == sum_up


def test_a_promotion_cut_off_above_a_rung_that_was_unchanged_says_so():
    end = _sum_up((target("qa", "unchanged"), target("production", "untouched")))
    assert (end.outcome, end.cause) == ("refused", "promotion: it was cut off (Stopped)")


class Rollback:
    """The rollback function: DescribeExecution shows it a running execution for a while."""

    def __init__(self, behind):
        self.behind, self.asked = behind, 0

    def invoke(self, *, FunctionName, Payload):  # noqa: N803 - AWS's names
        assert json.loads(Payload)["action"] == "settle"
        self.asked += 1
        settled = [] if self.asked <= self.behind else [target("production", "rolled_back")]
        return {"Payload": io.BytesIO(json.dumps({"settled": settled}).encode())}


@pytest.mark.parametrize(("behind", "outcome"), [(3, "rolled_back"), (10_000, "rollback_failed")])
def test_an_end_that_the_rollback_function_does_not_see_yet_is_asked_for_again(behind, outcome, tmp_path):
    harness = DeployHarness(tmp_path)
    harness.aws.clients["lambda"] = Rollback(behind)
    assert recover_cut_off(executions.StateMachine(harness.rung()), execution("ABORTED")).outcome == outcome


class TestInfrastructureThatIsBehind:
    """A smoke case often fails because the rung lacks a table or a variable that its code asks for."""

    @pytest.fixture
    def ended(self, monkeypatch):
        def conclude(behind, error, outcome="refused"):
            monkeypatch.setattr(promote.infra, "pending", lambda _machine: behind)
            monkeypatch.setattr(promote.closing, "show_exceptions", lambda *_: [])
            end = PromotionOutcome(
                outcome, (target("staging", "unchanged"), target("production", "failed", error, "AUDIT"))
            )
            told = Execution(
                "arn:x:orders-1", "FAILED", {"digest": "d", "release_id": "r", "git_commit": "c", "rungs": []}
            )
            with pytest.raises(StepladderError) as raised:
                promote.conclude(StateMachine(), told, end)
            return raised.value

        return conclude

    @pytest.mark.parametrize(
        ("outcome", "command"),
        [("refused", "`inv promote --infra`"), ("rolled_back", "`inv promote --infra --force`")],
        ids=["refused", "rolled back, and so marked bad"],
    )
    def test_the_end_names_the_rung_and_the_command(self, ended, outcome, command):
        error = ended(("qa", "production"), "SmokeFailedError", outcome)
        assert error.message.endswith("; production has infrastructure changes that were not applied")
        assert command in error.hint

    @pytest.mark.parametrize(
        ("behind", "error"),
        [((), "SmokeFailedError"), (("qa",), "SmokeFailedError"), (("production",), "RefusedError")],
        ids=["nothing is behind", "another rung is", "no smoke case failed"],
    )
    def test_otherwise_nothing_is_guessed(self, ended, behind, error):
        told = ended(behind, error)
        assert "infrastructure" not in told.message
        assert "--infra" not in told.hint
