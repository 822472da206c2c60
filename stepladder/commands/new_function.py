"""`inv function.new`: write the handler, a smoke case and the settings of a function beside the project's own one."""

from __future__ import annotations

import json
import keyword
import sys
from pathlib import Path

from stepladder.core import files
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError
from stepladder.images.context import python_syntax
from stepladder.images.context.files import collect
from stepladder.images.dockerfile import read
from stepladder.images.key import build_arguments
from stepladder.settings import functions, invoke_yaml_insert
from stepladder.settings.load import Settings, load

_HANDLER = '''"""What the function {name} does."""

from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle one event."""
    return {{"message": "{name} answers"}}
'''
_COPIED = ("Dockerfile", ".dockerignore", "requirements.in", "requirements.txt")


def add(settings: Settings, console: Console, name: str, *, own_image: bool) -> None:
    """Write the files of a new function and declare it in `invoke.yaml`; nothing when any of them is there already.

    Without an image of its own it gets a handler in the project's. Raises `BadInputError` for a name that won't do.
    """
    from invoke.util import yaml

    functions.check_new(settings, name)
    written, lines = _own(settings, name) if own_image else _shared(settings, name)
    case = {"name": "answers", "payload": {}, "expect": {"error": None, "result": {"message": f"{name} answers"}}}
    written[f"{settings.smoke.path}/{name}/answers.json"] = json.dumps(case, indent=2) + "\n"
    if present := [path for path in written if (settings.root / path).exists()]:
        raise BadInputError(
            f"{present[0]} is there already",
            kind="bad-arguments",
            hint="declare the function in `invoke.yaml` yourself: docs/guides/several-functions.md",
            problems=tuple(present[1:]),
        )
    path = settings.root / "invoke.yaml"
    content = path.read_text("utf-8") if path.is_file() else ""
    declared = invoke_yaml_insert.function(content, name, lines)
    if declared:  # what the settings refuse is refused before anything is written
        load(yaml.safe_load(declared)[invoke_yaml_insert.TOP], settings.root)
    for file, text in written.items():
        files.write_text(settings.root / file, text)
        console.data(file)
    _declare(path, console, name, lines, declared)
    console.hint(f"write its handler, then `inv check` and `inv serve --function {name}`")


def _shared(settings: Settings, name: str) -> tuple[dict[str, str], list[str]]:
    """Return the files of a function in the project's image, and its lines in `invoke.yaml`."""
    context, command = settings.image.context, _command(settings)
    paths = {entry.path: entry.source for entry in collect(settings.root / context)}
    home, (package, _, _) = python_syntax.home(command, paths), python_syntax.module_of(command).rpartition(".")
    module = _module(name, package)
    folder = f"{context}/{home}{package.replace('.', '/')}".rstrip("/")
    handler = f"{package}.{module}.handler" if package else f"{module}.handler"
    return {f"{folder}/{module}.py": _HANDLER.format(name=name)}, [f"function: {{handler: {handler}}}"]


def _module(name: str, package: str) -> str:
    """Return a function's module, which tests can import, and which hides none of Python's own."""
    module = name.replace("-", "_")
    hides = not package and module in sys.stdlib_module_names
    return f"{module}_function" if keyword.iskeyword(module) or hides else module


def _own(settings: Settings, name: str) -> tuple[dict[str, str], list[str]]:
    """Return the files of a function with an image of its own, made as the project's, and its lines."""
    source, target = settings.root / settings.image.context, f"functions/{name}"
    command = _command(settings)
    path = f"{python_syntax.module_of(command).replace('.', '/')}.py"
    written = {f"{target}/{file}": (source / file).read_text("utf-8") for file in _COPIED if (source / file).is_file()}
    packages = [parent.as_posix() for parent in Path(path).parents if parent != Path()]
    written |= {f"{target}/{package}/__init__.py": f'"""The code of {name}."""\n' for package in packages}
    text = _HANDLER.format(name=name).replace("def handler(", f"def {command.rpartition('.')[2]}(")
    written[f"{target}/{path}"] = text
    return written, [f"image: {{context: {target}}}"]


def _command(settings: Settings) -> str:
    """Return the handler that the project's image runs by itself."""
    return read.outline(settings.root / settings.image.context / "Dockerfile", build_arguments(settings)).handler


def _declare(path: Path, console: Console, name: str, lines: list[str], declared: str) -> None:
    """Write `invoke.yaml` with the function, or print its lines where that can't be done without touching others."""
    if declared:
        files.write_text(path, declared, mode=path.stat().st_mode & 0o777)
        console.data(path.name)
        return
    console.warn(f"add these lines to {path.name}, below `stepladder`:")
    for line in ("functions:", f"  {invoke_yaml_insert.key(name)}:", *(f"    {line}" for line in lines)):
        console.line(f"  {line}")
