"""`inv rollback`: return an environment to a release that was good."""

from __future__ import annotations

from typing import Any

from stepladder.collections.edge import task


@task(
    help={
        "env": "environment to roll back",
        "to": "release to return to; the last good one before the current by default",
        "why": "reason, kept in the ledger and with the bad image",
        "dry_run": "print what would be done and change nothing",
        "json": "print one JSON record",
    },
    auto_shortflags=False,
)
def rollback(c: Any, env: str, to: str = "", why: str = "", dry_run: bool = False, json: bool = False) -> None:
    """Point the alias at the last good version, verified, and mark the bad image."""
    from stepladder.releases.rollback import Rollback
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv rollback", as_json=json, dry_run=dry_run, acting=True)
    report = Rollback(rung, to=to, why=why, dry_run=dry_run).run()
    if json:
        rung.console.json(report.record())
