"""Where Lambda's Python looks for the handler's module, and what to write when it isn't there."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from stepladder.errors import BadInputError
from stepladder.images import ignore, syntax
from stepladder.images.dependencies import Dependencies
from stepladder.images.dockerfile import TASK_ROOT, Recipe


def module_of(handler: str) -> str:
    """Return the handler's module as a path without its ending: `app/handler`."""
    return handler.rpartition(".")[0].replace(".", "/")


def folders(environment: Mapping[str, str], python: str, site: str = "") -> list[str]:
    """Return the folders that Python imports from, without a leading slash, in no order that matters.

    https://docs.aws.amazon.com/lambda/latest/dg/python-layers.html for those below /opt.
    """
    root = environment.get("LAMBDA_TASK_ROOT", TASK_ROOT)
    added = [folder for folder in environment.get("PYTHONPATH", "").split(":") if folder]
    found = [root, TASK_ROOT, *(posixpath.join(root, folder) for folder in added)]
    found += ["/opt/python", f"/opt/python/lib/python{python}/site-packages"]
    found += [f"/{site}"] if site else [f"/var/lang/lib/python{python}/site-packages"]
    return list(dict.fromkeys(posixpath.normpath(folder).lstrip("/") for folder in found))


def holds(names: Iterable[str], module: str) -> bool:
    """Say whether one of some paths, from a folder that Python imports from, is the module."""
    wanted = (f"{module}.py", f"{module}/__init__.py", f"{module}.pyc")
    return any(name in wanted or (name.startswith(f"{module}.") and name.endswith(".so")) for name in names)


def check(recipe: Recipe, made: Iterable[Dependencies], python: str, context: Path) -> None:
    """Raise `BadInputError` when the image would not hold the handler's module."""
    module = module_of(recipe.handler)
    site = f"var/lang/lib/python{python}/site-packages"
    for install in recipe.tree.installs:
        site = install.prefix if install.site else site
    paths = {*recipe.tree.placed, *(path for dependency in made for path in dependency.paths)}
    searched = folders(recipe.environment, python, site)
    for folder in searched:
        start = f"{folder}/"
        if holds((path[len(start) :] for path in paths if path.startswith(f"{start}{module}")), module):
            return
    raise missing(recipe.handler, f"/{searched[0]}", context, "would not hold")


def check_imports(recipe: Recipe, made: Iterable[Dependencies], python: str, context: Path) -> None:
    """Raise `BadInputError` when the handler imports, whatever happens, a module that is in the context only."""
    placed = {path: found.entry.source for path, found in recipe.tree.placed.items() if found.kind != "folder"}
    paths = {*placed, *(path for dependency in made for path in dependency.paths)}
    searched = folders(recipe.environment, python)
    inside = (path[len(f) + 1 :] for path in paths for f in searched if path.startswith(f"{f}/"))
    tops = {re.split(r"[/.]", path, maxsplit=1)[0] for path in inside}
    waiting, seen, problems = [(module_of(recipe.handler).replace("/", "."), "")], set[str](), dict[str, str]()
    while waiting:
        name, importer = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        if top in tops:
            for stem in (f"{folder}/{name.replace('.', '/')}" for folder in searched):
                for path in (f"{stem}.py", f"{stem}/__init__.py"):
                    if path in placed:
                        module = next(path[len(f) + 1 :] for f in searched if path.startswith(f"{f}/"))
                        waiting += [(found, path) for found in syntax.imports(placed[path], module)]
        elif (
            importer
            and top not in sys.stdlib_module_names
            and (lines := _lines(top, context))
            and not any(recipe.tree.base.look(f"{folder}/{top}", sure=True) for folder in searched)
        ):
            problems[top] = f"/{importer} imports {top}: {lines}"
    if problems:
        raise BadInputError(
            f"the image would not hold what the handler imports: {', '.join(sorted(problems))}",
            hint=next(iter(problems.values())).partition(": ")[2],
            problems=tuple(problems.values()),
        )


def missing(handler: str, root: str, context: Path, how: str) -> BadInputError:
    """Return the error for an image without its handler, with the lines to add when its file is in the context."""
    module = module_of(handler)
    return BadInputError(
        f"the image {how} the handler {handler}: there is no {module}.py in {root}",
        hint=_lines(module, context)
        or "fix CMD or COPY in the Dockerfile: what CMD names is looked for in "
        f"{root}, in PYTHONPATH and among the installed packages",
    )


def _lines(module: str, context: Path) -> str:
    top = module.partition("/")[0]
    there = next((name for name in (f"{module}.py", f"{module}/__init__.py") if (context / name).is_file()), "")
    if not there and "/" not in module and (context / module).is_dir():
        there = next((path.relative_to(context).as_posix() for path in sorted((context / module).rglob("*.py"))), "")
    if not there:
        return ""
    copied = top if (context / top).is_dir() else f"{top}.py"
    target = "${LAMBDA_TASK_ROOT}/" + (f"{top}/" if copied == top else "")
    lines = f"add `COPY {copied} {target}` to {context.name}/Dockerfile"
    if ignore.keeps_out(context, there):
        lines += f" and `!{copied}` to {context.name}/.dockerignore"
    return lines
