"""The part of an execution's input that has the state machine move a target's traffic itself, and compare versions."""

from __future__ import annotations

import math

from stepladder.promotion.contract import CanaryInput, ShiftInput
from stepladder.settings.canary import ASK
from stepladder.settings.promotion import PromotionSettings, RungPolicy

_MOST_POLLS = 400  # each is nine events of a history of 25,000, which two targets share
_MOST_QUESTION_POLLS = 400  # while people are asked, all questions of a shift together
_SHORTEST_PAUSE = 15  # seconds between two polls
_SLACK_SECONDS = 1800  # calls that are slow, or made again


def longest_seconds(policy: RungPolicy, settings: PromotionSettings) -> int:
    """Return how long traffic shifts and a version bakes at most, waits for judgements and answers included."""
    if not policy.shifts_itself:
        return policy.shift.seconds * 2 + policy.bake_minutes * 60
    return _judged_seconds(policy) + _asking_seconds(policy, settings)


def _judged_seconds(policy: RungPolicy) -> int:
    return policy.longest_minutes * 60 + _SLACK_SECONDS


def _asking_seconds(policy: RungPolicy, settings: PromotionSettings) -> int:
    """Return how long answers are waited for at most, when every width and the bake ask."""
    return policy.most_questions * settings.approval_hours * 3600


def pause_seconds(policy: RungPolicy, concurrency: float) -> int:
    """Return the seconds between two polls of a shift by the state machine."""
    return max(_SHORTEST_PAUSE, math.ceil(_judged_seconds(policy) / _MOST_POLLS * concurrency))


def shift_input(
    policy: RungPolicy, settings: PromotionSettings, poll_seconds: int, concurrency: float = 1
) -> ShiftInput:
    """Return what the state machine needs to move the traffic of one target. While a person is asked polls are fewer.

    `poll_seconds` is the pause otherwise. `concurrency` is the factor by which targets that share a history slow it.
    """
    canary, steps = policy.canary, policy.shift.steps
    asking = _asking_seconds(policy, settings)
    asking_pause = max(poll_seconds, math.ceil(asking / _MOST_QUESTION_POLLS * concurrency))
    shift: ShiftInput = {
        "widths": [percent for percent, _ in steps],
        "seconds": [minutes * 60 for _, minutes in steps],
        "limit_seconds": canary.limit_minutes * 60,
        "bake_seconds": policy.bake_minutes * 60,
        "bake_requests": policy.bake_requests,
        "inconclusive": "ask" if canary.inconclusive == ASK else "restore",
        "ask_seconds": settings.approval_hours * 3600,
        "max_polls": math.ceil(_judged_seconds(policy) * 1.2 / poll_seconds) + math.ceil(asking * 1.2 / asking_pause),
    }
    if asking:
        shift["ask_poll_seconds"] = asking_pause
    if canary.compare:
        compared: CanaryInput = {
            "error_rate": canary.error_rate,
            "p99": canary.p99,
            "minimum_requests": canary.minimum_requests,
        }
        shift["canary"] = compared
    return shift
