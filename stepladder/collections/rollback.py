"""`inv rollback`: return an environment to a release that was good."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task


@task(
    prints="stepladder.commands.outputs.releases:Rollback",
    help={
        "env": "Environment to roll back.",
        "function": "Name of a function to return, `main` for the own one; may be given several times; default: those "
        "released last.",
        "to": "Release to return to; default: the last good one before the current.",
        "why": "Reason; the ledger and the bad mark keep it.",
        "keep_image": "Keep the replaced image unmarked without asking.",
        "bad": "Mark the replaced image bad without asking.",
        "dry_run": "Print what would be done; change nothing.",
        "json": "Print one JSON record.",
    },
    iterable=["function"],
    auto_shortflags=False,
)
def rollback(  # noqa: PLR0917 - each is a flag of the command line
    c: Any,
    env: str,
    to: str = "",
    why: str = "",
    keep_image: bool = False,
    bad: bool = False,
    dry_run: bool = False,
    json: bool = False,
    function: Any = None,
) -> None:
    """Return to the last good version and verify it; ask on a terminal whether the replaced image is bad."""
    from stepladder.commands.rollback import is_bad
    from stepladder.commands.rollback_many import RollbackOptions, run
    from stepladder.releases.rung import opened

    options = RollbackOptions(to, why, dry_run, is_bad(keep_image=keep_image, bad=bad))
    rung = opened(c, env, "inv rollback", as_json=json, dry_run=dry_run, acting=True)
    report = run(rung, function, options)
    if json:
        rung.console.json(report.record())
