"""AWS's schedule expressions."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import ModuleType

import pytest

from stepladder.local.plugins import lambda_schedules
from stepladder.local.plugins.lambda_cron import due_times, matches


@pytest.mark.parametrize(
    ("fields", "moment"),
    [
        pytest.param("0 3 * * ? *", "2026-11-21T03:00", id="every night at three"),
        pytest.param("0/15 * * * ? *", "2026-11-21T10:45", id="every quarter of an hour"),
        pytest.param("0 9 ? * MON-FRI *", "2026-11-23T09:00", id="working days by name"),
        pytest.param("0 9 ? * 2 *", "2026-11-23T09:00", id="Monday is 2"),
        pytest.param("0 9 ? JAN,NOV * *", "2026-11-23T09:00", id="months by name"),
        pytest.param("0 0 L * ? *", "2028-02-29T00:00", id="the last day of a month"),
        pytest.param("0 0 ? * 6L *", "2026-11-27T00:00", id="the last Friday of a month"),
        pytest.param("0 0 ? * 3#2 *", "2026-11-10T00:00", id="the second Tuesday"),
        pytest.param("0 0 1W * ? *", "2026-11-02T00:00", id="the working day nearest to a Sunday the first"),
    ],
)
def test_a_cron_expression_matches_its_minute_and_not_the_next(fields: str, moment: str) -> None:
    when = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert matches(fields, when)
    assert not matches(fields, when.replace(minute=when.minute + 1))


def test_a_cron_expression_with_five_fields_is_never_due() -> None:
    assert not matches("0 3 * * *", datetime(2026, 11, 21, 3, 0, tzinfo=UTC))
    assert due_times("nonsense", "UTC", 0, 0, 1e9) == []


def test_a_rate_is_due_once_each_period_however_often_one_looks() -> None:
    assert due_times("rate(5 minutes)", "UTC", 1000, 1000, 1299) == []
    assert due_times("rate(5 minutes)", "UTC", 1000, 1299, 1300) == [1300]
    assert due_times("rate(5 minutes)", "UTC", 1000, 1300, 1301) == []
    assert due_times("rate(1 hour)", "UTC", 0, 0, 7200) == [3600, 7200]


def test_at_is_due_once_in_its_time_zone() -> None:
    noon = datetime(2026, 7, 1, 10, 0, tzinfo=UTC).timestamp()
    assert due_times("at(2026-07-01T12:00:00)", "Europe/Berlin", 0, noon - 1, noon) == [noon]
    assert due_times("at(2026-07-01T12:00:00)", "Europe/Berlin", 0, noon, noon + 60) == []


def test_cron_follows_the_time_zone() -> None:
    ten = datetime(2026, 1, 5, 9, 0, tzinfo=UTC).timestamp()
    assert due_times("cron(0 10 * * ? *)", "Europe/Berlin", 0, ten - 60, ten + 60) == [ten]


def test_a_clock_that_jumps_a_year_does_not_call_a_million_times() -> None:
    assert len(due_times("cron(* * * * ? *)", "UTC", 0, 0, 365 * 86400)) <= 1441
    assert len(due_times("rate(1 minute)", "UTC", 0, 0, 365 * 86400)) <= 1441


def test_a_schedules_module_that_is_still_being_imported_has_none_yet(monkeypatch):
    """Another thread's import lists a module before it has its names; the loop that looks must outlive that."""
    for name in ("moto.scheduler.models", "moto.events.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert list(lambda_schedules._plans()) == []
