"""What `--json` prints: the JSON Schema of each command, made from the type that its task names.

A task says `prints="module:Type"`. `docs/generate.py` writes the schemas to docs/reference/schemas, which a wheel
carries; `inv explain --schema <command>` prints one. A type stands beside the code that makes the record. Those of
records that have no type of their own are in this folder.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

from stepladder.core import json_schema
from stepladder.core.errors import BadInputError
from stepladder.core.json_schema import Schema
from stepladder.core.resources import folder
from stepladder.core.similar import did_you_mean

ERROR: Schema = {
    "type": "object",
    "description": "What is printed in place of the result when the command fails. It may have more: what was known.",
    "properties": {
        "error": {"type": "string", "description": "what is wrong, in one sentence"},
        "error_kind": {"type": "string", "description": "its kind: `inv explain` lists all kinds"},
        "exit_code": {"type": "integer", "description": "the exit status of the command"},
        "hint": {"type": "string", "description": "what to do about it; may be empty"},
        "problems": {"type": "array", "items": {"type": "string"}, "description": "one for each thing that is wrong"},
    },
    "required": ["error", "error_kind", "exit_code", "hint", "problems"],
}


@functools.cache
def type_of(prints: str) -> Any:
    """Return the type that a task names: `module:Type`."""
    module, _, name = prints.partition(":")
    return getattr(import_module(module), name)


def schema(command: str, prints: str) -> Schema:
    """Return the schema of all that `inv <command> --json` prints: its result, or an error."""
    definitions: dict[str, Schema] = {"Error": ERROR}
    result = json_schema.schema_of(type_of(prints), definitions)
    results = result["anyOf"] if result.keys() == {"anyOf"} else [result]
    lines = type_of(prints).__module__.endswith("outputs.logs")
    each = "Each line of the output is such a document." if lines else "The output is one document."
    return {
        "$schema": json_schema.DIALECT,
        "title": f"inv {command} --json",
        "description": each,
        "anyOf": [*results, {"$ref": "#/$defs/Error"}],
        "$defs": dict(sorted(definitions.items())),
    }


def published(command: str) -> str:
    """Return the published schema of a command as text. Raises `BadInputError` for one that prints no JSON."""
    files = {path.stem: path for path in (folder("docs") / "reference" / "schemas").glob("*.json")}
    name = command.removeprefix("inv ").strip()
    if name not in files:
        raise BadInputError(
            f"there is no schema of {command!r}",
            kind="bad-arguments",
            hint=did_you_mean(name, files) or f"there are {', '.join(sorted(files))}",
        )
    return files[name].read_text("utf-8")
