"""`inv rollback`: return an environment to a release that was good."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    help={
        "env": "environment to roll back",
        "to": "release to return to; the last good one before the current by default",
        "why": "reason, kept in the ledger and with the bad image",
        "keep_image": "don't mark the image that is left, and don't ask",
        "bad": "mark the image that is left as bad, and don't ask",
        "dry_run": "print what would be done and change nothing",
        "json": "print one JSON record",
    },
    auto_shortflags=False,
)
def rollback(
    c: Any,
    env: str,
    to: str = "",
    why: str = "",
    keep_image: bool = False,
    bad: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Return to the last good version, verified; ask on a terminal whether the image that is left is bad."""
    from stepladder.commands.rollback import Rollback, is_bad
    from stepladder.releases.rung import opened

    judged = is_bad(keep_image=keep_image, bad=bad)
    rung = opened(c, env, "inv rollback", as_json=json, dry_run=dry_run, acting=True)
    report = Rollback(rung, to=to, why=why, dry_run=dry_run, bad=judged).run()
    if json:
        rung.console.json(report.record())
