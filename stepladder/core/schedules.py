"""AWS's schedule expressions: rate(...), cron(...) with six fields, at(...).

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html; the settings and the local cloud read
them by this one module. What EventBridge Scheduler refuses was recorded by LocalStack's tests on 2025-01-26
(tests/aws/services/scheduler/test_scheduler.snapshot.json).
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

RATE_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}
_RATE = r"rate\(([1-9][0-9]{0,8}) (minute|hour|day)(s?)\)"
_AT = r"at\(([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\)"
_CRON = r"cron\(([^()]*)\)"
_NUMBER = r"[0-9]{1,4}"
_MONTHS = {name.upper(): i for i, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: i for i, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_FIELDS = 6
_LAST_NTH = 5  # no month has a sixth Tuesday


class ScheduleError(ValueError):
    """An expression that AWS refuses; the text says why."""


@dataclass(frozen=True, eq=False)  # distinguished by identity, so that it can be a cache's key
class _Field:
    """What one field of a cron expression may hold."""

    name: str
    least: int
    most: int
    names: dict[str, int]
    wraps: bool = True  # FRI-MON goes over the end of the week


_MINUTES = _Field("minutes", 0, 59, {})
_HOURS = _Field("hours", 0, 23, {})
_MONTH_DAYS = _Field("day of month", 1, 31, {})
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAYS = _Field("day of week", 1, 7, _DAYS)
_YEARS = _Field("year", 1970, 2199, {}, wraps=False)


@dataclass(frozen=True)
class Cron:
    """A cron expression that was read. `day` and `weekday` are still text: L, W and # depend on the month."""

    minutes: frozenset[int]
    hours: frozenset[int]
    day: str
    months: frozenset[int]
    weekday: str
    years: frozenset[int]

    def matches(self, moment: datetime) -> bool:
        """Say whether the minute of `moment` is one of the expression's."""
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.month in self.months
            and moment.year in self.years
            and _day_matches(self.day, moment)
            and _weekday_matches(self.weekday, moment)
        )


def check(expression: str, *, rule: bool = False) -> None:
    """Raise `ScheduleError` for what CreateSchedule refuses, or PutRule for a `rule`.

    A rule knows no at(...), and wants the unit of a rate to agree with its number: rate(1 hour), rate(2 hours).
    """
    if expression.startswith("rate("):
        rate(expression)
        match = re.fullmatch(_RATE, expression)
        if rule and match and (match[1] == "1") == bool(match[3]):
            raise ScheduleError(f"{match[1]} {match[2]}{match[3]} is neither singular nor plural")
    elif expression.startswith("cron("):
        cron(expression)
    elif expression.startswith("at(") and not rule:
        at(expression)
    else:
        raise ScheduleError(f"it is neither rate(...) nor cron(...){'' if rule else ' nor at(...)'}")


def rate(expression: str) -> float:
    """Return the seconds between two calls."""
    match = re.fullmatch(_RATE, expression)
    if not match:
        raise ScheduleError("rate needs a whole number above 0 and minutes, hours or days, like rate(5 minutes)")
    return int(match[1]) * RATE_SECONDS[match[2]]


def at(expression: str) -> datetime:
    """Return the moment of a schedule that calls once, in no time zone."""
    match = re.fullmatch(_AT, expression)
    try:
        return datetime.fromisoformat(match[1] if match else "")
    except ValueError:
        raise ScheduleError("at needs a date and a time, like at(2026-12-31T23:59:59)") from None


