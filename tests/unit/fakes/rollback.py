"""A rung that was released three times, and its rollback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes.deploy_harness import DeployHarness
from stepladder.commands.rollback import Rollback, RollbackReport


def released_three_times(folder: Path) -> DeployHarness:
    """Return a rung with versions 1, 2 and 3."""
    harness = DeployHarness(folder)
    for source in ("one", "two", "three"):
        harness.source = source
        harness.deploy()
    return harness


def roll_back(harness: DeployHarness, **options: Any) -> RollbackReport:
    harness.time.seconds += 1
    for client in harness.aws.clients.values():
        client.calls.clear()
    return Rollback(harness.rung(), **options).run()
