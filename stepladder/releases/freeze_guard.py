"""Freezes as a command meets them: what it refuses, what it warns of, and what overrides them.

The pipeline's `validate` decides again, by the windows that Terraform gave it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stepladder.core import aws
from stepladder.core.clock import Clock
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.names import split_target
from stepladder.settings.load import Settings

if TYPE_CHECKING:
    from stepladder.core.freeze_facts import Freeze, FreezeWindow


def check_flags(*, during_freeze: bool, why: str, others: bool = False) -> None:
    """Refuse `--during-freeze` without a reason, and a reason without it. `others`: other flags may want one too."""
    if during_freeze and not why.strip():
        raise BadInputError(
            "--during-freeze needs a reason", kind="bad-arguments", hint='add `--why "..."`; the ledger keeps it'
        )
    if why and not during_freeze and not others:
        raise BadInputError(
            "--why belongs to --during-freeze", kind="bad-arguments", hint="add `--during-freeze`, or leave `--why` out"
        )


def past_ladder(*, during_freeze: bool, skip_ladder: bool, why: str) -> str:
    """Return the reason that is meant for `--skip-ladder`, of a command that has both flags."""
    check_flags(during_freeze=during_freeze, why=why, others=True)
    return "" if during_freeze and not skip_ladder else why


def windows(settings: Settings, target: str) -> tuple[FreezeWindow, ...]:
    """Return the windows in which a target gets no release."""
    policy = settings.promotion.policies.get(split_target(target)[0])
    return policy.freeze if policy else ()


def time_of(clock: Clock) -> float:
    """Return the time in which freezes are meant: a local cloud's own, else that of this machine."""
    from stepladder.core.cloud_clock import ClockReader

    reading = ClockReader(aws.endpoint(), every=0).read()
    return reading.now if reading else clock.now()


def freeze(settings: Settings, target: str, at: float) -> Freeze | None:
    """Return the freeze that keeps releases out of a target at a time."""
    from stepladder.core.freeze_facts import freeze_at
    from stepladder.settings.freezes import offset

    return freeze_at(windows(settings, target), at, offset)


def remark(settings: Settings, targets: tuple[str, ...], at: float, why: str) -> str:
    """Return what the ledger keeps of a release during the freezes of these targets; empty when none is frozen."""
    frozen = [(target, held) for target in targets if (held := freeze(settings, target, at))]
    named = ", ".join(f"{target} ({held.window.text})" for target, held in frozen)
    return f"during the freeze of {named}: {why.strip()}" if named else ""


def refused(target: str, held: Freeze, again: str) -> RefusedError:
    """Return the refusal of a frozen target. `again` is the command that overrides it."""
    from stepladder.settings.freezes import offset

    return RefusedError(
        f"{target} is frozen {held.sentence(offset)}",
        kind="frozen",
        hint=f'wait for its end, or release all the same: `{again} --during-freeze --why "..."`',
    )


def check_release(
    settings: Settings, environment: str, clock: Clock, again: str, *, during_freeze: bool, why: str
) -> str:
    """Refuse a release on an environment that is frozen; return what the ledger is to keep when it goes on.

    `again` is the command that was given.
    """
    if not windows(settings, environment):
        return ""
    at = time_of(clock)
    if during_freeze:
        return remark(settings, (environment,), at, why)
    if held := freeze(settings, environment, at):
        raise refused(environment, held, again)
    return ""
