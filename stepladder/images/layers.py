"""The layers builder: an image out of a base, one layer of dependencies and one of code, with no engine.

Same inputs, same bytes: tar and gzip are written by `archive`, times are fixed, and nothing of the machine enters.
"""

from __future__ import annotations

import copy
import posixpath
import shutil
import time
from pathlib import Path
from typing import Any

from stepladder.errors import BadInputError
from stepladder.images import dependencies, dockerfile
from stepladder.images.archive import write_layer
from stepladder.images.base import Base
from stepladder.images.context import Entry, collect
from stepladder.images.dependencies import Dependencies
from stepladder.images.dockerfile import TASK_ROOT, Recipe
from stepladder.images.key import base_reference
from stepladder.images.model import (
    ARCHITECTURE,
    LABEL_BASE,
    LABEL_BUILDER,
    LABEL_KEY,
    LABEL_REVISION,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    Blob,
    LocalImage,
    canonical,
    digest_of,
)
from stepladder.settings import Settings

NAME = "layers"
_CREATED = "1980-01-01T00:00:00Z"  # archive.MTIME in words
_KEEP_LAYERS, _KEEP_SCRATCH = 30 * 86_400.0, 86_400.0  # seconds
_KEPT = ("architecture", "os", "os.version", "os.features", "variant")


def build(settings: Settings, base: Base, *, key: str, commit: str) -> LocalImage:
    """Build the image; `key` is its input key and `commit` the git commit, empty without git.

    Raises `BadInputError` for a Dockerfile, requirements or context that can't be built this way.
    """
    context = settings.root / settings.image.context
    recipe = _recipe(settings, context)
    cache = settings.build_dir / "cache"
    locked = dependencies.build(context / "requirements.txt", base.target, cache, prefix=TASK_ROOT.strip("/"))
    code = _code(recipe, collect(context), context)
    _check_handler(recipe, code, locked)
    written = write_layer(code, "", cache / "blobs")
    tidy(cache)
    added = [(locked.layer, f"stepladder: {context.name}/requirements.txt")] if locked else []
    added.append((written, f"stepladder: {context.name}/"))
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
    return LocalImage(manifest, config_blob, layers, base.label, architecture, NAME)


def tidy(cache: Path) -> None:
    """Remove layers that nobody used for a month, and what killed runs left for a day."""
    now = time.time()
    for path in (*cache.glob(".*"), *(cache / "blobs").glob("*")):
        keep = _KEEP_SCRATCH if path.name.startswith(".") else _KEEP_LAYERS
        if now - path.stat().st_mtime < keep:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _recipe(settings: Settings, context: Path) -> Recipe:
    reference = base_reference(settings)
    arguments = {"BASE_IMAGE": reference, "PYTHON_VERSION": settings.python}
    recipe = dockerfile.read(context / "Dockerfile", arguments)
    if recipe.base != reference:
        raise BadInputError(
            f"{context.name}/Dockerfile builds from {recipe.base}, the settings say {reference}",
            hint="write ARG BASE_IMAGE and FROM ${BASE_IMAGE} so that stepladder.image.base decides",
        )
    return recipe


def _code(recipe: Recipe, entries: tuple[Entry, ...], context: Path) -> list[Entry]:
    """Place the files that the Dockerfile copies; a later COPY wins over an earlier one."""
    placed: dict[str, Entry] = {}
    for source, target in recipe.copies:
        found = False
        for entry in entries:
            path = _placed_at(entry.path, source, target)
            if path:
                found = True
                placed[path] = Entry(path, entry.source, entry.executable, entry.link)
        if not found:
            raise BadInputError(
                f"{context.name}/Dockerfile copies {source}, but the context has nothing there",
                hint=f"create {context.name}/{source}, or see whether .dockerignore leaves it out",
            )
    return list(placed.values())


def _placed_at(path: str, source: str, target: str) -> str:
    """Return where COPY puts a context file, without a leading slash, or an empty string when it isn't copied.

    A folder's content is copied, not the folder; a file goes into a target that ends with a slash.
    """
    if source == ".":
        return posixpath.normpath(f"{target}/{path}").lstrip("/")
    if path.startswith(source + "/"):
        return posixpath.normpath(f"{target}/{path[len(source) + 1 :]}").lstrip("/")
    if path == source:
        into = f"{target}/{posixpath.basename(path)}" if target.endswith(("/", "/.")) else target
        return posixpath.normpath(into).lstrip("/")
    return ""


def _check_handler(recipe: Recipe, code: list[Entry], locked: Dependencies | None) -> None:
    """Find the handler's module before anything is released: in the code, or by its top name in the dependencies."""
    module = recipe.handler.rpartition(".")[0].replace(".", "/")
    root = TASK_ROOT.strip("/")
    paths = {entry.path for entry in code}
    if {f"{root}/{module}.py", f"{root}/{module}/__init__.py"} & paths:
        return
    top = module.split("/")[0]
    in_code = any(path.startswith((f"{root}/{top}/", f"{root}/{top}.")) for path in paths)
    if not in_code and locked and top in locked.modules:
        return
    raise BadInputError(
        f"the image would not hold the handler {recipe.handler}: there is no {module}.py in {TASK_ROOT}",
        hint="mend CMD or COPY in the Dockerfile, or see whether .dockerignore leaves the file out",
    )


def _config(base: Base, recipe: Recipe, labels: dict[str, str], added: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the image's config: the base's, with our layers, command, environment and labels."""
    config = {name: base.config[name] for name in _KEPT if name in base.config}
    running = copy.deepcopy(base.config.get("config") or {})
    environment = dict(item.partition("=")[::2] for item in running.get("Env") or [])
    running["Env"] = [f"{name}={value}" for name, value in {**environment, **recipe.environment}.items()]
    running["Cmd"] = [recipe.handler]
    running["WorkingDir"] = recipe.workdir
    running["Labels"] = {**(running.get("Labels") or {}), **labels}
    history = [{**entry, "created": entry.get("created", _CREATED)} for entry in base.config.get("history") or []]
    return {
        **config,
        "created": _CREATED,
        "config": running,
        "rootfs": {
            "type": "layers",
            "diff_ids": [*(base.config["rootfs"].get("diff_ids") or ()), *(diff_id for diff_id, _ in added)],
        },
        "history": [*history, *({"created": _CREATED, "created_by": why} for _, why in added)],
    }