@cache
def cron(expression: str) -> Cron:
    """Read an expression of six fields."""
    match = re.fullmatch(_CRON, expression)
    parts = match[1].split() if match else []
    if len(parts) != _FIELDS:
        raise ScheduleError(
            f"cron has six fields (minutes, hours, day of month, month, day of week, year), not {len(parts)}: "
            "like cron(0 6 * * ? *)"
        )
    minutes, hours, day, months, weekday, years = (part.upper() for part in parts)
    if (day == "?") == (weekday == "?"):
        raise ScheduleError("exactly one of day of month and day of week is ?, like cron(0 6 * * ? *)")
    _check_day(day)
    _check_weekday(weekday)
    return Cron(
        minutes=_numbers(minutes, _MINUTES),
        hours=_numbers(hours, _HOURS),
        day=day,
        months=_numbers(months, _MONTH),
        weekday=weekday,
        years=_numbers(years, _YEARS),
    )


def _check_day(field: str) -> None:
    if field in ("?", "L", "LW"):
        return
    _numbers(field[:-1] if field.endswith("W") and re.fullmatch(_NUMBER, field[:-1]) else field, _MONTH_DAYS)


def _check_weekday(field: str) -> None:
    if field in ("?", "L"):
        return
    day, hash_, nth = field.partition("#")
    if hash_:
        _one(day, _WEEKDAYS)
        if not re.fullmatch(_NUMBER, nth) or not 1 <= int(nth) <= _LAST_NTH:
            raise ScheduleError(f"day of week is {field}; after # stands a number from 1 to {_LAST_NTH}")
    elif field.endswith("L"):
        _one(field[:-1], _WEEKDAYS)
    else:
        _numbers(field, _WEEKDAYS)


@cache
def _numbers(field: str, kind: _Field) -> frozenset[int]:
    """Read a list of numbers, ranges and steps."""
    numbers: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        if slash and not (re.fullmatch(_NUMBER, step) and 1 <= int(step) <= kind.most):
            raise ScheduleError(f"{kind.name} is {field}; after / stands a number from 1 to {kind.most}")
        low, dash, high = span.partition("-")
        if span == "*":
            begin, end = kind.least, kind.most
        else:
            begin = _one(low, kind)
            end = _one(high, kind) if dash else kind.most if slash else begin
        if begin > end and not kind.wraps:
            raise ScheduleError(f"{kind.name} is {field}; a range begins with its lower end")
        size = kind.most - kind.least + 1
        count = (end - begin) % size + 1
        numbers.update((begin - kind.least + more) % size + kind.least for more in range(0, count, int(step or 1)))
    return frozenset(numbers)


def _one(text: str, kind: _Field) -> int:
    number = kind.names.get(text)
    if number is None and re.fullmatch(_NUMBER, text):
        number = int(text)
    if number is None or not kind.least <= number <= kind.most:
        names = f" or {next(iter(kind.names))} to {list(kind.names)[-1]}" if kind.names else ""
        raise ScheduleError(f"{kind.name} is {text or 'empty'}; allowed: {kind.least} to {kind.most}{names}")
    return number


def _day_matches(field: str, moment: datetime) -> bool:
    last = calendar.monthrange(moment.year, moment.month)[1]
    if field == "?":
        return True
    if field == "L":
        return moment.day == last
    if field.endswith("W"):  # the working day nearest to a day of the month
        wanted = moment.replace(day=last if field == "LW" else min(int(field[:-1]), last))
        shift = {5: -1, 6: 1}.get(wanted.weekday(), 0)
        near = wanted + timedelta(days=shift)
        if near.month != wanted.month:
            near = wanted - timedelta(days=shift * 2)
        return moment.date() == near.date()
    return moment.day in _numbers(field, _MONTH_DAYS)


def _weekday_matches(field: str, moment: datetime) -> bool:
    today = moment.isoweekday() % 7 + 1  # Sunday is 1
    last = calendar.monthrange(moment.year, moment.month)[1]
    if field == "?":
        return True
    if "#" in field:
        day, _, nth = field.partition("#")
        return today == _one(day, _WEEKDAYS) and (moment.day - 1) // 7 + 1 == int(nth)
    if field.endswith("L") and field != "L":
        return today == _one(field[:-1], _WEEKDAYS) and moment.day + 7 > last
    return today in _numbers("7" if field == "L" else field, _WEEKDAYS)
