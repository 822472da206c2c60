"""AWS's schedule expressions: rate(...), cron(...) with six fields, at(...).

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}
_MONTHS = {name.upper(): i for i, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: i for i, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_MOST = 1440  # minutes looked back at once: a clock that jumps by a year must not call a million times


def due_times(expression: str, zone: str, first: float, since: float, now: float) -> list[float]:
    """Return when, in (since, now] (epoch seconds), a schedule that was made at `first` is due.

    An expression that can't be read is never due: who made it was told then.
    """
    if found := _RATE.fullmatch(expression):
        period = int(found[1]) * _SECONDS[found[2]]
        number = int((since - first) // period) + 1
        times: list[float] = []
        while (moment := first + number * period) <= now and len(times) < _MOST:
            times.append(moment)
            number += 1
        return times
    timezone = _zone(zone)
    if expression.startswith("at("):
        try:
            moment = datetime.fromisoformat(expression[3:-1]).replace(tzinfo=timezone).timestamp()
        except ValueError:
            return []
        return [moment] if since < moment <= now else []
    if expression.startswith("cron("):
        minute = int(since // 60) + 1
        last = int(now // 60)
        minutes = range(max(minute, last - _MOST), last + 1)
        return [m * 60.0 for m in minutes if matches(expression[5:-1], datetime.fromtimestamp(m * 60, timezone))]
    return []


def matches(fields: str, moment: datetime) -> bool:
    """Say whether the minute of `moment` is one of a cron expression's: minutes hours day month weekday year."""
    parts = fields.split()
    if len(parts) != 6:  # noqa: PLR2004 - AWS's cron has six fields
        return False
    minute, hour, day, month, weekday, year = parts
    return (
        moment.minute in _numbers(minute, 0, 59)
        and moment.hour in _numbers(hour, 0, 23)
        and moment.month in _numbers(month, 1, 12)
        and moment.year in _numbers(year, 1970, 2199)
        and _day_matches(day, moment)
        and _weekday_matches(weekday, moment)
    )


def _day_matches(field: str, moment: datetime) -> bool:
    last = calendar.monthrange(moment.year, moment.month)[1]
    if field == "L":
        return moment.day == last
    if field.endswith("W"):  # the weekday nearest to a day of the month
        wanted = moment.replace(day=min(int(field[:-1]), last))
        shift = {5: -1, 6: 1}.get(wanted.weekday(), 0)
        near = wanted + timedelta(days=shift)
        if near.month != wanted.month:
            near = wanted - timedelta(days=shift * 2)
        return moment.date() == near.date()
    return moment.day in _numbers(field, 1, 31)


def _weekday_matches(field: str, moment: datetime) -> bool:
    today = moment.isoweekday() % 7 + 1  # Sunday is 1
    last = calendar.monthrange(moment.year, moment.month)[1]
    if "#" in field:
        day, _, nth = field.partition("#")
        return today in _numbers(day, 1, 7) and (moment.day - 1) // 7 + 1 == int(nth)
    if field.endswith("L") and field != "L":
        return today in _numbers(field[:-1], 1, 7) and moment.day + 7 > last
    return today in _numbers("7" if field == "L" else field, 1, 7)


@cache
def _numbers(field: str, least: int, most: int) -> frozenset[int]:
    names = {**_MONTHS} if most == 12 else {**_DAYS} if most == 7 else {}  # noqa: PLR2004 - months, days
    found: set[int] = set()
    for part in field.upper().split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            begin, end = least, most
        else:
            low, dash, high = span.partition("-")
            begin = names.get(low) or int(low)
            end = (names.get(high) or int(high)) if dash else most if step else begin
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
