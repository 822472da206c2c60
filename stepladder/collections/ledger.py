"""`inv ledger`: what was released on an environment."""

from __future__ import annotations

from typing import Any

from stepladder.collections.history import FUNCTIONS, HELP, shown
from stepladder.collections.task import task

ENV = "Environment of the releases."
FUNCTION = "Name of the function, in a project with several."


@task(
    prints="stepladder.commands.history:History",
    default=True,
    reads_only=True,
    help=HELP,
    auto_shortflags=False,
)
def show(
    c: Any, env: str = "", function: str = "", limit: int = 20, since: str = "", release: str = "", json: bool = False
) -> None:
    """Show what was released, as `inv history` does."""
    shown(c, "inv ledger", env, function, limit, since, release, json)


@task(
    prints="stepladder.commands.outputs.releases:Releases",
    help={"env": ENV, "function": FUNCTIONS, "json": "Print one JSON document."},
    auto_shortflags=False,
)
def rebuild(c: Any, env: str, function: str = "", json: bool = False) -> None:
    """Rebuild the releases that the ledger lost from the descriptions of the published versions."""
    from stepladder.commands import ledger
    from stepladder.releases.rung import opened

    ledger.rebuild_all(opened(c, env, "inv ledger.rebuild", as_json=json, acting=True), function)


@task(
    prints="stepladder.releases.marks:UnmarkRecord",
    help={
        "digest": "Digest of the image, or the beginning of one that a ledger knows.",
        "release": "Release of the image, of any environment.",
        "why": "Reason; the ledger keeps it.",
        "json": "Print one JSON record.",
    },
    auto_shortflags=False,
)
def unmark(c: Any, digest: str = "", release: str = "", why: str = "", json: bool = False) -> None:
    """Remove an image's bad mark in every account and region, so that it can be deployed and promoted again."""
    from stepladder.releases import marks
    from stepladder.releases.rung import opened
    from stepladder.settings.load import from_context

    environment = marks.ledger_environments(from_context(c))[0]
    rung = opened(c, environment, "inv ledger.unmark", as_json=json, acting=True)
    record = marks.unmark(rung, marks.ImageQuery(digest, release), why)
    if json:
        rung.console.json(record)


@task(
    prints="stepladder.commands.outputs.releases:Commands",
    help={
        "env": ENV,
        "function": FUNCTION,
        "mark": "Mark the command whose answer was lost, or else the newest one: done or again.",
        "why": "Reason; the ledger keeps it.",
        "json": "Print one JSON document.",
    },
    auto_shortflags=False,
)
def command(c: Any, env: str, function: str = "", mark: str = "", why: str = "", json: bool = False) -> None:
    """Show the release commands that were sent; with --mark decide about one whose answer was lost."""
    from stepladder.commands import ledger_command
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv ledger.command", function=function, as_json=json, acting=bool(mark))
    ledger_command.decide(rung, mark, why) if mark else ledger_command.show(rung)
