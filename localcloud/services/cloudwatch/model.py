"""What an alarm is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

OK, ALARM, NO_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"


@dataclass
class Alarm:
    """One metric alarm: what PutMetricAlarm was given, and its state."""

    account: str
    region: str
    arn: str
    given: dict[str, Any]
    configured: datetime
    state: str = NO_DATA
    reason: str = "Unchecked: Initial alarm creation"
    changed: datetime = field(default_factory=lambda: datetime.now(UTC))
    forced_until: float = 0.0

    @property
    def name(self) -> str:
        """The alarm's name."""
        return str(self.given["AlarmName"])

    @property
    def period(self) -> int:
        """Seconds of a period. Metric math has the shortest period of its metrics."""
        queries = self.given.get("Metrics") or []
        periods = [q["MetricStat"]["Period"] for q in queries if "MetricStat" in q]
        periods += [q["Period"] for q in queries if "Period" in q]
        return int(self.given.get("Period") or min(periods, default=60))

    def describe(self) -> dict[str, Any]:
        """Return the alarm as DescribeAlarms does."""
        defaults = {
            "ActionsEnabled": True,
            "OKActions": [],
            "AlarmActions": [],
            "InsufficientDataActions": [],
            "Dimensions": [],
        }
        return {
            **defaults,
            **{k: v for k, v in self.given.items() if k != "Tags"},
            "AlarmArn": self.arn,
            "AlarmConfigurationUpdatedTimestamp": self.configured,
            "StateValue": self.state,
            "StateReason": self.reason,
            "StateUpdatedTimestamp": self.changed,
            "StateTransitionedTimestamp": self.changed,
        }
