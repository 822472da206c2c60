"""The settings `freeze`: windows of time in which a rung gets no release, as people write them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from stepladder.core.freeze_facts import DAY, MINUTE, OFFSETS_UNTIL, WEEK, FreezeWindow, freeze_at, utc
from stepladder.core.similar import did_you_mean
from stepladder.settings.problems import Problems

SHAPES = "`fri 16:00 - mon 08:00 Europe/Berlin` each week, or `2026-12-20 - 2027-01-03 Europe/Berlin` once"
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = r"(?:[01]?\d|2[0-3]):[0-5]\d|24:00"
_ZONE = r"(?: +(?P<zone>[A-Za-z][\w+/-]*))?"
_WEEKLY = rf"(?ai)(?P<first>[a-z]+) +(?P<from>{_TIME}) *- *(?P<last>[a-z]+) +(?P<to>{_TIME}){_ZONE}"
_ONCE = (
    rf"(?a)(?P<first>\d{{4}}-\d\d-\d\d)(?: +(?P<from>{_TIME}))? +- +"
    rf"(?P<last>\d{{4}}-\d\d-\d\d)(?: +(?P<to>{_TIME}))?{_ZONE}"
)
_LONGEST = timedelta(days=366)
_YEARS = range(2000, 2100)
_FIRST_YEAR = 2026
_REASON = 200  # characters: the windows of all rungs share 4,096 bytes of validate's variables
_UTC = "UTC"
_SOME_WEEK = 1_767_571_200  # 2026-01-05, a Monday
_MOST = 20


def read(key: str, value: Any, problems: Problems) -> tuple[FreezeWindow, ...]:
    """Read a list of windows: texts, or mappings of `window` and `reason`. Note a problem for what is none."""
    if not isinstance(value, (list, tuple)) or len(value) > _MOST:
        problems.add(key, value, f"a list of at most {_MOST} windows: {SHAPES}")
        return ()
    noted = len(problems.messages)
    each_read = [_read(f"{key}.{number}", each, problems) for number, each in enumerate(value)]
    windows = tuple(window for window in each_read if window)
    for number, window in enumerate(windows):
        if window.text in [each.text for each in windows[:number]]:
            problems.add(f"{key}.{number}", window.text, "each window once")
    if len(problems.messages) == noted and _never_ends(windows):
        problems.add(key, [window.text for window in windows], "windows that leave some time of the week for releases")
    return windows


def _read(key: str, value: object, problems: Problems) -> FreezeWindow | None:
    reason = ""
    if isinstance(value, Mapping):
        given = problems.mapping(key, value, ("window", "reason"))
        value, reason = given.get("window"), given.get("reason", "")
        if not isinstance(reason, str) or not reason.strip().isprintable() or len(reason) > _REASON:
            problems.add(f"{key}.reason", reason, f"a text of one line, of at most {_REASON} characters")
            return None
    text = " ".join(value.split()) if isinstance(value, str) else ""
    weekly, once = re.fullmatch(_WEEKLY, text), re.fullmatch(_ONCE, text)
    match = weekly or once
    if not match:
        problems.add(key, value, SHAPES)
        return None
    zone = match["zone"] or _UTC
    if not _is_zone(zone):
        problems.add(key, value, _known_zones(zone))
        return None
    return (_weekly if weekly else _once)(key, match, FreezeWindow(text, reason.strip(), zone), problems)


def _weekly(key: str, match: re.Match[str], window: FreezeWindow, problems: Problems) -> FreezeWindow | None:
    days = [
        next((n for n, day in enumerate(_DAYS) if len(name) >= 3 and day.startswith(name.lower())), None)  # noqa: PLR2004 - mon, tue, ...
        for name in (match["first"], match["last"])
    ]
    if days[0] is None or days[1] is None:
        problems.add(key, window.text, f"days such as {', '.join(day[:3] for day in _DAYS)}")
        return None
    start, end = days[0] * DAY + _minutes(match["from"]), days[1] * DAY + _minutes(match["to"])
    if (end - start) % WEEK == 0:
        problems.add(key, window.text, "a window that ends: this one covers the whole week")
        return None
    return FreezeWindow(window.text, window.reason, window.zone, week=(start % WEEK, end % WEEK))


def _once(key: str, match: re.Match[str], window: FreezeWindow, problems: Problems) -> FreezeWindow | None:
    try:
        first, last = (date.fromisoformat(match[name]) for name in ("first", "last"))
    except ValueError:
        problems.add(key, window.text, "days of the calendar")
        return None
    start = _at(first) + _minutes(match["from"] or "0:00") * MINUTE
    end = _at(last) + _minutes(match["to"] or "24:00") * MINUTE
    if end <= start:
        problems.add(key, window.text, "an end after the beginning")
        return None
    if end - start > _LONGEST.total_seconds():
        problems.add(key, window.text, "a freeze of at most a year")
        return None
    if not {first.year, last.year} <= set(_YEARS):
        problems.add(key, window.text, f"days of the years {_YEARS[0]} to {_YEARS[-1]}")
        return None
    span = (utc(start, window.zone, offset), utc(end, window.zone, offset))
    return FreezeWindow(window.text, window.reason, window.zone, span=span)


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _at(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _never_ends(windows: Sequence[FreezeWindow]) -> bool:
    """Say whether the weekly windows leave no time at all."""
    weekly, until = [window for window in windows if window.week], float(_SOME_WEEK)
    for _ in range(4 * len(weekly)):
        freeze = freeze_at(weekly, until, offset)
        if freeze is None:
            return False
        until = freeze.until
    return bool(weekly)


# -- time zones


@functools.cache
def _zones() -> tuple[str, ...]:
    from zoneinfo import available_timezones

    return tuple(sorted(available_timezones()))


def _known_zones(zone: str) -> str:
    """Say which zones may be named in place of one that isn't known."""
    if not _zones():
        return f"{_UTC}, since this machine has no database of time zones: install the package tzdata"
    meant = did_you_mean(zone, _zones())
    return f"a time zone of the IANA database, such as Europe/Berlin{f'; {meant}' if meant else ''}"


@functools.cache
def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    if name == _UTC:
        return True
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return False
    return True


def offset(zone: str, at: float) -> int:
    """Return how many minutes a zone is ahead of UTC at a time, by this machine's database; UTC itself needs none."""
    from zoneinfo import ZoneInfo

    if zone == _UTC:
        return 0
    ahead = datetime.fromtimestamp(at, ZoneInfo(zone)).utcoffset()
    return int(ahead.total_seconds() // MINUTE) if ahead else 0


def offsets(zone: str) -> list[tuple[int, int]]:
    """Return the offsets of a zone, each with the minute (since the epoch) from which it holds."""
    changes = [(0, offset(zone, _at(date(_FIRST_YEAR, 1, 1))))]
    day, end = _at(date(_FIRST_YEAR, 1, 1)), _at(date(OFFSETS_UNTIL, 1, 1))
    while day < end:
        after = day + DAY * MINUTE
        if offset(zone, after) != changes[-1][1]:
            low, high = day, after
            while high - low > MINUTE:
                middle = (low + high) // 2 // MINUTE * MINUTE
                low, high = (middle, high) if offset(zone, middle) == changes[-1][1] else (low, middle)
            changes.append((high // MINUTE, offset(zone, after)))
        day = after
    return changes
