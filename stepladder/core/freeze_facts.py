"""Freezes: windows of time in which an environment gets no release.

The client and the pipeline's `validate` decide by the same functions. The client takes time zones from its own
database. Lambda's Python isn't known to have one, so `validate` is given the offsets of the zones (`OFFSETS_UNTIL`).
"""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MINUTE = 60
DAY = 1440  # minutes, as in all of a week
WEEK = 7 * DAY
_EPOCH = 3 * DAY  # 1970-01-01 was a Thursday, three days into its week
OFFSETS_UNTIL = 2038
"""The first year whose changes of time `validate` doesn't know: it takes the last offset before it."""

Offset = Callable[[str, float], int]
"""Returns how many minutes a zone is ahead of UTC at a time in seconds since the epoch."""


@dataclass(frozen=True)
class FreezeWindow:
    """One window. It has a `span` (two times in seconds since the epoch) or a `week`, but never both.

    `week` counts minutes from Monday 0:00 in the `zone`; its end may come before its beginning, over Sunday night.
    `text` is the window as the settings write it.
    """

    text: str
    reason: str = ""
    zone: str = "UTC"
    span: tuple[int, int] | None = None
    week: tuple[int, int] | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def description(self) -> str:
        """The window with its reason."""
        return f"{self.text}: {self.reason}" if self.reason else self.text


@dataclass(frozen=True)
class Freeze:
    """A freeze that holds: the window that says so, and when it ends, with the windows that follow without a gap."""

    window: FreezeWindow
    until: float

    def sentence(self, offset: Offset) -> str:
        """Say until when, in the window's zone, and why."""
        return f"until {local_time(self.until, self.window.zone, offset)} ({self.window.description})"


def freeze_at(windows: Sequence[FreezeWindow], at: float, offset: Offset) -> Freeze | None:
    """Return the freeze that holds at a time; None when there is none."""
    first = next((window for window in windows if ends(window, at, offset) is not None), None)
    if first is None:
        return None
    until = at
    for _ in range(2 * len(windows) + 2):  # windows that touch make one freeze
        following = [end for window in windows if (end := ends(window, until, offset)) is not None and end > until]
        if not following:
            break
        until = max(following)
    return Freeze(first, until)


def ends(window: FreezeWindow, at: float, offset: Offset) -> float | None:
    """Return when a window that holds at a time ends; None when it doesn't hold."""
    if window.span:
        return float(window.span[1]) if window.span[0] <= at < window.span[1] else None
    local, since, length = _in_week(window, at, offset)
    return _utc(local + length - since, window.zone, offset) if since < length else None


def begins(window: FreezeWindow, at: float, offset: Offset) -> float | None:
    """Return when a window next begins after a time; None when it never does again."""
    if window.span:
        return float(window.span[0]) if at < window.span[0] else None
    local, since, _ = _in_week(window, at, offset)
    return _utc(local + WEEK - since, window.zone, offset)


def _in_week(window: FreezeWindow, at: float, offset: Offset) -> tuple[float, float, int]:
    """Return the local time in minutes, how long ago the week's window last began, and how long it lasts."""
    start, end = window.week or (0, 0)
    local = at / MINUTE + offset(window.zone, at)
    return local, (local + _EPOCH - start) % WEEK, (end - start) % WEEK or WEEK


def _utc(local: float, zone: str, offset: Offset) -> float:
    """Return a local time in minutes as seconds since the epoch, by the offset that holds then."""
    at = (local - offset(zone, local * MINUTE)) * MINUTE
    return round((local - offset(zone, at)) * MINUTE, 3)


def utc(local: float, zone: str, offset: Offset) -> int:
    """Return a local time in seconds since the epoch, if its zone were UTC, as the true one."""
    return int(_utc(local / MINUTE, zone, offset))


def local_time(at: float, zone: str, offset: Offset) -> str:
    """Write a time in a zone, to the minute."""
    local = time.gmtime(at + offset(zone, at) * MINUTE)
    return f"{time.strftime('%a %Y-%m-%d %H:%M', local)} {zone}"


# -- as a variable of the pipeline's function


def to_json(windows: Mapping[str, Sequence[FreezeWindow]], zones: Mapping[str, Sequence[tuple[int, int]]]) -> str:
    """Write the windows of the environments, and the offsets of their zones, as short as can be."""
    rungs = {name: [_plain(window) for window in each] for name, each in windows.items() if each}
    return json.dumps({"rungs": rungs, "zones": zones}, separators=(",", ":"), sort_keys=True)


def _plain(window: FreezeWindow) -> dict[str, Any]:
    values = {"text": window.text, "reason": window.reason, "zone": window.zone, "span": window.span}
    return {key: value for key, value in {**values, "week": window.week}.items() if value}


def from_json(text: str) -> tuple[dict[str, list[FreezeWindow]], Offset]:
    """Read what `to_json` wrote."""
    values = json.loads(text or '{"rungs":{},"zones":{}}')
    zones = {name: [(int(at), int(minutes)) for at, minutes in each] for name, each in values["zones"].items()}
    rungs = {
        name: [
            FreezeWindow(
                each["text"],
                each.get("reason", ""),
                each.get("zone", "UTC"),
                tuple(each["span"]) if "span" in each else None,
                tuple(each["week"]) if "week" in each else None,
            )
            for each in windows
        ]
        for name, windows in values["rungs"].items()
    }

    def offset(zone: str, at: float) -> int:
        changes = zones.get(zone)
        if not changes:
            return 0
        index = bisect_right(changes, (int(at // MINUTE), WEEK))
        return changes[max(0, index - 1)][1]

    return rungs, offset
