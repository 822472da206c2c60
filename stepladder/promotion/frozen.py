"""Refuse a promotion that would reach a rung while it is frozen, and warn of a freeze that may begin first."""

from __future__ import annotations

from collections.abc import Iterator

from stepladder.core.freeze_facts import begins, local_time
from stepladder.core.names import target_key
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.plan import PromotionPlan
from stepladder.promotion.subject import PromotionOptions
from stepladder.releases import freeze_guard
from stepladder.settings.freezes import offset
from stepladder.settings.functions import MAIN
from stepladder.settings.load import Settings

_SLACK = 3600.0
"""Seconds by which a promotion may reach a rung later than its shifts and bakes take."""


def check(machine: StateMachine, options: PromotionOptions, plan: PromotionPlan) -> None:
    """Raise `RefusedError` for a rung that is frozen when the promotion can be there first. A hotfix always goes.

    A rung that serves the image already gets nothing. Where an approval or slow shifts lie before a rung, a freeze may
    begin before it is reached: that is a warning, and `validate` refuses then.
    """
    settings = machine.settings
    freeze_guard.check_flags(during_freeze=options.during_freeze, why=options.why)
    if options.hotfix or options.during_freeze or not any(p.freeze for p in settings.promotion.policies.values()):
        return
    now = freeze_guard.time_of(machine.rung.clock)
    for environment, first, last in _arrivals(settings, plan, now):
        if held := freeze_guard.freeze(settings, environment, first):
            raise freeze_guard.refused(environment, held, _again(options))
        for window in freeze_guard.windows(settings, environment):
            start = begins(window, first, offset)
            if start is not None and start <= last:
                machine.console.warn(
                    f"{environment} freezes at {local_time(start, window.zone, offset)} ({window.description}); "
                    "a promotion that comes there later is refused"
                )


def _again(options: PromotionOptions) -> str:
    """Return the command that promotes the same again."""
    flags = [f"--function {name or MAIN}" for name in options.functions]
    named = [("digest", options.digest), ("release", options.release)]
    return " ".join(("inv promote", *(f"--{flag} {value}" for flag, value in named if value), *flags))


def remark(machine: StateMachine, options: PromotionOptions) -> str:
    """Return what the ledger keeps of a promotion that may go on during a freeze."""
    if not options.during_freeze:
        return ""
    settings = machine.settings
    now = freeze_guard.time_of(machine.rung.clock)
    named = freeze_guard.remark(settings, tuple(settings.promotion.policies), now, options.why)
    return named or f"allowed during a freeze: {options.why.strip()}"


def _arrivals(settings: Settings, plan: PromotionPlan, now: float) -> Iterator[tuple[str, float, float]]:
    """Yield each environment that gets a release, when the promotion can be there first, and when it may still come."""
    first = last = now
    for environments in settings.rungs:
        changed = [each for each in environments if not _serves(plan, each)]
        policies = [settings.promotion.policies[each] for each in changed]
        if any(policy.approval for policy in policies):
            last += settings.promotion.approval_hours * 3600
        yield from ((each, first, last + _SLACK) for each in changed)
        longest = max((policy.shift.seconds + policy.bake_minutes * 60 for policy in policies), default=0)
        first, last = first + longest, last + longest


def _serves(plan: PromotionPlan, environment: str) -> bool:
    return all(target_key(environment, name) in plan.serving for name in plan.subjects)
