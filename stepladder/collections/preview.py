"""`inv preview.*`: previews of pull and merge requests, which `inv deploy --env pr-<number>` makes."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task

ENV = "Name of the preview, such as pr-123; `pr` is that of the pull or merge request that the job runs for."
JSON = "Print one JSON document."


@task(
    default=True,
    reads_only=True,
    prints="stepladder.commands.outputs.previews:PreviewsRecord",
    help={"json": JSON},
    auto_shortflags=False,
)
def show(c: Any, json: bool = False) -> None:
    """Show the previews that exist: branch, since when, until when, URL."""
    from stepladder.commands import previews
    from stepladder.releases.rung import opened
    from stepladder.settings.load import from_context

    previews.show(opened(c, previews.base(from_context(c)), "inv preview", as_json=json))


@task(
    prints="stepladder.commands.outputs.previews:DestroyedPreview",
    help={"env": ENV, "json": JSON},
    auto_shortflags=False,
)
def destroy(c: Any, env: str, json: bool = False) -> None:
    """Destroy one preview, all that it made; run again, it goes on where it was cut off."""
    from stepladder.commands import previews
    from stepladder.releases.rung import opened

    previews.destroy(opened(c, env, "inv preview.destroy", as_json=json, acting=True))


@task(
    prints="stepladder.commands.outputs.previews:SweepRecord",
    help={
        "dry_run": "Print what would be destroyed; destroy nothing.",
        "most": "Number of previews to destroy at most.",
        "json": JSON,
    },
    auto_shortflags=False,
)
def sweep(c: Any, dry_run: bool = False, most: int = 20, json: bool = False) -> None:
    """Destroy the previews whose time is over, whose change is closed, or that are half destroyed."""
    from stepladder.commands import previews
    from stepladder.releases.rung import opened
    from stepladder.settings.load import from_context

    base = previews.base(from_context(c))
    rung = opened(c, base, "inv preview.sweep", as_json=json, dry_run=dry_run, acting=not dry_run)
    previews.sweep(rung, dry_run=dry_run, most=most)


@task(
    prints="stepladder.commands.outputs.previews:PreviewComments",
    help={
        "env": ENV.replace("; `pr`", "; default: all that there are files of; `pr`"),
        "json": JSON,
    },
    auto_shortflags=False,
)
def comment(c: Any, env: str = "", json: bool = False) -> None:
    """Show previews in the comments of their changes, from the files that deploy, destroy and sweep left."""
    from stepladder.commands import previews
    from stepladder.core.console import Console
    from stepladder.settings.load import from_context

    previews.comment(from_context(c), Console(as_json=json), env)
