"""Keep docs/reference/public-api.json: every name that others call or store, and that a version may not lose.

A name is added by `docs/generate.py` as soon as the code has it, and never taken away: a test compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stepladder.core.errors import ExitCode
from stepladder.settings.load import DEFAULTS

FILE = Path("docs") / "reference" / "public-api.json"
_MODULES = ("foundation", "service", "delivery")
_EXAMPLE = frozenset({"environments"})
"""Settings below which a person chooses the names."""


def text(root: Path, tasks: Iterable[tuple[str, Any, Any]], schemas: Mapping[Path, str]) -> str:
    """Return the file: what it has already, and what the code has newly."""
    known, now = recorded(root), current(root, tasks, schemas)
    merged = {part: sorted({*known.get(part, ()), *now.get(part, ())}) for part in sorted(known.keys() | now.keys())}
    return json.dumps(merged, indent=1, ensure_ascii=False) + "\n"


def recorded(root: Path) -> dict[str, list[str]]:
    """Return what the file has."""
    path = root / FILE
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def current(root: Path, tasks: Iterable[tuple[str, Any, Any]], schemas: Mapping[Path, str]) -> dict[str, set[str]]:
    """Return what the code has: its tasks and flags, settings, exit codes, JSON keys, module variables, answers."""
    flags = {f"{name} {flag}" for name, _, context in tasks for flag in (context.name, *context.flag_names())}
    answers = json.loads((root / "template" / "cookiecutter.json").read_text("utf-8"))
    return {
        "tasks and flags": {flag.removesuffix(f" {flag.split()[0]}") for flag in flags},
        "settings": set(_settings(DEFAULTS)),
        "exit codes": {f"{name} {int(code)}" for name, code in ExitCode.__members__.items()},
        "json": set(_json(schemas)),
        "module variables": set(_blocks(root, "variable")),
        "module outputs": set(_blocks(root, "output")),
        "answers": {key for key in answers if not key.startswith("_")},
    }


def lost(known: Mapping[str, Iterable[str]], now: Mapping[str, Iterable[str]]) -> list[str]:
    """Return what is recorded and isn't there any more, each with its part."""
    return [f"{part}: {name}" for part in known for name in sorted(set(known[part]) - set(now.get(part, ())))]


def _settings(settings: Mapping[str, Any], prefix: str = "stepladder.") -> Iterator[str]:
    for key, value in settings.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping) and key not in _EXAMPLE:
            yield from _settings(value, f"{prefix}{key}.")


def _json(schemas: Mapping[Path, str]) -> Iterator[str]:
    """Yield the keys that each command always prints, by its schema."""
    for path, schema in schemas.items():
        if path.suffix == ".json":
            yield from (f"{path.stem} {key}" for key in _required(json.loads(schema)))


def _required(schema: Any) -> Iterator[str]:
    """Yield the required keys of every object that a schema describes."""
    if isinstance(schema, Mapping):
        required = schema.get("required", ())
        yield from (key for key in required if isinstance(key, str))
    for part in schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ():
        yield from _required(part)


def _blocks(root: Path, kind: str) -> Iterator[str]:
    for module in _MODULES:
        code = "\n".join(path.read_text("utf-8") for path in (root / "terraform" / "modules" / module).glob("*.tf"))
        yield from (f"{module} {name}" for name in re.findall(rf'^{kind} "(\w+)"', code, re.MULTILINE))
