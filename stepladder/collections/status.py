"""`inv status`: the ladder at a glance. `stepladder/commands/status.py` has the table."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    default=True,
    reads_only=True,
    help={
        "env": "Environment to show; default: every rung.",
        "check": "Check that what serves is what the ledger says; exit code 2 means that it isn't.",
        "json": "Print one JSON document.",
    },
    auto_shortflags=False,
)
def show(c: Any, env: str = "", check: bool = False, json: bool = False) -> None:
    """Show what each rung serves: version, digest, commit, age, weight, health, deployments in flight."""
    import time

    from stepladder.commands import release_check, status
    from stepladder.releases.rung import opened
    from stepladder.settings.load import from_context

    environments = [env] if env else from_context(c).ladder_environments
    verb = "inv status --check" if check else "inv status"
    rungs = [opened(c, name, verb, as_json=json) for name in environments]
    if check:
        release_check.check(rungs)
    else:
        status.show(rungs, clock=time.time)
