"""`inv status`: the ladder at a glance. `stepladder/commands/status.py` has the table."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    prints="stepladder.commands.outputs.releases:Status",
    default=True,
    reads_only=True,
    help={
        "env": "Environment to show; default: every rung, and every preview.",
        "function": "Name of the function to show, `main` for the own one; default: all.",
        "all": "Print a row for every function, also for those that are as they should be.",
        "check": "Check that what serves is what the ledger says; exit code 2 means that it isn't.",
        "json": "Print one JSON document.",
    },
    auto_shortflags=False,
)
def show(
    c: Any,
    env: str = "",
    function: str = "",
    all: bool = False,  # noqa: A002 - the flag's name
    check: bool = False,
    json: bool = False,
) -> None:
    """Show what each rung and preview serves: version, digest, commit, age, weight, health, deployments in flight."""
    import time

    from stepladder.commands import environments, release_check, status_many
    from stepladder.releases.rung import opened
    from stepladder.settings.load import from_context

    ladder = [env] if env else from_context(c).ladder_environments
    verb = "inv status --check" if check else "inv status"
    rungs = [opened(c, name, verb, as_json=json) for name in ladder]
    if check:
        release_check.check(status_many.of_functions(rungs, function))
    else:
        shown = rungs if env else environments.with_previews(rungs)
        status_many.show(shown, function, clock=time.time, every=all)
