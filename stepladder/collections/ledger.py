"""`inv ledger`: what was released on an environment."""

from __future__ import annotations

from typing import Any

from stepladder.collections.edge import task

ENV = "environment whose releases are meant"


@task(
    default=True,
    reads_only=True,
    help={"env": ENV, "limit": "how many releases, newest first", "json": "print one JSON document"},
    auto_shortflags=False,
)
def show(c: Any, env: str, limit: int = 20, json: bool = False) -> None:
    """Show the releases of an environment: when, by whom, what, how each ended and why; `*` marks the live one."""
    from stepladder.releases import history
    from stepladder.releases.rung import opened

    history.show(opened(c, env, "inv ledger", as_json=json), limit)


@task(help={"env": ENV, "json": "print one JSON document"}, auto_shortflags=False)
def rebuild(c: Any, env: str, json: bool = False) -> None:
    """Write the releases that the ledger lost, out of what the published versions say of themselves."""
    from stepladder.releases import history
    from stepladder.releases.rung import opened

    history.rebuild(opened(c, env, "inv ledger.rebuild", as_json=json, acting=True))
