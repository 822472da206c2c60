"""`inv status`: the ladder at a glance. `stepladder/commands/status.py` has the table."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    default=True,
    reads_only=True,
    help={"env": "Environment to show; default: every rung.", "json": "Print one JSON document."},
    auto_shortflags=False,
)
def show(c: Any, env: str = "", json: bool = False) -> None:
    """Show what each rung serves: version, digest, commit, age, weight, health, deployments in flight."""
    import time

    from stepladder.commands import status
    from stepladder.releases.rung import opened
    from stepladder.settings.load import from_context

    rungs = [env] if env else from_context(c).ladder_environments
    status.show([opened(c, rung, "inv status", as_json=json) for rung in rungs], clock=time.time)
