"""The roles of the promotion may what the promotion does, and nothing beside it, by the policies that are planned."""

from __future__ import annotations

import pytest
from iam_product import CALLS, of_call


@pytest.mark.parametrize(
    ("role", "call", "params", "allowed"), CALLS, ids=[f"{n} {row[0]} {row[1]}" for n, row in enumerate(CALLS)]
)
def test_a_role_of_the_promotion_may_what_it_does_and_no_more(role, call, params, allowed):
    decisions = [case.decided() for case in of_call(role, call, params)]
    assert [decision.unknown for decision in decisions] == [()] * len(decisions)
    assert all(decision.allowed for decision in decisions) is allowed
