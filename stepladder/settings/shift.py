"""How traffic shifts: one of CodeDeploy's ways by its name, or several widths that the state machine sets itself."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from stepladder.core.records import dataclass
from stepladder.settings.problems import Problems
from stepladder.settings.table import OwnRule

PREDEFINED = (
    "AllAtOnce",
    *(f"Canary10Percent{n}Minutes" for n in (5, 10, 15, 30)),
    "Linear10PercentEvery1Minute",
    *(f"Linear10PercentEvery{n}Minutes" for n in (2, 3, 10)),
)
"""https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html#deployment-configuration-lambda"""
SHAPES = "AllAtOnce, Canary<n>Percent<n>Minutes, Linear<n>PercentEvery<n>Minutes, or widths like [1, 5, 25, 100]"
WIDTHS = "widths"
_SHAPE = (
    r"(?P<all>AllAtOnce)|Canary(?P<canary>\d+)Percent(?P<wait>\d+)Minutes?"
    r"|Linear(?P<linear>\d+)PercentEvery(?P<every>\d+)Minutes?"
)
_CONFIG = r"-(?P<kind>canary|linear)-(?P<percent>\d+)-(?P<minutes>\d+)$"
_ALL = 100
_MOST_MINUTES = 2880  # what CodeDeploy allows between two shifts
_LONGEST = 4320  # minutes of all widths together: a promotion takes at most seven days
_MOST_WIDTHS = 20
_USUAL_MINUTES = 10  # between two widths, unless it is said
_SLOWEST_POLLS = 200  # per shift: keeps the history of the longest canary far under 25,000 events
_BAKING_POLLS = 400  # per bake, as well
_LATEST_POLLS = 800  # of a deployment that hangs
_SLACK_SECONDS = 1800  # hooks, and CodeDeploy's own pauses


@dataclass(frozen=True)
class Shift:
    """How traffic moves to the new version: a deployment configuration, named by its shape, or widths.

    `widths` are percentages with the minutes for which each is kept; only a shift by widths has them.
    """

    name: str = "AllAtOnce"
    kind: str = "all-at-once"
    percent: int = 100
    minutes: int = 0
    widths: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def parse(cls, text: str) -> Shift:
        """Read a name such as `Canary10Percent5Minutes`; ValueError for anything else."""
        match = re.fullmatch(_SHAPE, text)
        if not match:
            raise ValueError(text)
        if match["all"]:
            return cls()
        kind = "canary" if match["canary"] else "linear"
        percent, minutes = int(match[kind]), int(match["wait"] or match["every"])
        if not 1 <= percent < _ALL or not 1 <= minutes <= _MOST_MINUTES:
            raise ValueError(text)
        return cls(text, kind, percent, minutes)

    @classmethod
    def by_widths(cls, widths: Sequence[int], minutes: Sequence[int]) -> Shift:
        """Return the shift by widths. Each is kept for so many minutes; the last one takes all traffic."""
        kept = (*minutes, 0)
        name = ", ".join(f"{width}% for {each} min" for width, each in zip(widths, minutes, strict=False))
        if not name:
            return cls()
        return cls(f"{name}, 100%", WIDTHS, widths[0], kept[0], tuple(zip(widths, kept, strict=True)))

    @classmethod
    def of_config(cls, name: str) -> Shift:
        """Read the name of a deployment configuration, AWS's or one of our own; all at once for one of neither."""
        if match := re.search(_CONFIG, name):
            percent, minutes = match["percent"], match["minutes"]
            middle = "Percent" if match["kind"] == "canary" else "PercentEvery"
            return cls(
                f"{match['kind'].title()}{percent}{middle}{minutes}Minutes", match["kind"], int(percent), int(minutes)
            )
        try:
            return cls.parse(name.removeprefix("CodeDeployDefault.Lambda"))
        except ValueError:
            return cls()

    @property
    def is_predefined(self) -> bool:
        """Whether AWS has this configuration in every account."""
        return self.name in PREDEFINED

    @property
    def steps(self) -> tuple[tuple[int, int], ...]:
        """The percentages that the new version gets, each with its minutes; the last one is 100."""
        if self.kind == "canary":
            return ((self.percent, self.minutes), (_ALL, 0))
        if self.kind == "linear":
            return (*((share, self.minutes) for share in range(self.percent, _ALL, self.percent)), (_ALL, 0))
        return self.widths or ((_ALL, 0),)

    def config(self, function: str) -> str:
        """Return the deployment configuration's name; one of our own is made by the `service` module."""
        if self.kind == WIDTHS:  # CodeDeploy has a hotfix alone, which is all at once
            return f"CodeDeployDefault.Lambda{PREDEFINED[0]}"
        if self.is_predefined:
            return f"CodeDeployDefault.Lambda{self.name}"
        return f"{function}-{self.kind}-{self.percent}-{self.minutes}"

    @property
    def variables(self) -> dict[str, Any]:
        """The same as the `service` module's variable `deployment`."""
        if self.kind in ("all-at-once", WIDTHS):
            return {"strategy": "all-at-once"}
        return {"strategy": self.kind, "percentage": self.percent, "interval_minutes": self.minutes}

    @property
    def seconds(self) -> int:
        """How long the shift takes."""
        return sum(minutes for _, minutes in self.steps) * 60

    def polls(self, bake_seconds: int = 0, concurrency: float = 1) -> tuple[int, int]:
        """Return the seconds between two polls of the deployment, and the largest number of polls before the bake.

        Targets that are released at once share one history. `concurrency` of them are polled less often.
        """
        longest = max(self.seconds / _SLOWEST_POLLS, bake_seconds / _BAKING_POLLS)
        latest = self.seconds * 1.2 + _SLACK_SECONDS
        every = max(15, math.ceil(longest * concurrency), math.ceil(latest * concurrency / _LATEST_POLLS))
        return every, math.ceil(latest / every)


