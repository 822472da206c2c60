"""When a schedule is due, by its expression and time zone."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stepladder.core import schedules

_MOST = 1440  # minutes looked back at once: a clock that jumps by a year must not call a million times


def due_times(expression: str, zone: str, first: float, since: float, now: float) -> list[float]:
    """Return when, in (since, now] (epoch seconds), a schedule that was made at `first` is due.

    An expression that can't be read is never due. It was refused when it was made. An hour that the clocks' change
    repeats counts once, and one that it leaves out is never due:
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time
    """
    timezone = _zone(zone)
    try:
        if expression.startswith("rate("):
            return _periods(schedules.rate(expression), first, since, now)
        if expression.startswith("at("):
            moment = schedules.at(expression).replace(tzinfo=timezone).timestamp()
            return [moment] if since < moment <= now else []
        cron = schedules.cron(expression)
    except schedules.ScheduleError:
        return []
    minute = int(since // 60) + 1
    last = int(now // 60)
    minutes = range(max(minute, last - _MOST), last + 1)
    moments = ((m * 60.0, datetime.fromtimestamp(m * 60, timezone)) for m in minutes)
    return [seconds for seconds, moment in moments if not moment.fold and cron.matches(moment)]


def _periods(period: float, first: float, since: float, now: float) -> list[float]:
    number = int((since - first) // period) + 1
    times: list[float] = []
    while (moment := first + number * period) <= now and len(times) < _MOST:
        times.append(moment)
        number += 1
    return times


def is_zone(name: str) -> bool:
    """Say whether the tz database has a zone of this name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name if name and is_zone(name) else "UTC")
