"""AWS's schedule expressions."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import ModuleType

import pytest

from localcloud.services.events import schedules
from localcloud.services.events.cron import due_times
from stepladder.core.schedules import ScheduleError, check, cron


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
        pytest.param("0 0 LW * ? *", "2026-10-30T00:00", id="the last working day, where the last is a Saturday"),
        pytest.param("0 0 ? * FRI#4 *", "2026-11-27T00:00", id="the fourth Friday, by name"),
        pytest.param("0 0 ? * SAT-MON *", "2026-11-22T00:00", id="a range over the end of the week"),
        pytest.param("0 0 ? * L *", "2026-11-28T00:00", id="the last day of the week"),
        pytest.param("10-30/10 8 1,15 nov ? 2026", "2026-11-15T08:20", id="steps, lists and a name in small letters"),
    ],
)
def test_a_cron_expression_matches_its_minute_and_not_the_next(fields: str, moment: str) -> None:
    when = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    read = cron(f"cron({fields})")
    assert read.matches(when)
    assert not read.matches(when.replace(minute=when.minute + 1))


def test_what_cannot_be_read_is_never_due() -> None:
    assert due_times("cron(0 3 * * *)", "UTC", 0, 0, 1e9) == []
    assert due_times("nonsense", "UTC", 0, 0, 1e9) == []


RECORDED = (  # refused by EventBridge Scheduler, by the date and in the place that stepladder/core/schedules.py names
    *("cron(0 1 * * * *)", "cron(7 20 * * NOT *)", "cron(INVALID)", "cron(0 dummy ? * MON-FRI *)"),
    *("cron(71 8 1 * ? *)", "cron()", "rate(10 seconds)", "rate(10 years)", "rate()", "rate(10)", "rate(10 minutess)"),
    *("rate(foo minutes)", "rate(-10 minutes)", "rate( 10 minutes )", " rate(10 minutes)"),
    *("at(2021-12-31T23:59:59Z)", "at(2021-12-31)"),
)
DOCUMENTED = (
    *("cron(0 6 * * ?)", "cron(0 6 * * ? * *)", "cron(0 6 ? * ? *)", "cron(0 25 * * ? *)", "cron(60 6 * * ? *)"),
    *("cron(0 6 0 * ? *)", "cron(0 6 32 * ? *)", "cron(0 6 * 13 ? *)", "cron(0 6 ? * 0 *)", "cron(0 6 ? * 8 *)"),
    *("cron(0 6 ? * MON#6 *)", "cron(0 6 ? * 2#1,3#2 *)", "cron(0 6 ? * #2 *)", "cron(0 6 32W * ? *)"),
    *("cron(0 6 L-W * ? *)", "cron(0 6 * * ? 1969)", "cron(0 6 * * ? 2027-2026)", "cron(0/0 6 * * ? *)"),
    *("cron(0/ 6 * * ? *)", "cron(0, 6 * * ? *)", "cron(1--2 6 * * ? *)", "cron(0 6 * * ? *", "cron 0 6 * * ? *"),
    *("rate(0 minutes)", "rate(1.5 hours)", "rate(\u0661 hour)", "at(2026-13-01T00:00:00)", "at(2026-02-30T00:00:00)"),
    *("every hour", "", "RATE(1 hour)", "rate(1 hour)\n"),
)


@pytest.mark.parametrize("expression", [*RECORDED, *DOCUMENTED])
def test_what_scheduler_refuses_is_refused_with_a_reason(expression: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        check(expression)
    assert len(str(refused.value)) > 10


@pytest.mark.parametrize(
    "expression",
    [
        *("rate(1 minute)", "rate(1 minutes)", "rate(5 minute)", "rate(7 days)", "at(2026-12-31T23:59:59)"),
        *("cron(0 6 * * ? *)", "cron(0 6 ? * MON-FRI *)", "cron(0/15 8-17 ? JAN,NOV 2#1 2026-2030)"),
        *("cron(* * L * ? *)", "cron(0 12 15W * ? *)", "cron(15 10 ? * 6L 2026-2028)"),
    ],
)
def test_what_scheduler_takes_is_taken(expression: str) -> None:
    check(expression)


@pytest.mark.parametrize("expression", ["rate(1 minutes)", "rate(1 days)", "rate(10 hour)", "at(2026-12-31T23:59:59)"])
def test_a_rule_wants_units_that_agree_with_their_number_and_knows_no_at(expression: str) -> None:
    with pytest.raises(ScheduleError):
        check(expression, rule=True)
    for right in ("rate(1 minute)", "rate(10 hours)", "cron(0 6 * * ? *)"):
        check(right, rule=True)


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


def test_the_hour_that_a_change_of_the_clocks_repeats_counts_once_and_the_one_left_out_never() -> None:
    autumn = datetime(2026, 10, 24, 22, 0, tzinfo=UTC).timestamp()
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    assert due_times("cron(30 2 25 10 ? *)", "Europe/Berlin", 0, autumn, autumn + 6 * 3600) == [first]
    spring = datetime(2026, 3, 28, 23, 0, tzinfo=UTC).timestamp()
    assert due_times("cron(30 2 29 3 ? *)", "Europe/Berlin", 0, spring, spring + 6 * 3600) == []


def test_a_clock_that_jumps_a_year_does_not_call_a_million_times() -> None:
    assert len(due_times("cron(* * * * ? *)", "UTC", 0, 0, 365 * 86400)) <= 1441
    assert len(due_times("rate(1 minute)", "UTC", 0, 0, 365 * 86400)) <= 1441


def test_a_schedules_module_that_is_still_being_imported_has_none_yet(monkeypatch):
    """Another thread's import lists a module before it has its names; the loop that looks must outlive that."""
    for name in ("moto.scheduler.models", "moto.events.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert list(schedules.plans()) == []
