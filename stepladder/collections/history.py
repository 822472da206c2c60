"""`inv history`: what was released, promoted and rolled back. `inv ledger` is another name of it."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task

FUNCTIONS = "Name of the function of the releases, `main` for the own one; default: all."
HELP = {
    "env": "Environment of the releases; default: every environment, previews too.",
    "function": FUNCTIONS,
    "limit": "Number of releases, newest first.",
    "since": "Time from which on to show releases: how long ago, such as 2h or 7d, or when, in UTC.",
    "release": "Release to show in full.",
    "json": "Print one JSON document.",
}


@task(prints="stepladder.commands.history:History", reads_only=True, help=HELP, auto_shortflags=False)
def history(
    c: Any, env: str = "", function: str = "", limit: int = 20, since: str = "", release: str = "", json: bool = False
) -> None:
    """Show releases, promotions and rollbacks: when, by whom, what, how each ended and why; `*` marks live ones."""
    shown(c, "inv history", env, function, limit, since, release, json)


def shown(c: Any, verb: str, env: str, function: str, limit: int, since: str, release: str, json: bool) -> None:
    """Show what both tasks show."""
    from stepladder.commands import environments
    from stepladder.commands.history import HistoryOptions, show

    rungs = environments.opened(c, verb, env, as_json=json)
    show(rungs, HistoryOptions(function, limit, since, release))
