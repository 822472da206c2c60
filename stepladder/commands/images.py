"""`inv image` and `inv image.push`: the image of a project, or of each of its functions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from stepladder import images
from stepladder.core.aws import Aws
from stepladder.core.console import Console
from stepladder.core.display import megabytes
from stepladder.images import many, pipeline
from stepladder.settings import functions
from stepladder.settings.load import Settings


def build(settings: Settings, console: Console, function: str = "", *, pull: bool = False) -> None:
    """Build the images without pushing them, one after the other, and print the digest of each."""
    views = functions.views(settings, function)
    groups = many.distinct(views)
    built: list[tuple[list[str], str, dict[str, Any]]] = []
    for names, view in groups:
        with console.step("image") as step:
            image = pipeline.build_only(view, step, say=console.warn, pull=pull)
            whose = f"{named(names)}: " if len(views) > 1 else ""
            step.done(f"{whose}{megabytes(image.size)} on {image.base.split('@')[0]}")
        summary = image.summary()
        built.append((names, str(summary["digest"] or summary["id"]), summary))
    _print(console, built, several=len(views) > 1)


def push(
    settings: Settings,
    console: Console,
    aws: Aws,
    environment: str,
    function: str = "",
    *,
    pull: bool = False,
    allow_dirty: bool = False,
) -> None:
    """Build and push what the registry of an environment lacks, and print each reference."""
    views = functions.views(settings, function)
    with console.step("image") as step:
        pushed = images.prepare_all(views, aws, step, environment, say=console.warn, pull=pull, allow_dirty=allow_dirty)
    by_reference: dict[str, list[str]] = {}
    for name, image in pushed.items():
        by_reference.setdefault(image.reference, []).append(name)
    rows = [(names, reference, asdict(pushed[names[0]])) for reference, names in by_reference.items()]
    _print(console, rows, several=len(views) > 1)


def named(names: list[str]) -> str:
    """Return the functions of an image as a person reads them."""
    return ", ".join(name or functions.MAIN for name in names)


def _print(console: Console, rows: list[tuple[list[str], str, dict[str, Any]]], *, several: bool) -> None:
    """Print a line of data for each image, or all as JSON; the image of one function alone."""
    if not several:
        _, line, document = rows[0]
        console.json(document) if console.as_json else console.data(line)
        return
    if console.as_json:
        console.json([{"functions": names, **each} for names, _, each in rows])
        return
    for names, line, _ in rows:
        console.data(f"{line} {named(names)}")
