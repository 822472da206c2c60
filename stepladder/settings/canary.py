"""The `promotion.canary` part of the settings: how a new version is compared with the old one while traffic shifts."""

from __future__ import annotations

from typing import Any

from stepladder.core.records import dataclass
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Choice, Flag, Percent, Whole
from stepladder.settings.table import OwnRule, setting

ASK, RESTORE = "ask", "restore"


class Factor(OwnRule):
    """How many times as slow the new version may be."""

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> float:
        """See `table.Rule`."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= 100:  # noqa: PLR2004
            problems.add(key, value, "a number from 1 to 100: how many times the old p99 is tolerated")
            value = before
        return float(value)


@dataclass(frozen=True)
class CanarySettings:
    """How versions are compared, on a rung that does so."""

    compare: bool = setting(
        default=False, rule=Flag(), purpose="whether a rung compares the new version with the old one as traffic shifts"
    )
    error_rate: float = setting(0.5, Percent(), "percentage points by which the error rate may be higher")
    p99: float = setting(1.5, Factor(), "how many times the old p99 the new version may take")
    minimum_requests: int = setting(
        100, Whole(20, 100000), "requests that each version must have answered in the same minutes"
    )
    limit_minutes: int = setting(60, Whole(1, 2880), "how long a width stays without a judgement")
    inconclusive: str = setting(
        RESTORE, Choice((RESTORE, ASK)), "what ends a canary that stays without a judgement: `restore` it, or `ask`"
    )
