"""A rung that waits for a person."""

from __future__ import annotations

import pytest
import rows

from stepladder.commands import promote as promote_command
from stepladder.commands.approve import approve_and_watch
from stepladder.promotion import approval
from stepladder.promotion.subject import PromotionOptions

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
KINDS = {
    "throttled": {"kind": "throttle"},
    "a server error": {"kind": "error"},
    "timing out": {"kind": "timeout", "seconds": 0.05},
    "denied": {"kind": "access_denied"},
    "malformed": {"kind": "malformed"},
}
AIMS = {
    "ValidateBeforeApproval": {"service": "lambda", "action": "Invoke", "body": '"action": "check"'},
    "RequestApproval": {"service": "sns", "action": "Publish", "body": "approval+wanted"},
    "AwaitApproval": {"service": "dynamodb", "action": "PutItem", "body": "approval#"},
}


@pytest.fixture
def waiting(make_project):
    return make_project(
        "waiting", rungs=["staging", "production"], approval_hours=1, per_rung={"production": {"approval": True}}
    )


def asked(project):
    machine = project.state_machine()
    running = project.running()
    found = approval.requests(machine, machine.describe(running[0])) if running else []
    return [question for question in found if question.token and not question.decision]


def answer(project, *, approve):
    return project.run(
        lambda machine: {
            "rung": approval.decide(machine, machine.pick(running=True), "", "because", approve=approve).rung
        }
    )


def test_a_job_approves_as_soon_as_it_is_asked_and_ends_as_the_promotion_does(waiting, unique):
    """The job may begin before the promotion asks, or after it has ended, or find that nothing was promoted."""

    def job():
        return waiting.run(lambda machine: approve_and_watch(machine, "", "", "in a job") or {})

    digest = waiting.ship(unique(GOOD))
    started = waiting.run(lambda machine: promote_command.promote(machine, PromotionOptions(), detach=True))
    assert started.record["outcome"] == "climbing"
    ended = job()
    assert (ended.code, ended.record) == (0, {})
    assert "approved production as" in ended.text
    assert waiting.digest() == digest
    assert job().code == 0
    waiting.ship(unique(GOOD))
    assert "nothing waits for approval" in job().text


def test_an_approval_lets_it_be_released_and_is_recorded(waiting, before, unique, eventually):
    digest = waiting.ship(unique(GOOD))
    was = before(waiting)
    promotion = waiting.in_background()
    eventually(lambda: asked(waiting) != [])
    assert waiting.alias() == was.alias
    assert waiting.ledger().snapshot("production").lock is None, "waiting for a person must not lock the rung"
    assert answer(waiting, approve=True).code == 0
    ended = promotion.result()
    assert ended.code == 0, ended.message
    assert waiting.digest() == digest
    machine = waiting.state_machine()
    (question,) = approval.requests(machine, machine.pick())
    assert (question.decision, question.decided_by) == ("approved", machine.rung.requested_by)
    was.check_quiet()


def test_a_rejection_ends_it_before_anything_moves(waiting, before, unique, eventually):
    waiting.ship(unique(GOOD))
    was = before(waiting)
    promotion = waiting.in_background()
    eventually(lambda: asked(waiting) != [])
    answer(waiting, approve=False)
    ended = promotion.result()
    assert ended.code == 4
    assert "rejected by" in ended.message
    assert "because" in ended.message
    was.check_unmoved()


def test_it_can_be_answered_once(waiting, unique, eventually):
    waiting.ship(unique(GOOD))
    promotion = waiting.in_background()
    eventually(lambda: asked(waiting) != [])
    assert answer(waiting, approve=True).code == 0
    second = answer(waiting, approve=False)
    assert second.code in (2, 4), second.message  # the promotion may have ended already
    assert promotion.result().code == 0


def test_an_approval_that_never_comes_ends_it(waiting, before, unique, cloud, eventually):
    waiting.ship(unique(GOOD))
    was = before(waiting)
    promotion = waiting.in_background()
    eventually(lambda: asked(waiting) != [])
    cloud.speed(5000)
    ended = promotion.result()
    cloud.speed(200)
    assert ended.code == 4
    assert "States.Timeout" in ended.message
    was.check_unmoved()


def test_stopping_while_it_waits_leaves_nothing(waiting, before, unique, eventually):
    from stepladder.commands import stop

    waiting.ship(unique(GOOD))
    was = before(waiting)
    promotion = waiting.in_background()
    eventually(lambda: asked(waiting) != [])
    stopped = waiting.run(lambda machine: stop.stopped(machine, machine.pick(running=True), "wrong version"))
    assert (stopped.code, stopped.record["outcome"]) == (0, "refused")
    ended = promotion.result()
    assert ended.code == 4
    assert "stopped by " in ended.message
    assert ": wrong version" in ended.message
    was.check_unmoved()


@pytest.mark.parametrize(("name", "kind"), rows.of_faults(AIMS, tuple(KINDS)))
def test_broken(name, kind, waiting, before, unique, cloud, eventually):
    digest = waiting.ship(unique(GOOD))
    was = before(waiting)
    cloud.faults(AIMS[name] | KINDS[kind] | {"count": 0})
    promotion = waiting.in_background()
    if name == "RequestApproval":  # that nobody was told is no reason not to wait
        eventually(lambda: asked(waiting) != [])
        assert answer(waiting, approve=True).code == 0
        assert promotion.result().code == 0
        assert waiting.digest() == digest
    else:
        assert promotion.result().code == 4
        was.check_unmoved()
    assert cloud.hits()
    was.check_quiet()
