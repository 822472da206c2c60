"""What the ledger says of the delivery root, which no lock of ours guards."""

import pytest
from fakes.deploy_harness import TABLE, DeployHarness
from fakes.errors import DENIED

from stepladder.promotion import delivery


@pytest.fixture
def rung(tmp_path):
    harness = DeployHarness(tmp_path)
    harness.table.tables[TABLE] = {}
    return harness.rung()


def test_the_first_apply_and_the_next_are_recorded(rung):
    assert delivery.read(rung) is None
    delivery.record(rung, "one", "p1", was=None)
    first = delivery.read(rung)
    rung.clock.sleep(1)
    delivery.record(rung, "two", "p2", was=first)
    assert (delivery.read(rung).input_hash, delivery.read(rung).plan_id) == ("two", "p2")


@pytest.mark.parametrize("before", [0, 1], ids=["the first", "a later one"])
def test_of_two_applies_at_once_neither_is_believed_so_that_the_next_promotion_plans(before, rung):
    for number in range(before):
        delivery.record(rung, f"old {number}", "p0")
    read_by_both = delivery.read(rung)
    rung.clock.sleep(1)
    delivery.record(rung, "theirs", "p1", was=read_by_both)
    rung.clock.sleep(1)
    delivery.record(rung, "ours", "p2", was=read_by_both)
    assert delivery.read(rung).input_hash == ""
    delivery.record(rung, "seen", "p3", was=delivery.read(rung))
    assert delivery.read(rung).input_hash == "seen"


def test_what_aws_says_is_not_taken_for_a_second_apply(rung):
    rung.ledger.client.fail("PutItem", DENIED)
    with pytest.raises(Exception, match="AccessDenied"):
        delivery.record(rung, "one", "p1", was=None)
    assert delivery.read(rung) is None
