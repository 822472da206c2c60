"""`inv ledger`: what was released on an environment."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task

ENV = "Environment of the releases."
FUNCTION = "Name of the function, in a project with several."
FUNCTIONS = "Name of the function of the releases, `main` for the own one; default: all."


@task(
    prints="stepladder.commands.outputs.releases:Ledger",
    default=True,
    reads_only=True,
    help={
        "env": ENV,
        "function": FUNCTIONS,
        "limit": "Number of releases, newest first.",
        "release": "Release to show in full.",
        "json": "Print one JSON document.",
    },
    auto_shortflags=False,
)
def show(c: Any, env: str, function: str = "", limit: int = 20, release: str = "", json: bool = False) -> None:
    """Show the releases of an environment: when, by whom, what, how each ended and why; `*` marks the live one."""
    from stepladder.commands import ledger_many
    from stepladder.releases.rung import opened

    ledger_many.show(opened(c, env, "inv ledger", as_json=json), function, limit, release)


@task(
    prints="stepladder.commands.outputs.releases:Releases",
    help={"env": ENV, "function": FUNCTIONS, "json": "Print one JSON document."},
    auto_shortflags=False,
)
def rebuild(c: Any, env: str, function: str = "", json: bool = False) -> None:
    """Rebuild the releases that the ledger lost from the descriptions of the published versions."""
    from stepladder.commands import ledger_many
    from stepladder.releases.rung import opened

    ledger_many.rebuild(opened(c, env, "inv ledger.rebuild", as_json=json, acting=True), function)


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
