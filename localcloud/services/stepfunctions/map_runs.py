"""Map Runs: the set of child executions that a distributed Map started, as Step Functions keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.services.stepfunctions.model import MachineExecution

STATUSES = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
}


@dataclass
class MapRun:
    """One Map Run. `waiting` holds the numbers of the inputs whose child is still to be started, or redriven."""

    arn: str
    execution: str
    machine: str
    """The ARN of its children's machine: `<the parent's>/<label>`."""
    definition: dict[str, Any]
    inputs: list[str]
    items: list[int]
    max_concurrency: int
    tolerated_count: int
    tolerated_percentage: float
    started: datetime
    express: bool = False
    status: str = "RUNNING"
    stopped: datetime | None = None
    error: str = ""
    redrives: int = 0
    redriven: datetime | None = None
    waiting: list[int] = field(default_factory=list)
    children: dict[int, str] = field(default_factory=dict)
    event: int = 0
    """The event in the parent's history with which it began."""

    @property
    def redrivable(self) -> bool:
        """Say whether a redrive of the parent goes on with it. One whose result was too large is begun again."""
        return self.status in ("FAILED", "ABORTED") and self.error != "States.DataLimitExceeded"

    def counts(self, executions: Mapping[str, MachineExecution]) -> tuple[Counter[str], Counter[str]]:
        """Return how many items and how many children there are of each status."""
        items: Counter[str] = Counter()
        children: Counter[str] = Counter()
        waiting = set(self.waiting)
        for number, size in enumerate(self.items):
            arn = self.children.get(number, "")
            if number in waiting:
                status = "pendingRedrive" if arn else "pending"
            else:
                status = STATUSES[executions[arn].status] if arn in executions else "pending"
            items[status] += size
            children[status] += 1
        return items, children

    def summary(self) -> dict[str, Any]:
        """Return it as ListMapRuns does."""
        shown = {
            "executionArn": self.execution,
            "mapRunArn": self.arn,
            "stateMachineArn": self.machine,
            "startDate": self.started,
            "stopDate": self.stopped,
        }
        return {k: v for k, v in shown.items() if v is not None}

    def describe(self, executions: Mapping[str, MachineExecution]) -> dict[str, Any]:
        """Return it as DescribeMapRun does."""
        items, children = self.counts(executions)
        shown = {
            "mapRunArn": self.arn,
            "executionArn": self.execution,
            "status": self.status,
            "startDate": self.started,
            "stopDate": self.stopped,
            "maxConcurrency": self.max_concurrency,
            "toleratedFailurePercentage": float(self.tolerated_percentage),
            "toleratedFailureCount": self.tolerated_count,
            "itemCounts": self._shown(items),
            "executionCounts": self._shown(children),
            "redriveCount": self.redrives,
            "redriveDate": self.redriven,
        }
        return {k: v for k, v in shown.items() if v is not None}

    def _shown(self, counts: Counter[str]) -> dict[str, int]:
        names = ("pending", *STATUSES.values(), "pendingRedrive")
        done = self.status != "RUNNING"
        return {
            **{name: counts[name] for name in names},
            "total": sum(counts.values()),
            "resultsWritten": counts["succeeded"] if done else 0,
            "failuresNotRedrivable": 0,
        }
