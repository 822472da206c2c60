"""Tasks of images: build one, push it."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task

_HELP = {
    "env": "Environment of the registry; default: the lowest rung.",
    "function": "Name of the function whose image it is, `main` for the own one; default: all.",
    "json": "Print the result as JSON.",
    "pull": "Resolve the base image again instead of using the cached one.",
    "allow-dirty": "Allow a CI job to push an image of uncommitted files.",
}


@task(
    prints="stepladder.commands.outputs.infrastructure:Image",
    default=True,
    help={name: _HELP[name] for name in ("function", "json", "pull")},
)
def build(context: Any, function: str = "", json: bool = False, pull: bool = False) -> None:
    """Build the image without pushing it, and print its digest (or its id, when an engine built it)."""
    from stepladder.commands import images
    from stepladder.core.console import Console
    from stepladder.settings import load

    images.build(load.from_context(context), Console(as_json=json), function, pull=pull)


@task(prints="stepladder.commands.outputs.infrastructure:PushedImage", help=_HELP)
def push(
    context: Any, env: str = "", function: str = "", json: bool = False, pull: bool = False, allow_dirty: bool = False
) -> None:
    """Build and push the image unless the registry has it already, and print its reference."""
    from stepladder.commands import images
    from stepladder.core.console import Console
    from stepladder.releases.rung import clients
    from stepladder.settings import load, placeholder

    console, loaded = Console(as_json=json), load.from_context(context)
    env = env or loaded.lowest
    placeholder.refuse(loaded, [env])
    images.push(loaded, console, clients(loaded, env), env, function, pull=pull, allow_dirty=allow_dirty)


@task(
    prints="stepladder.commands.outputs.releases:PrunedImages",
    help={
        "env": "Environment of the repository; all environments that share it are read.",
        "keep": "Number of releases and versions of each environment to keep images of; default: image.keep.",
        "min_age_hours": "Hours to keep every pushed image, released or not.",
        "yes": "Delete the images without a question.",
        "dry_run": "Print what would be deleted; delete nothing.",
        "json": "Print one JSON record.",
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
    """Delete images no environment serves, recently released, or could roll back to."""
    from stepladder.images.prune import Prune, PruneOptions
    from stepladder.promotion import needed_images
    from stepladder.releases import retention
    from stepladder.releases.rung import opened

    rung = opened(c, env, "inv image.prune", as_json=json, dry_run=dry_run, acting=True)
    kept = rung.settings.image.kept_releases(keep)
    request = PruneOptions(min_age_hours=min_age_hours, yes=yes, dry_run=dry_run, keep=keep)
    own = retention.kept_by_function(rung.settings, keep)
    record = Prune(rung.aws, rung.names, rung.console, lambda: needed_images.needed(rung, kept, own), request).run()
    if json:
        rung.console.json(record | {"keep": kept})


@task(
    prints="stepladder.commands.image_verify:ImageVerification",
    reads_only=True,
    help={
        "env": "Environment whose image and registry to read; default: the lowest rung.",
        "function": "Name of the function whose image it is, `main` for the own one.",
        "digest": "Digest of another image than the one that the environment serves.",
        "json": "Print one JSON record.",
    },
)
def verify(context: Any, env: str = "", function: str = "", digest: str = "", json: bool = False) -> None:
    """Check the SBOM, provenance and signature of an image in the registry; exit 1 when one is missing or wrong."""
    from dataclasses import asdict

    from stepladder.commands import image_verify
    from stepladder.releases.rung import opened
    from stepladder.settings.load import from_context

    env = env or from_context(context).lowest
    rung = opened(context, env, "inv image.verify", function=function, as_json=json)
    record = image_verify.verify(rung, digest)
    if json:
        rung.console.json(asdict(record))
