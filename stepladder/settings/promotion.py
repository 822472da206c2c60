"""The `promotion:` part of the settings: how each rung shifts traffic, who approves, what counts as healthy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stepladder.core.image_facts import REFERRERS, SEVERITIES
from stepladder.core.records import dataclass
from stepladder.settings.canary import ASK, CanarySettings
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Choice, Flag, Section, Texts, Whole
from stepladder.settings.shift import WIDTHS, OneShift, Shift
from stepladder.settings.table import OwnRule, keys_of, read_section, setting

if TYPE_CHECKING:
    from stepladder.core.freeze_facts import FreezeWindow

_BAKE = Whole(0, 720)
_LONGEST_MINUTES = 5760
_DEPLOYMENT = ("", ".widths", ".minutes")
_BAKE_REQUESTS = Whole(1, 1000000, zero=True)
_ALARMS = Texts(
    r"[^\s:*][^:*\r\n]{0,254}|arn:aws[a-z-]*:cloudwatch:[a-z]{2}(?:-[a-z]+)+-\d:\d{12}:alarm:[^:*\r\n]{1,255}",
    "names or ARNs of CloudWatch alarms",
    "alarm",
)


class Freezes(OwnRule):
    """Windows of time without releases; `freezes.read` reads them. Most projects have none."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> tuple[FreezeWindow, ...]:
        """See `table.Rule`."""
        if value in ([], ()):
            return ()
        from stepladder.settings import freezes

        return freezes.read(key, value, problems)


@dataclass(frozen=True)
class RungPolicy:
    """How a promotion releases one environment."""

    shift: Shift = setting(Shift(), OneShift(), "how traffic shifts there", key="deployment")
    bake_minutes: int = setting(0, _BAKE, "how long it is watched after all traffic has shifted")
    approval: bool = setting(default=False, rule=Flag(), purpose="whether its rung waits for `inv promote.approve`")
    release_command: bool = setting(default=True, rule=Flag(), purpose="whether the release command runs there")
    bake_requests: int = setting(
        0, _BAKE_REQUESTS, "requests after which it is watched no longer; `bake_minutes` is then the limit"
    )
    canary: CanarySettings = setting(factory=CanarySettings, rule=Section(CanarySettings), purpose="how it compares")
    freeze: tuple[FreezeWindow, ...] = setting((), Freezes(), "windows of time without releases there")
    alarms: tuple[str, ...] = setting((), _ALARMS, "CloudWatch alarms that keep a release out of it, or undo it")

    @property
    def shifts_itself(self) -> bool:
        """Whether the state machine moves traffic, and not CodeDeploy."""
        return self.shift.kind == WIDTHS or self.canary.compare or self.bake_requests > 0

    @property
    def longest_minutes(self) -> int:
        """How long traffic may shift and the version bake, when each width stays as long as it may."""
        limit = self.canary.limit_minutes if self.canary.compare else 0
        return sum(max(minutes, limit) for _, minutes in self.shift.steps[:-1]) + self.bake_minutes

    @property
    def most_questions(self) -> int:
        """How often people may be asked: on each width that is compared, and in a bake that counts requests."""
        if self.canary.inconclusive != ASK:
            return 0
        return (len(self.shift.steps) - 1 if self.canary.compare else 0) + (self.bake_requests > 0)

    @property
    def reads_metrics(self) -> bool:
        """Whether the metrics of each version decide."""
        return self.canary.compare or self.bake_requests > 0


class Policies(OwnRule):
    """What differs on some environments of the ladder: a mapping of their names to policies."""

    def read(self, key: str, value: Any, before: Mapping[str, RungPolicy], problems: Problems) -> dict[str, RungPolicy]:
        """See `table.Rule`."""
        given = {} if value is None else problems.mapping(key, value, tuple(before))
        return {
            name: _check(
                f"{key}.{name}", read_section(f"{key}.{name}", given.get(name, {}), policy, problems), problems
            )
            for name, policy in before.items()
        }


