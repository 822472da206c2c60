"""What a project costs is computed from what Terraform makes, and every kind of resource has its price or is free."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs"))

import costs  # noqa: E402


def test_every_kind_of_resource_says_what_aws_bills_it_by():
    assert set(costs.kinds()) == set(costs.KINDS), "docs/costs.py lists the kinds of the modules and the template"


def test_a_price_has_the_page_of_aws_where_it_stands():
    assert all(dollars > 0 and page.endswith(("pricing", "on-demand")) for dollars, page in costs.PRICES.values())


def test_the_alarms_of_a_function_watch_four_metrics():
    assert costs.ALARM_METRICS == 4


@pytest.mark.parametrize(("calls", "dollars"), [(0, 0.0), (1_000_000, 0.20 + 1_000_000 * 0.1 * 0.25 * 13.3334 / 1e6)])
def test_calls_cost_their_number_and_the_memory_that_they_hold(calls, dollars):
    month = costs.month(costs.Usage("a month", calls, 0, 1))
    assert month["calls of the function"] == pytest.approx(dollars)


def test_a_second_environment_costs_its_alarms():
    one, two = (sum(costs.month(costs.Usage("", 0, 0, 1, environments=number)).values()) for number in (1, 2))
    assert two - one == pytest.approx(0.40)
