"""The `promotion:` part of the settings: how each rung shifts traffic, who approves, what counts as healthy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stepladder.settings.problems import Problems

DEFAULTS: dict[str, Any] = {
    "deployment": "Canary10Percent5Minutes",
    "bake_minutes": 0,
    "approval_hours": 24,
    "probe_requests": 10,
    "scan_threshold": "CRITICAL",
    "rungs": {},
}
"""Every key under `stepladder.promotion:`. `rungs.<environment>` may say deployment, bake_minutes and approval."""

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "OFF")
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
_SLACK_SECONDS = 1800  # hooks, and CodeDeploy's own pauses


@dataclass(frozen=True)
class Shift:
    """How traffic moves to the new version: a deployment configuration, named by its shape."""

    name: str = "AllAtOnce"
    kind: str = "all-at-once"
    percent: int = 100
    minutes: int = 0

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
        every = max(15, math.ceil(longest * concurrency))
        return every, math.ceil((self.seconds * 1.2 + _SLACK_SECONDS) / every)


@dataclass(frozen=True)
class RungPolicy:
    """How a promotion releases one environment."""

    shift: Shift = field(default_factory=Shift)
    bake_minutes: int = 0
    approval: bool = False


@dataclass(frozen=True)
class PromotionSettings:
    """Everything under `promotion:`. `policies` has every environment of the ladder."""

    approval_hours: int = 24
    probe_requests: int = 10
    scan_threshold: str = "CRITICAL"
    policies: Mapping[str, RungPolicy] = field(default_factory=dict)


def read(raw: object, environments: Sequence[str], problems: Problems) -> PromotionSettings:
    """Read the section. `environments` are those of the ladder, lowest first.

    Unless its policy says otherwise, the first one shifts all traffic at once and is not watched afterwards.
    """
    values = {**DEFAULTS, **problems.mapping("promotion", raw, tuple(DEFAULTS))}
    shift = _shift("promotion.deployment", values["deployment"], problems)
    bake = problems.number("promotion.bake_minutes", values["bake_minutes"], 0, 720)
    usual = RungPolicy(shift, bake)
    given = problems.mapping("promotion.rungs", values["rungs"], tuple(environments))
    policies = {
        name: _policy(f"promotion.rungs.{name}", given.get(name, {}), usual if index else RungPolicy(), problems)
        for index, name in enumerate(environments)
    }
    return PromotionSettings(
        approval_hours=problems.number("promotion.approval_hours", values["approval_hours"], 1, 144),
        probe_requests=problems.number("promotion.probe_requests", values["probe_requests"], 1, 100),
        scan_threshold=problems.choice("promotion.scan_threshold", values["scan_threshold"], SEVERITIES),
        policies=policies,
    )


def _policy(key: str, raw: object, usual: RungPolicy, problems: Problems) -> RungPolicy:
    """Read what differs on one environment."""
    given = problems.mapping(key, raw, ("deployment", "bake_minutes", "approval"))
    approval = given.get("approval", False)
    if not isinstance(approval, bool):
        problems.add(f"{key}.approval", approval, "true or false")
    shift = _shift(f"{key}.deployment", given["deployment"], problems) if "deployment" in given else usual.shift
    bake = problems.number(f"{key}.bake_minutes", given.get("bake_minutes", usual.bake_minutes), 0, 720)
    return RungPolicy(shift=shift, bake_minutes=bake, approval=bool(approval))


def _shift(key: str, value: object, problems: Problems) -> Shift:
    try:
        return Shift.parse(str(value))
    except ValueError:
        problems.add(key, value, SHAPES)
        return Shift()
