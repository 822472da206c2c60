"""What the service's module gets from settings that hold references to the project's own Terraform.

Values of `-var-file` are data. So a setting with a reference goes to the module as an argument, in a file that
Terraform merges into the root's call of it (https://developer.hashicorp.com/terraform/language/files/override). The
file is in JSON, in whose texts Terraform evaluates `${...}`. It exists in the snapshot only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stepladder.core.errors import BadInputError
from stepladder.settings import references
from stepladder.terraform import module_call

FILE = "stepladder_override.tf.json"
_MERGED = "environment_variables"


def plain(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the root's variables get: those without a reference, and what has none of a mapping that has some."""
    given: dict[str, Any] = {}
    for name, value in variables.items():
        if not references.has(value):
            given[name] = references.literal(value)
        elif isinstance(value, Mapping):
            given[name] = references.literal({key: each for key, each in value.items() if not references.has(each)})
    return given


def text(variables: Mapping[str, Any], folder: Path) -> str:
    """Return the file for a root's folder; an empty text when no variable holds a reference.

    Raises `BadInputError` when the root's own code leaves no way to give the module a reference.
    """
    referring = {name: value for name, value in variables.items() if references.has(value)}
    if not referring:
        return ""
    call = module_call.read(folder)
    if call is None:
        raise BadInputError(
            f'terraform/{folder.name} has no `module "{module_call.MODULE}"` to give the references in the settings to',
            kind="reference-not-passed",
            hint="name the call of the service module so; " + _instead(referring),
        )
    arguments = {name: _argument(name, value, call) for name, value in referring.items()}
    return json.dumps({"module": {module_call.MODULE: arguments}}, indent=2, ensure_ascii=False) + "\n"


def _argument(name: str, value: Any, call: module_call.ModuleCall) -> Any:
    """Return a variable as the module's argument; what the root's code adds by hand to a mapping stays."""
    own = call.arguments.get(name, f"var.{name}")
    if own == f"var.{name}":
        return references.template(value)
    if name == _MERGED and "<<" not in own:
        added = {key: each for key, each in value.items() if references.has(each)}
        pairs = ", ".join(f"{json.dumps(key)} = {_in_hcl(each)}" for key, each in added.items())
        return f"${{merge({{ {pairs} }}, {own})}}"
    raise BadInputError(
        f"terraform/{call.path.parent.name}/{call.path.name} gives the module `{name} = {own.splitlines()[0]}`, "
        "which the references in the settings would replace",
        kind="reference-not-passed",
        hint=f"let it say `{name} = var.{name}`, or " + _instead({name: value}),
    )


def _in_hcl(text: str) -> str:
    """Return a text with references as an expression of Terraform."""
    pieces = [
        part.text if part.reference else json.dumps(references.quoted(part.text), ensure_ascii=False)[1:-1]
        for part in references.parts(text)
    ]
    return f'"{"".join(pieces)}"'


def _instead(referring: Mapping[str, Any]) -> str:
    keys = ", ".join(f"`stepladder.{key}`" for key, _ in keys_of(referring))
    return f"take the references out of {keys}"


def keys_of(variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each text with a reference, after its setting's key: `function.environment.TABLE`."""
    for name, value in variables.items():
        yield from _texts(_setting(name), value)


def _setting(variable: str) -> str:
    """Return the key of the setting that a variable of the service's module comes from."""
    from stepladder.settings.function import FunctionSettings
    from stepladder.settings.table import key_of, settings_of, variable_of

    own = {variable_of(each): key_of(each) for each in settings_of(FunctionSettings())}
    return f"function.{own[variable]}" if variable in own else variable


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(f"{key}.{name}", each)
    elif isinstance(value, (list, tuple)):
        for number, each in enumerate(value):
            yield from _texts(f"{key}[{number}]", each)
    elif references.has(value):
        yield key, value


def setting_at(variables: Mapping[str, Any], line: str) -> str:
    """Return the key of the setting whose text stands in a line of the file; empty when none does."""
    for key, value in keys_of(variables):
        if json.dumps(references.template(value), ensure_ascii=False)[1:-1] in line or _in_hcl(value) in _decoded(line):
            return key
    return ""


def _decoded(line: str) -> str:
    match = re.search(r'"(?:\\.|[^"\\])*",?\s*$', line)
    return str(json.loads(match[0].rstrip().rstrip(","))) if match else ""
