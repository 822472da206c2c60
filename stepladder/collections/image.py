"""Tasks of images: build one, push it."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task

_HELP = {
    "env": "environment whose registry is meant (default: the lowest rung)",
    "json": "print the result as JSON",
    "pull": "look the base image up anew instead of taking the cached one",
    "allow-dirty": "let CI push an image of uncommitted files",
}


@task(default=True, help={name: _HELP[name] for name in ("json", "pull")})
def build(context: Any, json: bool = False, pull: bool = False) -> None:
    """Build the image without pushing it, and print its digest (or its id, when an engine built it)."""
    from stepladder.core.console import Console
    from stepladder.core.display import megabytes
    from stepladder.images import pipeline
    from stepladder.settings import load

    console = Console(as_json=json)
    with console.step("image") as step:
        image = pipeline.build_only(load.from_context(context), step, say=console.warn, pull=pull)
        step.done(f"{megabytes(image.size)} on {image.base.split('@')[0]}")
    built = image.summary()
    _print(console, str(built["digest"] or built["id"]), built)


@task(help=_HELP)
def push(context: Any, env: str = "", json: bool = False, pull: bool = False, allow_dirty: bool = False) -> None:
    """Build and push unless the registry has the image already, and print its reference."""
    from dataclasses import asdict

    from stepladder import images
    from stepladder.core.console import Console
    from stepladder.releases.rung import clients
    from stepladder.settings import load, placeholder

    console, loaded = Console(as_json=json), load.from_context(context)
    env = env or loaded.lowest
    placeholder.refuse(loaded, [env])
    aws = clients(loaded, env)
    with console.step("image") as step:
        image = images.prepare(loaded, aws, step, env, say=console.warn, pull=pull, allow_dirty=allow_dirty)
    _print(console, image.reference, asdict(image))


@task(
    help={
        "env": "environment whose repository is meant; all environments that share it are looked at",
        "keep": "how many releases and versions of each environment keep their image (default: image.keep)",
        "min_age_hours": "hours for which a pushed image stays, released or not",
        "yes": "delete; without it nothing is deleted",
        "dry_run": "print what would be deleted and delete nothing",
        "json": "print one JSON record",
    },
    auto_shortflags=False,
)
def prune(
    c: Any,
    env: str,
    keep: int = 0,
    min_age_hours: int = 24,
    yes: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Delete the images that no environment serves, was released with lately, or could return to."""
    from stepladder.images.prune import Prune, PruneOptions
    from stepladder.releases import retention
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv image.prune", as_json=json, dry_run=dry_run, acting=True)
    kept = rung.settings.image.kept_releases(keep)
    request = PruneOptions(min_age_hours=min_age_hours, yes=yes, dry_run=dry_run)
    record = Prune(rung.aws, rung.names, rung.console, lambda: retention.images(rung, kept), request).run()
    if json:
        rung.console.json(record | {"keep": kept})


def _print(console: Any, line: str, document: dict[str, Any]) -> None:
    """Print one line of data, or the whole as JSON."""
    if console.as_json:
        console.json(document)
    else:
        console.data(line)
