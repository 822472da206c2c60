"""Where Lambda's Python finds the handler's module, and what to write when it isn't there."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from stepladder.core.errors import BadInputError
from stepladder.images.context import handler_names, ignore, python_syntax, shown
from stepladder.images.context.files import collect
from stepladder.images.dockerfile.read import TASK_ROOT, Recipe
from stepladder.images.requirements.dependencies import Dependencies
from stepladder.images.shared import ConfiguredHandler


def module_of(handler: str) -> str:
    """Return the handler's module as a path without its ending: `app/handler`."""
    return handler.rpartition(".")[0].replace(".", "/")


def folders(environment: Mapping[str, str], python: str, site: str = "") -> list[str]:
    """Return the folders that Python imports from, without a leading slash, in no order that matters.

    https://docs.aws.amazon.com/lambda/latest/dg/python-layers.html for those below /opt.
    """
    root = environment.get("LAMBDA_TASK_ROOT", TASK_ROOT)
    added = [folder for folder in environment.get("PYTHONPATH", "").split(":") if folder]
    searched = [root, TASK_ROOT, *(posixpath.join(root, folder) for folder in added)]
    searched += ["/opt/python", f"/opt/python/lib/python{python}/site-packages"]
    searched += [f"/{site}"] if site else [f"/var/lang/lib/python{python}/site-packages"]
    return list(dict.fromkeys(posixpath.normpath(folder).lstrip("/") for folder in searched))


def holds(names: Iterable[str], module: str) -> bool:
    """Say whether one of some paths, from a folder that Python imports from, is the module."""
    wanted = (f"{module}.py", f"{module}/__init__.py", f"{module}.pyc")
    return any(name in wanted or (name.startswith(f"{module}.") and name.endswith(".so")) for name in names)


def check(
    recipe: Recipe,
    made: Iterable[Dependencies],
    python: str,
    context: Path,
    configured: Sequence[ConfiguredHandler] = (),
) -> None:
    """Raise `BadInputError` when the image would not hold the module of its handler, or of one that settings name."""
    site = f"var/lang/lib/python{python}/site-packages"
    for install in recipe.tree.installs:
        site = install.prefix if install.site else site
    paths = {*recipe.tree.placed, *(path for dependency in made for path in dependency.paths)}
    searched = folders(recipe.environment, python, site)

    def is_held(module: str) -> bool:
        starts = [f"{folder}/" for folder in searched]
        inside = ((start, path) for start in starts for path in paths if path.startswith(f"{start}{module}"))
        return any(holds((path[len(start) :],), module) for start, path in inside)

    if not is_held(module_of(recipe.handler)):
        raise missing(recipe.handler, f"/{searched[0]}", context, "would not hold")
    for each in configured:
        if not is_held(module_of(each.name)):
            raise missing_configured(each, recipe.handler, f"/{searched[0]}", context, "would not hold")


class Modules(Protocol):
    """The modules of an image, named as paths without their endings: `app/handler`."""

    def has(self, module: str) -> bool:
        """Say whether it can be imported."""

    def sources(self, module: str) -> Iterable[tuple[str, str, bytes]]:
        """Return the project's files that importing it loads: where each lies, its path for Python, and its text."""


def check_imports(handler: str, inside: Modules, context: Path) -> None:
    """Raise `BadInputError` when the handler imports, whatever happens, a module that is in the context only."""
    waiting, seen, problems = [(module_of(handler).replace("/", "."), "")], set[str](), dict[str, str]()
    while waiting:
        name, importer = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        lines = _lines(top, context) if importer and top not in sys.stdlib_module_names and top not in problems else ""
        if lines and not inside.has(top):
            problems[top] = f"/{importer} imports {top}: {lines}"
        if top not in problems:
            for path, module, source in inside.sources(name.replace(".", "/")):
                waiting += [(imported, path) for imported in python_syntax.imports(source, module)]
    if problems:
        raise BadInputError(
            f"the image would not hold what the handler imports: {', '.join(sorted(problems))}",
            kind="bad-handler",
            hint=next(iter(problems.values())).partition(": ")[2],
            problems=tuple(problems.values()),
        )


class InRecipe:
    """The modules of an image that is not made yet."""

    def __init__(self, recipe: Recipe, made: Iterable[Dependencies], python: str) -> None:
        self._base = recipe.tree.base
        self._placed = {path: f.entry.source for path, f in recipe.tree.placed.items() if f.kind != "folder"}
        self._searched = folders(recipe.environment, python)
        paths = {*self._placed, *(path for dependency in made for path in dependency.paths)}
        inside = (path[len(f) + 1 :] for path in paths for f in self._searched if path.startswith(f"{f}/"))
        self._tops = {re.split(r"[/.]", path, maxsplit=1)[0] for path in inside}

    def has(self, module: str) -> bool:
        """Say whether a module without a package can be imported."""
        return module in self._tops or any(self._base.lstat(f"{f}/{module}", sure=True) for f in self._searched)

    def sources(self, module: str) -> list[tuple[str, str, bytes]]:
        """Return what the Dockerfile places."""
        ends = (f"{module}.py", f"{module}/__init__.py")
        candidates = [(f"{folder}/{end}", end) for folder in self._searched for end in ends]
        return [(path, end, self._placed[path].read_bytes()) for path, end in candidates if path in self._placed]


def missing(handler: str, root: str, context: Path, how: str) -> BadInputError:
    """Return the error for an image without its handler, with the lines to add when its file is in the context."""
    module = module_of(handler)
    return BadInputError(
        f"the image {how} the handler {handler}: there is no {module}.py in {root}",
        kind="bad-handler",
        hint=_lines(module, context)
        or "fix CMD or COPY in the `Dockerfile`: what CMD names must be in "
        f"{root}, in PYTHONPATH and among the installed packages",
    )


def missing_configured(each: ConfiguredHandler, command: str, root: str, context: Path, how: str) -> BadInputError:
    """Return the error for an image without a handler that settings name; `command` is the one that the image has."""
    module = module_of(each.name)
    files = {entry.path: entry.source for entry in collect(context) if entry.path.endswith(".py")}
    known = handler_names.offered(files, python_syntax.home(command, files), each.name.rpartition(".")[2])
    return BadInputError(
        f"the image {how} {each.words}: there is no {module}.py in {root}",
        kind="bad-handler",
        hint=_lines(module, context)
        or handler_names.suggestion(each.name, known)
        or "fix the handler in `invoke.yaml`, or COPY its module in the `Dockerfile`",
    )


def _lines(module: str, context: Path) -> str:
    top = module.partition("/")[0]
    module_file = next((name for name in (f"{module}.py", f"{module}/__init__.py") if (context / name).is_file()), "")
    if not module_file and "/" not in module and (context / module).is_dir():
        module_file = next(
            (path.relative_to(context).as_posix() for path in sorted((context / module).rglob("*.py"))), ""
        )
    if not module_file:
        return ""
    copied = top if (context / top).is_dir() else f"{top}.py"
    target = "${LAMBDA_TASK_ROOT}/" + (f"{top}/" if copied == top else "")
    lines = f"add `COPY {copied} {target}` to {shown.name(context)}/Dockerfile"
    if ignore.keeps_out(context, module_file):
        lines += f" and `!{copied}` to {shown.name(context)}/.dockerignore"
    return lines
