"""`inv ledger`: what was released on an environment."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task

ENV = "environment whose releases are meant"


@task(
    default=True,
    reads_only=True,
    help={
        "env": ENV,
        "limit": "how many releases, newest first",
        "release": "release to show in full",
        "json": "print one JSON document",
    },
    auto_shortflags=False,
)
def show(c: Any, env: str, limit: int = 20, release: str = "", json: bool = False) -> None:
    """Show the releases of an environment: when, by whom, what, how each ended and why; `*` marks the live one."""
    from stepladder.commands import ledger
    from stepladder.releases.rung import opened

    ledger.show(opened(c, env, "inv ledger", as_json=json), limit, release)


@task(help={"env": ENV, "json": "print one JSON document"}, auto_shortflags=False)
def rebuild(c: Any, env: str, json: bool = False) -> None:
    """Write the releases that the ledger lost, out of what the published versions say of themselves."""
    from stepladder.commands import ledger
    from stepladder.releases.rung import opened

    ledger.rebuild(opened(c, env, "inv ledger.rebuild", as_json=json, acting=True))


@task(
    help={
        "digest": "image: its digest, or the beginning of one that a ledger knows",
        "release": "release whose image is meant, of any environment",
        "why": "reason, kept in the ledger",
        "json": "print one JSON record",
    },
    auto_shortflags=False,
)
def unmark(c: Any, digest: str = "", release: str = "", why: str = "", json: bool = False) -> None:
    """Take an image's bad mark away in every account and region, so that deploy and promote take it again."""
    from stepladder.releases import marks
    from stepladder.releases.rung import opened
    from stepladder.settings.load import from_context

    home = marks.places(from_context(c))[0]
    rung = opened(c, home, "inv ledger.unmark", as_json=json, acting=True)
    record = marks.unmark(rung, marks.ImageQuery(digest, release), why)
    if json:
        rung.console.json(record)
