"""All alarms of one account and region."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from localcloud.services.cloudwatch.model import Alarm
from stepladder.core.names import partition_of


@dataclass
class AlarmRegion:
    """The alarms by name, their tags by ARN, and their history, oldest first."""

    account: str
    region: str
    alarms: dict[str, Alarm] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def arn(self, name: str) -> str:
        """Return an alarm's ARN."""
        return f"arn:{partition_of(self.region)}:cloudwatch:{self.region}:{self.account}:alarm:{name}"
