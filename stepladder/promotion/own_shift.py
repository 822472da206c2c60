"""The part of an execution's input that has the state machine move a target's traffic itself, and compare versions."""

from __future__ import annotations

import math

from stepladder.promotion.contract import CanaryInput, ShiftInput
from stepladder.settings.canary import ASK
from stepladder.settings.promotion import PromotionSettings, RungPolicy

_MOST_POLLS = 400  # each is nine events of a history of 25,000, which two targets share
_SHORTEST_PAUSE = 15  # seconds between two polls
_SLACK_SECONDS = 1800  # calls that are slow, or made again


def longest_seconds(policy: RungPolicy, settings: PromotionSettings) -> int:
    """Return how long traffic shifts and a version bakes at most, waits without a judgement included."""
    if not policy.shifts_itself:
        return policy.shift.seconds * 2 + policy.bake_minutes * 60
    asks = settings.approval_hours * 3600 if policy.reads_metrics and policy.canary.inconclusive == ASK else 0
    return policy.longest_minutes * 60 + asks + _SLACK_SECONDS


def pause_seconds(policy: RungPolicy, settings: PromotionSettings, concurrency: float) -> int:
    """Return the seconds between two polls of a shift by the state machine."""
    return max(_SHORTEST_PAUSE, math.ceil(longest_seconds(policy, settings) / _MOST_POLLS * concurrency))


def shift_input(policy: RungPolicy, settings: PromotionSettings, poll_seconds: int) -> ShiftInput:
    """Return what the state machine needs to move the traffic of one target."""
    canary, steps = policy.canary, policy.shift.steps
    shift: ShiftInput = {
        "widths": [percent for percent, _ in steps],
        "seconds": [minutes * 60 for _, minutes in steps],
        "limit_seconds": canary.limit_minutes * 60,
        "bake_seconds": policy.bake_minutes * 60,
        "bake_requests": policy.bake_requests,
        "inconclusive": "ask" if canary.inconclusive == ASK else "restore",
        "ask_seconds": settings.approval_hours * 3600,
        "max_polls": math.ceil(longest_seconds(policy, settings) * 1.2 / poll_seconds),
    }
    if canary.compare:
        compared: CanaryInput = {
            "error_rate": canary.error_rate,
            "p99": canary.p99,
            "minimum_requests": canary.minimum_requests,
        }
        shift["canary"] = compared
    return shift
