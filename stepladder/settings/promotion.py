"""The `promotion:` part of the settings: how each rung shifts traffic, who approves, what counts as healthy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepladder.core.image_facts import SEVERITIES
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Choice, Flag, Whole
from stepladder.settings.table import OwnRule, keys_of, read_section, setting

PREDEFINED = (
    "AllAtOnce",
    *(f"Canary10Percent{n}Minutes" for n in (5, 10, 15, 30)),
    "Linear10PercentEvery1Minute",
    *(f"Linear10PercentEvery{n}Minutes" for n in (2, 3, 10)),
)
"""https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html#deployment-configuration-lambda"""
SHAPES = "AllAtOnce, Canary<n>Percent<n>Minutes or Linear<n>PercentEvery<n>Minutes"
_SHAPE = re.compile(
    r"(?P<all>AllAtOnce)|Canary(?P<canary>\d+)Percent(?P<wait>\d+)Minutes?"
    r"|Linear(?P<linear>\d+)PercentEvery(?P<every>\d+)Minutes?"
)
_CONFIG = re.compile(r"-(?P<kind>canary|linear)-(?P<percent>\d+)-(?P<minutes>\d+)$")
_MOST_MINUTES = 2880  # what CodeDeploy allows between two shifts
_SLOWEST_POLLS = 200  # per shift: keeps the history of the longest canary far under 25,000 events
_BAKING_POLLS = 400  # per bake, as well
_LATEST_POLLS = 800  # of a deployment that hangs
_SLACK_SECONDS = 1800  # hooks, and CodeDeploy's own pauses


@dataclass(frozen=True)
class Shift:
    """How traffic moves to the new version: a deployment configuration, named by its shape."""

    name: str = "AllAtOnce"
    kind: str = "all-at-once"
    percent: int = 100
    minutes: int = 0

    def __str__(self) -> str:
        return self.name

    @classmethod
    def parse(cls, text: str) -> Shift:
        """Read a name such as `Canary10Percent5Minutes`; ValueError for anything else."""
        match = _SHAPE.fullmatch(text)
        if not match:
            raise ValueError(text)
        if match["all"]:
            return cls()
        kind = "canary" if match["canary"] else "linear"
        percent, minutes = int(match[kind]), int(match["wait"] or match["every"])
        if not 1 <= percent <= 99 or not 1 <= minutes <= _MOST_MINUTES:  # noqa: PLR2004 - a percentage
            raise ValueError(text)
        return cls(text, kind, percent, minutes)

    @classmethod
    def of_config(cls, name: str) -> Shift:
        """Read the name of a deployment configuration, AWS's or one of our own; all at once for one of neither."""
        if match := _CONFIG.search(name):
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

    def config(self, function: str) -> str:
        """Return the deployment configuration's name; one of our own is made by the `service` module."""
        if self.is_predefined:
            return f"CodeDeployDefault.Lambda{self.name}"
        return f"{function}-{self.kind}-{self.percent}-{self.minutes}"

    @property
    def variables(self) -> dict[str, Any]:
        """The same as the `service` module's variable `deployment`."""
        if self.kind == "all-at-once":
            return {"strategy": self.kind}
        return {"strategy": self.kind, "percentage": self.percent, "interval_minutes": self.minutes}

    @property
    def seconds(self) -> int:
        """How long the shift takes."""
        steps = math.ceil(100 / self.percent) - 1 if self.kind == "linear" else int(self.kind == "canary")
        return steps * self.minutes * 60

    def polls(self, bake_seconds: int = 0, concurrency: float = 1) -> tuple[int, int]:
        """Return the seconds between two polls of the deployment, and the largest number of polls before the bake.

        Targets that are released at once share one history. `concurrency` of them are polled less often.
        """
        longest = max(self.seconds / _SLOWEST_POLLS, bake_seconds / _BAKING_POLLS)
        latest = self.seconds * 1.2 + _SLACK_SECONDS
        every = max(15, math.ceil(longest * concurrency), math.ceil(latest * concurrency / _LATEST_POLLS))
        return every, math.ceil(latest / every)


class OneShift(OwnRule):
    """How traffic moves, by name."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> Shift:
        """See `table.Rule`."""
        try:
            return Shift.parse(str(value))
        except ValueError:
            problems.add(key, value, SHAPES)
            return Shift()


_BAKE = Whole(0, 720)


@dataclass(frozen=True)
class RungPolicy:
    """How a promotion releases one environment."""

    shift: Shift = setting(Shift(), OneShift(), "how traffic shifts there", key="deployment")
    bake_minutes: int = setting(0, _BAKE, "how long it is watched after all traffic has shifted")
    approval: bool = setting(default=False, rule=Flag(), purpose="whether its rung waits for `inv promote.approve`")
    release_command: bool = setting(default=True, rule=Flag(), purpose="whether the release command runs there")


class Policies(OwnRule):
    """What differs on some environments of the ladder: a mapping of their names to policies."""

    def read(self, key: str, value: Any, before: Mapping[str, RungPolicy], problems: Problems) -> dict[str, RungPolicy]:
        """See `table.Rule`."""
        given = problems.mapping(key, value, tuple(before))
        return {
            name: read_section(f"{key}.{name}", given.get(name, {}), policy, problems)
            for name, policy in before.items()
        }


def usual(names: tuple[str, ...], shift: Shift, bake_minutes: int) -> dict[str, RungPolicy]:
    """Return the policies of a ladder's environments, lowest first.

    Unless its policy says otherwise, the first one shifts all traffic at once and is not watched afterwards.
    """
    return {name: RungPolicy(shift, bake_minutes) if index else RungPolicy() for index, name in enumerate(names)}


@dataclass(frozen=True)
class PromotionSettings:
    """Everything under `promotion:`. `policies` has every environment of the ladder."""

    deployment: Shift = setting(
        Shift.parse("Canary10Percent5Minutes"), OneShift(), "how traffic shifts on every rung but the lowest"
    )
    bake_minutes: int = setting(0, _BAKE, "how long a rung is watched after all traffic has shifted")
    approval_hours: int = setting(24, Whole(1, 144), "how long a promotion waits for `inv promote.approve`")
    probe_requests: int = setting(10, Whole(1, 100), "synthetic requests sent at each poll while traffic shifts")
    scan_threshold: str = setting(
        "CRITICAL",
        Choice((*SEVERITIES, "OFF")),
        "severity of a scan's findings that stops a promotion",
        module="delivery",
        description="The lowest severity of a scan finding that stops a promotion: CRITICAL, HIGH, MEDIUM, LOW, "
        "or OFF to promote without a scan.",
    )
    ladder: tuple[str, ...] = ()
    """The environments of all rungs, lowest first: no setting of its own."""
    policies: Mapping[str, RungPolicy] = setting(
        factory=dict,
        rule=Policies(),
        purpose=f"what differs on one rung: {', '.join(f'`{key}`' for key in keys_of(RungPolicy))}",
        key="rungs",
        before=lambda section: usual(section.ladder, section.deployment, section.bake_minutes),
    )
