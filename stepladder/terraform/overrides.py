"""What the service's module gets from settings that hold references to the project's own Terraform.

Values of `-var-file` are data. So a setting with a reference goes to the module as an argument, in a file that
Terraform merges into the root's call of it (https://developer.hashicorp.com/terraform/language/files/override). The
file is in JSON, in whose texts Terraform evaluates `${...}`. It exists in the snapshot only.

By the same way a setting reaches the module of a project whose root is older than the setting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stepladder.core.errors import BadInputError
from stepladder.settings import references
from stepladder.terraform import module_call

FILE = "stepladder_override.tf.json"
_MERGED = "environment_variables"
_SHORT_ESCAPE = r"(?<!\\)((?:\\\\)*)\\([bf])"


def plain(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the root's variables get: those without a reference, and what has none of a mapping that has some."""
    given: dict[str, Any] = {}
    for name, value in variables.items():
        if not references.has(value):
            given[name] = references.literal(value)
        elif isinstance(value, Mapping):
            given[name] = references.literal({key: each for key, each in value.items() if not references.has(each)})
    return given


def text(
    variables: Mapping[str, Any],
    folder: Path,
    defaults: Callable[[], Mapping[str, Any]],
    more: Mapping[str, Any] | None = None,
) -> str:
    """Return the file for a root's folder; an empty text when its variables can hold all that isn't as in `defaults`.

    `defaults` is called where a variable is missing. `more` is what else the file says, as a document of its own.

    A root that is older than a setting declares no variable for it: the module is given the value directly. Raises
    `BadInputError` when the root's own code leaves no way to give the module a value.
    """
    late = _late(variables, folder, defaults)
    referring = {name for name, value in variables.items() if references.has(value)}
    call = module_call.read(folder) if late or referring else None
    if not call and not referring:  # a root with no such call takes what it declares
        return _written({}, more)
    direct = {name: value for name, value in variables.items() if name in late or name in referring}
    if call is None:
        keys = ", ".join(f"`stepladder.{_setting(name)}`" for name in sorted(referring))
        raise BadInputError(
            f'terraform/{folder.name} has no `module "{module_call.MODULE}"` to give {keys} to',
            kind="reference-not-passed",
            hint=f"name the call of the service module so in `terraform/{folder.name}/main.tf`, or take {keys} out",
        )
    _check_known(late, call)
    return _written({name: _argument(name, value, call) for name, value in direct.items()}, more)


def _written(arguments: Mapping[str, Any], more: Mapping[str, Any] | None) -> str:
    """Return the file with these arguments of the module's call, and what else it says."""
    called = {**(more or {}).get("module", {}).get(module_call.MODULE, {}), **arguments}
    document = {**(more or {}), **({"module": {module_call.MODULE: called}} if called else {})}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n" if document else ""


def later(values: Mapping[str, Any], folder: Path, module: str) -> str:
    """Return the file that gives a root's module what the root is too old to declare; an empty text without any.

    Raises `BadInputError` when the module is as old, or isn't called by its name.
    """
    missing = {name: value for name, value in values.items() if name not in module_call.variables(folder)}
    if not missing or any(folder.glob("*.tf.json")):
        return ""
    call = module_call.read(folder, module)
    if call is None:
        keys = ", ".join(f"`stepladder.{_setting(name)}`" for name in missing)
        raise BadInputError(
            f'terraform/{folder.name} has no `module "{module}"` to give {keys} to',
            kind="reference-not-passed",
            hint=f"name the call of the module so in `terraform/{folder.name}/main.tf`, or take {keys} out",
        )
    _check_known(missing, call)
    return json.dumps({"module": {module: missing}}, indent=2, ensure_ascii=False) + "\n"


def _late(variables: Mapping[str, Any], folder: Path, defaults: Callable[[], Mapping[str, Any]]) -> frozenset[str]:
    """Return the variables whose settings are set, and that the root doesn't declare."""
    if not any(folder.glob("*.tf")) or any(folder.glob("*.tf.json")):
        return frozenset()
    missing = variables.keys() - module_call.variables(folder)
    unset = defaults() if missing else {}
    return frozenset(name for name in missing if name in unset and variables[name] != unset[name])


def _check_known(late: Iterable[str], call: module_call.ModuleCall) -> None:
    """Refuse settings that the module of the project is older than."""
    folder = call.module
    unknown = sorted(set(late) - module_call.variables(folder)) if folder and folder.is_dir() else []
    if unknown:
        keys = ", ".join(f"`stepladder.{_setting(name)}`" for name in unknown)
        raise old_modules(keys)


def old_modules(keys: str) -> BadInputError:
    """Return the refusal of settings that the project's modules are older than."""
    return BadInputError(
        f"the project's Terraform modules are older than {keys}",
        kind="old-modules",
        hint="bring them to this version, which merges what you changed in them: `inv project.upgrade`",
    )


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
        f"which `stepladder.{_setting(name)}` would replace",
        kind="reference-not-passed",
        hint=f"let it say `{name} = var.{name}`, or take the setting out of `invoke.yaml`",
    )


def _in_hcl(text: str) -> str:
    """Return a text with references as an expression of Terraform."""
    pieces = [
        part.text if part.reference else _hcl_text(references.quoted(part.text)) for part in references.parts(text)
    ]
    return f'"{"".join(pieces)}"'


def _hcl_text(text: str) -> str:
    """Return a text as it stands in quotes in HCL, which knows fewer short escapes than JSON."""
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]
    return re.sub(_SHORT_ESCAPE, lambda match: match[1] + {"b": "\\u0008", "f": "\\u000c"}[match[2]], escaped)


def keys_of(variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each text with a reference, after its setting's key: `function.environment.TABLE`."""
    for name, value in variables.items():
        if references.has(value):
            yield from _texts(_setting(name), value)


def _setting(variable: str) -> str:
    """Return the key of the setting that a variable of the service's module comes from."""
    from stepladder.settings.function import FunctionSettings
    from stepladder.settings.table import key_of, settings_of, variable_of

    if variable == "permissions_boundary":
        return "ci"
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
    whole = re.match(r'\s*"([\w-]+)": [\[{"]', line)  # the value of a setting as a whole has the wrong type
    return _setting(whole[1]) if whole and whole[1] in variables else ""


def _decoded(line: str) -> str:
    match = re.search(r'"(?:\\.|[^"\\])*",?\s*$', line)
    return str(json.loads(match[0].rstrip().rstrip(","))) if match else ""