class OneShift(OwnRule):
    """How traffic moves: a name, a list of widths, or a mapping of `widths` and `minutes`."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> Shift:
        """See `table.Rule`."""
        if isinstance(value, (list, tuple)):
            return _widths(key, value, _USUAL_MINUTES, problems)
        if isinstance(value, Mapping):
            given = problems.mapping(key, value, ("widths", "minutes"))
            if "widths" not in given:
                problems.add(f"{key}.widths", None, "widths like [1, 5, 25, 100]")
                return Shift()
            return _widths(f"{key}.widths", given["widths"], given.get("minutes", _USUAL_MINUTES), problems)
        try:
            return Shift.parse(str(value))
        except ValueError:
            problems.add(key, value, SHAPES)
            return Shift()


def _widths(key: str, value: Any, minutes: Any, problems: Problems) -> Shift:
    """Read widths and how long each is kept; a problem of each kind has its own message."""
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= _MOST_WIDTHS:
        problems.add(key, value, f"a list of 1 to {_MOST_WIDTHS} widths, such as [1, 5, 25, 100]")
        return Shift()
    widths = list(value)
    for width in widths:
        if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= _ALL:
            problems.add(key, width, "a whole percentage from 1 to 100: Lambda routes no smaller share")
            return Shift()
    for before, after in itertools.pairwise(widths):
        if after <= before:
            problems.add(key, widths, f"widths that rise; {after} follows {before}")
            return Shift()
    if widths[-1] != _ALL:
        problems.add(key, widths, f"widths that end at 100, which is all traffic; these end at {widths[-1]}")
        return Shift()
    kept = _minutes(f"{key.removesuffix('.widths')}.minutes", minutes, len(widths) - 1, problems)
    return Shift.by_widths(widths, kept) if len(kept) == len(widths) - 1 else Shift()


def _minutes(key: str, value: Any, count: int, problems: Problems) -> list[int]:
    """Read how long each width but the last is kept: one number for all, or one each."""
    each = list(value) if isinstance(value, (list, tuple)) else [value] * count
    if len(each) != count:
        problems.add(key, each, f"one number, or {count}: one for each width but the last")
        return []
    for one in each:
        if isinstance(one, bool) or not isinstance(one, int) or not 1 <= one <= _MOST_MINUTES:
            problems.add(key, one, f"a whole number of minutes from 1 to {_MOST_MINUTES}")
            return []
    if sum(each) > _LONGEST:
        problems.add(key, value, f"at most {_LONGEST} minutes together, three days; these are {sum(each)}")
        return []
    return each
