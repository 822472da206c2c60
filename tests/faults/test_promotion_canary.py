"""The state machine moves traffic itself and compares versions: every way in which such a canary ends."""

from __future__ import annotations

import time

import pytest

from stepladder.core.errors import BadInputError, RefusedError
from stepladder.promotion import approval
from stepladder.promotion import stop as stopping

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
SLOW = "import time\n\ndef handler(event, context):\n    time.sleep(1)\n    return {'statusCode': 200}\n"
WIDTHS = {"widths": [50, 100], "minutes": 1}
CANARY = {"compare": True, "minimum_requests": 20, "p99": 4}


def eventually(what):
    """Wait until something is true; the time only bounds how long a defect is waited for."""
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end, "it never became true"


@pytest.fixture
def comparing(make_project):
    return make_project("comparing", deployment=WIDTHS, canary=CANARY)


@pytest.fixture
def unclear(make_project):
    """A project whose canary never has requests enough."""
    canary = CANARY | {"minimum_requests": 100000, "limit_minutes": 2, "inconclusive": "ask"}
    return make_project("unclear", deployment=WIDTHS, canary=canary)


@pytest.mark.timing("a busy machine makes both versions slow, and one of them more")
def test_a_version_like_the_old_one_is_promoted_by_its_widths_and_no_deployment(comparing, before, unique):
    digest = comparing.ship(unique(GOOD))
    ended = comparing.promote()
    assert ended.code == 0, ended.message
    assert comparing.digest() == digest
    states = comparing.entered(ended.record["execution_arn"])
    assert states.count("MoveTraffic") == 2
    production = states[states.index("MoveTraffic") :]
    assert not {"CreateDeployment", "PollDeployment"} & set(production)
    before(comparing).check_quiet()
    assert before(comparing).newest().result == "succeeded"


@pytest.mark.timing("a busy machine makes both versions slow, and one of them more")
def test_a_slower_version_is_rolled_back_with_numbers_and_marked_bad(comparing, before, unique, cloud):
    digest = comparing.ship(unique(SLOW))
    was = before(comparing)
    cloud.speed(30)  # what takes a second is answered within the minute in which the old version is asked, too
    ended = comparing.promote()
    cloud.speed(200)
    assert ended.code == 3, ended.message
    was.check_unmoved()
    assert "CanaryFailedError: version " in was.newest().cause
    assert "requests took over " in was.newest().cause
    (mark,) = comparing.ledger().marks([digest]).values()
    assert "requests took over " in mark.why


def test_a_canary_without_requests_enough_asks_and_goes_on_as_it_is_answered(unclear, before, unique, cloud):
    unclear.ship(unique(GOOD))
    was, machine = before(unclear), unclear.state_machine()
    promotion = unclear.in_background()
    eventually(lambda: bool(unclear.running()))
    execution = machine.describe(unclear.running()[0])
    assert approval.await_request(machine, execution, "production")
    assert unclear.alias()[1], "it stays on its width"
    approval.decide(machine, execution, "", "no requests at night", approve=False)
    ended = promotion.result()
    assert ended.code == 3, ended.message
    was.check_unmoved()
    assert was.newest().cause.startswith("CanaryInconclusiveError: rejected by ")
    assert " (no requests at night): too few requests to compare: " in was.newest().cause
    assert unclear.ledger().marks([was.newest().digest]) == {}

    again = unclear.in_background()
    eventually(lambda: bool(unclear.running()))
    execution = machine.describe(unclear.running()[0])
    assert approval.await_request(machine, execution, "production:canary")
    approval.decide(machine, execution, "production:canary", "seen by hand", approve=True)
    ended = again.result()
    assert ended.code == 0, ended.message
    with pytest.raises((BadInputError, RefusedError)):
        approval.decide(machine, execution, "production", "too late", approve=False)
    before(unclear).check_quiet()


@pytest.mark.long("stopping is tried by test_promotion_versions, and the restoring of a width by tests/unit")
def test_a_shift_that_is_stopped_is_restored_and_blames_nothing(comparing, before, unique, midway):
    digest = comparing.ship(unique(GOOD))
    was = before(comparing)
    with midway(comparing) as promotion:
        machine = comparing.state_machine()
        _, ended = stopping.stop(machine, machine.describe(comparing.running()[0]), "wrong day")
        assert promotion.result().code == 3
    assert ended.outcome == "rolled_back"
    was.check_unmoved()
    assert comparing.ledger().marks([digest]) == {}


@pytest.mark.long("both guards are in tests/unit/test_pipeline_canary.py")
def test_an_alias_that_somebody_moves_during_the_shift_is_left_alone(comparing, before, unique, midway):
    comparing.ship(unique(GOOD))
    was = before(comparing)
    with midway(comparing) as promotion:
        comparing.by_hand.add("production")
        comparing.client("lambda").update_alias(
            FunctionName=comparing.function("production"),
            Name="live",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {}},
        )
        ended = promotion.result()
    assert ended.code == 5, ended.message
    assert comparing.alias() == ("1", {})
    assert "was left so" in ended.message
    comparing.client("lambda").update_alias(
        FunctionName=comparing.function("production"), Name="live", FunctionVersion=was.alias[0]
    )
