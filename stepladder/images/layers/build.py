"""The layers builder: an image out of a base, one layer of dependencies and one of code, with no engine.

Same inputs, same bytes: tar and gzip are written by `archive`, times are fixed, and nothing of the machine enters.
"""

from __future__ import annotations

import contextlib
import copy
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from stepladder.core.errors import BadInputError
from stepladder.core.image_facts import (
    ARCHITECTURE,
    LABEL_BASE,
    LABEL_BUILDER,
    LABEL_KEY,
    LABEL_REVISION,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
)
from stepladder.images import shared
from stepladder.images.base import files
from stepladder.images.base.registry import Base
from stepladder.images.context import shown
from stepladder.images.context.files import Entry, collect
from stepladder.images.dockerfile import handlers, read
from stepladder.images.dockerfile.read import Recipe
from stepladder.images.dockerfile.sources import BuildContext
from stepladder.images.dockerfile.stage import Ground
from stepladder.images.dockerfile.tree import Install
from stepladder.images.key import base_reference, content_hashes
from stepladder.images.layers import code, collisions
from stepladder.images.model import Blob, LocalImage, canonical, digest_of, distributions
from stepladder.images.requirements import dependencies
from stepladder.images.requirements.dependencies import Dependencies, LayerRequest
from stepladder.settings.load import Settings

NAME = "layers"
_CREATED = "1980-01-01T00:00:00Z"  # archive.MTIME in words
_KEEP_LAYERS, _KEEP_SCRATCH = 30 * 86_400.0, 86_400.0  # seconds
_KEPT = ("architecture", "os", "os.version", "os.features", "variant")


def build(settings: Settings, base: Base, *, key: str, commit: str) -> LocalImage:
    """Build the image; `key` is its input key and `commit` the git commit, empty without git.

    Raises `BadInputError` for a Dockerfile, requirements or context that can't be built this way.
    """
    context = settings.root / settings.image.context
    cache = settings.build_dir / "cache"
    recipe = _recipe(settings, base, context, cache)
    made = _install(recipe, base, context, cache)
    installed = [dependency for _, dependency in made]
    configured = shared.configured(settings)
    handlers.check(recipe, installed, base.target.python, context, configured)
    inside = handlers.InRecipe(recipe, installed, base.target.python)
    for handler in dict.fromkeys((recipe.handler, *(each.name for each in configured))):
        handlers.check_imports(handler, inside, context)
    added = [(each, f"stepladder: {_source(install, context)}") for install, pip in made for each in pip.layers]
    parts = code.layers(_code(recipe), cache, content_hashes(settings))
    added += [(layer, f"stepladder: {context.name}/") for layer in parts]
    tidy(cache)
    labels = {
        **recipe.labels,
        LABEL_BASE: base.label,
        LABEL_BUILDER: NAME,
        LABEL_KEY: key,
        **({LABEL_REVISION: commit} if commit else {}),
    }
    config = canonical(_config(base, recipe, labels, [(layer.diff_id, why) for layer, why in added]))
    layers = (*base.layers, *(Blob(layer.digest, layer.size, OCI_LAYER, path=layer.path) for layer, _ in added))
    config_blob = Blob(digest_of(config), len(config), OCI_CONFIG, data=config)
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config_blob.descriptor(),
            "layers": [layer.descriptor() for layer in layers],
        }
    )
    architecture = ARCHITECTURE[base.config["architecture"]]
    paths = (*recipe.tree.placed, *(path for dependency in installed for path in dependency.paths))
    return LocalImage(manifest, config_blob, layers, base.label, architecture, NAME, distributions(paths))


