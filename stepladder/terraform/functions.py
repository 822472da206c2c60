"""The functions beside the project's own one, as its service root has them.

The project's code calls the service module once, for its own function. For the others a file calls it once more, with
an instance for each name. The file is in JSON, whose texts are templates, and exists in the snapshot only. Without such
functions there is no file.

The call's arguments stand in a local value, so that each function may differ from the others in all of them. Terraform
takes the call as one: no function's arguments may need another of these functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stepladder.core import text
from stepladder.core.errors import BadInputError
from stepladder.settings import references
from stepladder.settings.load import Settings
from stepladder.settings.table import SERVICE
from stepladder.terraform import module_call, overrides, service_variables
from stepladder.terraform.service_variables import IMAGE

FILE = "stepladder_functions.tf.json"
MODULE = OUTPUT = "functions"
IMAGES = "stepladder_images"
"""The root's variable of their images. It is no part of what decides whether Terraform runs: releases own images."""
LOCAL = "stepladder_functions"
NAME = "function"
"""The module's variable of a function's name, which the modules of an earlier stepladder lack."""
_COPIED = ("source", "version")
_OUTPUT = r'(?m)^[ \t]*output\s+"?([\w-]+)"?\s*\{'
_OWN = rf"\bmodule\.{SERVICE}\.([A-Za-z_][\w-]*)"
_ANY_OF_OWN = rf"\bmodule\.{SERVICE}\b"
_ADDRESS = rf'module\.{MODULE}\["([^"]+)"\]\.'
_HEAD = r'      "([^"]+)": \{$'
_DECLARED = rf'(?m)^[ \t]*(?:module|output)\s+"?{MODULE}"?\s*\{{'


def names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the functions beside the project's own one."""
    return tuple(name for name in settings.whole.function_names if name)


def address(name: str) -> str:
    """Return where a function's resources are in the root; the project's own one has no name."""
    return f'module.{MODULE}["{name}"]' if name else f"module.{SERVICE}"


def name_in(resource: str) -> str:
    """Return the name of the function that a resource's address is of; empty for the project's own and for all else."""
    match = re.match(_ADDRESS, resource)
    return match[1] if match else ""


def arguments(settings: Settings, environment: str) -> dict[str, dict[str, Any]]:
    """Return each function's arguments, all but its image."""
    return {
        name: service_variables.of_function(settings.whole.of_function(name), environment) for name in names(settings)
    }


def images(settings: Settings, environment: str, known: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the root's variable with each function's image; a placeholder stands for one that isn't `known`."""
    placeholder = service_variables.no_image(settings.whole, environment)
    every = {name: known.get(name) or placeholder for name in names(settings)}
    return {IMAGES: every} if every else {}


def hashed(settings: Settings, environment: str) -> dict[str, Any]:
    """Return what decides the result of a root besides its variables; nothing of a project with one function."""
    given = arguments(settings, environment)
    return {MODULE: given, **({} if settings.whole.main else {"main": False})} if given else {}


def file(settings: Settings, environment: str, folder: Path) -> str:
    """Return the file of a root whose code is in `folder`; an empty text without functions beside the own one.

    Raises `BadInputError` when the root's own code leaves no way to call its module.
    """
    given = arguments(settings, environment)
    if not given:
        return ""
    call = _call(folder)
    keys = sorted({key for values in given.values() for key in values})
    document: dict[str, Any] = {
        "locals": {LOCAL: {name: _uniform(values, keys) for name, values in given.items()}},
        "module": {
            MODULE: {
                **{name: call.arguments[name].strip('"') for name in _COPIED if name in call.arguments},
                **_providers(call),
                "for_each": f"${{toset({json.dumps(sorted(given))})}}",
                **{key: f"${{local.{LOCAL}[each.key].{key}}}" for key in keys},
                NAME: "${each.key}",
                IMAGE: f"${{var.{IMAGES}[each.key]}}",
            }
        },
        "output": {OUTPUT: {"description": "What each function gives, by its name.", "value": f"${{module.{MODULE}}}"}},
        "variable": {IMAGES: {"description": "The image that each function is created with.", "type": "map(string)"}},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _uniform(values: Mapping[str, Any], keys: list[str]) -> dict[str, Any]:
    """Return arguments with null for those that only other functions have: the module then takes its default."""
    return {key: references.template(values.get(key)) for key in keys}


def _call(folder: Path) -> module_call.ModuleCall:
    call = module_call.read(folder)
    if call is None or "source" not in call.arguments:
        raise BadInputError(
            f'terraform/{folder.name} has no `module "{SERVICE}"` to take the functions\' module from',
            kind="reference-not-passed",
            hint=f"name the call of the service module so in `terraform/{folder.name}/main.tf`, or take "
            "`stepladder.functions` out",
        )
    module = call.module
    if module and module.is_dir() and NAME not in module_call.variables(module):
        raise overrides.old_modules("`stepladder.functions`")
    for path, code in _code(folder):
        declared = re.search(_DECLARED, code)
        if declared:
            block = " ".join(declared[0].split())[:-1].strip()
            raise BadInputError(
                f"terraform/{folder.name}/{path.name} declares {block}, which is what `stepladder.functions` makes",
                kind="name-in-use",
                hint=f"give it another name in `terraform/{folder.name}/{path.name}`",
            )
    return call


def _providers(call: module_call.ModuleCall) -> dict[str, Any]:
    """Return the providers that the project's own call passes on."""
    given = call.arguments.get("providers", "").strip().removeprefix("{").removesuffix("}")
    pairs = dict(module_call.arguments(given.replace(",", "\n")))
    return {"providers": pairs} if pairs else {}


def name_at(lines: Sequence[str], number: int) -> str:
    """Return the name of the function that a line of the file is of; empty when it is of none or of all."""
    for line in reversed(lines[:number]):
        match = re.match(_HEAD, line)
        if match or not line.startswith("      "):
            return match[1] if match else ""
    return ""


def without_own(folder: Path) -> dict[str, Any]:
    """Return what the root's override says of a project whose functions all have names.

    The module's call makes nothing, and an output that was the function's is null. Raises `BadInputError` when other
    code needs the function.
    """
    outputs: dict[str, Any] = {}
    for path, code in _code(folder):
        rest = code
        for name, block, body in _outputs(code):
            value = dict(module_call.arguments(body)).get("value", "")
            if re.search(_ANY_OF_OWN, value):
                given = re.sub(_OWN, rf"one(module.{SERVICE}[*].\1)", value)
                outputs[name] = {"value": f"${{try({given}, null)}}"}
            rest = rest.replace(block, "")
        if re.search(_ANY_OF_OWN, rest):
            raise BadInputError(
                f"terraform/{folder.name}/{path.name} needs module.{SERVICE}, and the project has no function of its "
                "own (`stepladder.main` is false)",
                kind="no-own-function",
                hint=f'let it name one of `module.{MODULE}`, such as module.{MODULE}["mailer"], or take it out',
            )
    return {"module": {SERVICE: {"count": 0}}, "output": outputs}


def _code(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each file of a root's code, without comments."""
    for path in sorted((*folder.glob("*.tf"), *folder.glob("*.tofu"))):
        yield path, "".join(module_call.without_comments(text.read(path)))


def _outputs(code: str) -> Iterator[tuple[str, str, str]]:
    """Yield the outputs of a file's code: each name, the whole block, and its body."""
    for match in re.finditer(_OUTPUT, code):
        body = module_call.expression(code[match.end() :], ends=False)
        yield match[1], code[match.start() : match.end() + len(body) + 1], body