def _check(key: str, policy: RungPolicy, problems: Problems) -> RungPolicy:
    """Note what holds between several settings of a policy and doesn't."""
    if any(problems.has(f"{where}.deployment{part}") for where in (key, "promotion") for part in _DEPLOYMENT):
        return policy  # what hangs on how traffic shifts needs no message then
    if policy.canary.compare and policy.shift.kind == "all-at-once":
        problems.messages.append(
            f"stepladder.{key}.canary.compare is True while {key}.deployment is AllAtOnce; allowed: false, or a "
            "canary, linear or widths, since versions are compared while both have traffic"
        )
    if policy.bake_requests and not policy.bake_minutes:
        problems.messages.append(
            f"stepladder.{key}.bake_requests is {policy.bake_requests} while {key}.bake_minutes is 0; "
            "allowed: 0, or bake_minutes of 1 to 720, which limits how long they are waited for"
        )
    if policy.shifts_itself and policy.longest_minutes > _LONGEST_MINUTES:
        problems.messages.append(
            f"stepladder.{key} may shift and bake for {policy.longest_minutes} minutes, as each of "
            f"{len(policy.shift.steps) - 1} widths may stay for canary.limit_minutes; allowed: {_LONGEST_MINUTES}, "
            "four days, since a promotion takes at most seven"
        )
    return policy


def usual(section: PromotionSettings) -> dict[str, RungPolicy]:
    """Return the policies of a ladder's environments, lowest first.

    Unless its policy says otherwise, the first one shifts all traffic at once and is not watched afterwards. It
    compares nothing then, and takes releases at any time. A ladder of one environment has nothing lower: its freezes
    and alarms hold.
    """
    gated = RungPolicy(canary=section.canary, freeze=section.freeze, alarms=section.alarms)
    higher = replace(
        gated, shift=section.deployment, bake_minutes=section.bake_minutes, bake_requests=section.bake_requests
    )
    single = gated if len(section.ladder) == 1 else RungPolicy()
    lowest = replace(single, canary=replace(section.canary, compare=False))
    return {name: higher if index else lowest for index, name in enumerate(section.ladder)}


@dataclass(frozen=True)
class PromotionSettings:
    """Everything under `promotion:`. `policies` has every environment of the ladder."""

    deployment: Shift = setting(
        Shift.parse("Canary10Percent5Minutes"), OneShift(), "how traffic shifts on every rung but the lowest"
    )
    bake_minutes: int = setting(0, _BAKE, "how long a rung is watched after all traffic has shifted")
    bake_requests: int = setting(
        0, _BAKE_REQUESTS, "requests after which a rung is watched no longer; `bake_minutes` is then the limit"
    )
    canary: CanarySettings = setting(factory=CanarySettings, rule=Section(CanarySettings))
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
    require: tuple[str, ...] = setting(
        (),
        Texts(f"(?:{'|'.join(REFERRERS)})", f"some of {', '.join(REFERRERS)}", "attached"),
        "what an image must have in the registry to be promoted: `sbom`, `provenance`, `signature`",
    )
    checks: bool = setting(
        default=False,
        rule=Flag(),
        purpose="whether the pipeline runs [checks](smoke-cases.md#a-check-of-your-own) of smoke cases",
    )
    freeze: tuple[FreezeWindow, ...] = setting(
        (), Freezes(), "windows of time in which every rung but the lowest gets no release"
    )
    alarms: tuple[str, ...] = setting(
        (), _ALARMS, "CloudWatch alarms that keep a release out of every rung but the lowest, or undo it"
    )
    ladder: tuple[str, ...] = ()
    """The environments of all rungs, lowest first: no setting of its own."""
    policies: Mapping[str, RungPolicy] = setting(
        factory=dict,
        rule=Policies(),
        purpose=f"what differs on one rung: {', '.join(f'`{key}`' for key in keys_of(RungPolicy))}",
        key="rungs",
        before=usual,
        required=True,
    )