def tidy(cache: Path) -> None:
    """Remove layers that nobody used for a month, and what killed runs left for a day."""
    now = time.time()
    for path in (*cache.glob(".*"), *(cache / "blobs").glob("*"), *(cache / "layers").glob("*")):
        keep = _KEEP_SCRATCH if path.name.startswith(".") else _KEEP_LAYERS
        with contextlib.suppress(FileNotFoundError):  # a build that ends beside this one takes its own away
            if now - path.stat().st_mtime >= keep:
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _recipe(settings: Settings, base: Base, context: Path, cache: Path) -> Recipe:
    reference = base_reference(settings)
    pinned = base.label if "@" in base.label else reference
    arguments = {"BASE_IMAGE": pinned, "PYTHON_VERSION": settings.python}
    entries = collect(context)
    ground = Ground(
        (reference, pinned),
        base.config.get("config") or {},
        files.of(base, cache),
        BuildContext(entries),
        base.target.python,
        context,
        cache,
    )
    path = context / "Dockerfile"
    final = read.outline(path, arguments).base
    if final not in ground.references:
        raise BadInputError(
            f"{shown.name(context)}/Dockerfile builds from {final}, the settings say {reference}",
            kind="bad-dockerfile",
            hint="write ARG BASE_IMAGE and FROM ${BASE_IMAGE} so that `stepladder.image.base` decides",
        )
    recipe = read.read(path, arguments, ground)
    wanted = f"linux/{base.config['architecture']}"
    if recipe.platform and recipe.platform not in {wanted, f"{wanted}/v8"}:
        raise BadInputError(
            f"{shown.name(context)}/Dockerfile builds for {recipe.platform}, the image is for {wanted}",
            kind="bad-dockerfile",
            hint="leave `--platform` out of FROM: `stepladder.architecture` decides",
        )
    return recipe


def _install(recipe: Recipe, base: Base, context: Path, cache: Path) -> list[tuple[Install, Dependencies]]:
    """Install what pip is asked to, and refuse what would meet files that are there already."""
    made: list[tuple[Install, Dependencies]] = []
    for install in recipe.tree.installs:
        request = LayerRequest(
            install.locked,
            install.prefix,
            install.requirements[0].source.parent,
            _source(install, context),
            install.wheels,
            install.no_deps,
            install.site,
        )
        built = dependencies.build(request, base.target, cache)
        if built:
            collisions.check(recipe.tree, install, built.paths, [(i, d.paths) for i, d in made], shown.name(context))
            made.append((install, built))
    return made


def _source(install: Install, context: Path) -> str:
    source = install.requirements[0].source
    inside = source.relative_to(context).as_posix() if source.is_relative_to(context) else source.name
    return f"{context.name}/{inside}"


def _code(recipe: Recipe) -> list[Entry]:
    """Return what the Dockerfile places, and the base's own folders above it as the base has them."""
    tree = recipe.tree
    entries = {path: replace(placed.entry, path=path) for path, placed in tree.placed.items()}
    folders = {path.rpartition("/")[0] for path in entries}
    for name in {parent.as_posix() for folder in folders for parent in (Path(folder), *Path(folder).parents)}:
        existing = None if name == "." or name in entries else tree.base.lstat(name)
        if existing and (existing.mode, existing.owner) != (0o755, (0, 0)):
            entries[name] = Entry(name, Path(), folder=True, mode=existing.mode, owner=existing.owner)
    return list(entries.values())


def _config(base: Base, recipe: Recipe, labels: dict[str, str], added: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the image's config: the base's, with our layers, command, environment and labels."""
    config = {name: base.config[name] for name in _KEPT if name in base.config}
    running = copy.deepcopy(base.config.get("config") or {})
    running.update(recipe.changes)
    running["Env"] = [f"{name}={value}" for name, value in recipe.environment.items()]
    running["Cmd"] = [recipe.handler]
    running["WorkingDir"] = recipe.workdir
    running["Labels"] = {**(running.get("Labels") or {}), **labels}
    history = [{**entry, "created": entry.get("created", _CREATED)} for entry in base.config.get("history") or []]
    return {
        **config,
        **({"author": recipe.author} if recipe.author else {}),
        "created": _CREATED,
        "config": running,
        "rootfs": {
            "type": "layers",
            "diff_ids": [*(base.config["rootfs"].get("diff_ids") or ()), *(diff_id for diff_id, _ in added)],
        },
        "history": [*history, *({"created": _CREATED, "created_by": why} for _, why in added)],
    }
