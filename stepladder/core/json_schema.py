"""JSON Schemas (draft 2020-12) of what Python types become as JSON: dataclasses, typed dictionaries, what is in them.

A schema allows keys that it doesn't list, since a later version may add some. https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def schema_of(hint: Any, definitions: dict[str, Schema]) -> Schema:
    """Return the schema of a type. Those with a name go into `definitions`, once each.

    A dataclass's field may say by its metadata what it becomes (`json`), what it is (`about`), and that it may be
    missing (`optional`).
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Annotated, NotRequired, Required}:
        described = {"description": arguments[1]} if origin is Annotated else {}
        return {**schema_of(arguments[0], definitions), **described}
    if origin in {Union, types.UnionType}:
        return _any_of([schema_of(each, definitions) for each in arguments])
    if is_dataclass(hint) or is_typeddict(hint):
        return _reference(hint, definitions)
    return _scalar(hint) if origin in {None, Literal} else _container(hint, definitions)


def _scalar(hint: Any) -> Schema:
    if hint in {Any, object}:
        return {}
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [each.value for each in hint]}
    return {"type": _SCALARS.get(hint, "string")}  # a path, a moment: what is no JSON is written as its text


def _any_of(schemas: list[Schema]) -> Schema:
    if all(each.keys() == {"type"} for each in schemas):
        return {"type": [each["type"] for each in schemas]}
    return {"anyOf": schemas}


def _container(hint: Any, definitions: dict[str, Schema]) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(arguments[1], definitions)}
    if issubclass(origin, tuple) and arguments[-1] is not ...:
        items = [schema_of(each, definitions) for each in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    return {"type": "array", "items": schema_of(arguments[0], definitions)}


def _reference(kind: Any, definitions: dict[str, Schema]) -> Schema:
    name = kind.__name__
    if name not in definitions:
        definitions[name] = {}  # one that holds its own kind ends here
        definitions[name] = _object(kind, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _object(kind: Any, definitions: dict[str, Schema]) -> Schema:
    hints = get_type_hints(kind, include_extras=True)
    if is_dataclass(kind):
        metadata = {each.name: each.metadata for each in fields(kind)}
        hints = {name: each.get("json", hints[name]) for name, each in metadata.items()}
        required = [name for name in hints if not metadata[name].get("optional")]
    else:
        metadata, required = {}, [name for name, hint in hints.items() if _is_required(hint, total=kind.__total__)]
    properties = {name: schema_of(hint, definitions) for name, hint in hints.items()}
    for name, each in metadata.items():
        if each.get("about"):
            properties[name]["description"] = each["about"]
    described = {"description": " ".join(kind.__doc__.split())} if kind.__doc__ else {}
    return {"type": "object", **described, "properties": properties, "required": required}


def _is_required(hint: Any, *, total: bool) -> bool:
    """Say whether a key must be there. `__required_keys__` knows it only where annotations aren't texts."""
    origin = get_origin(hint)
    return origin is Required or (total and origin is not NotRequired)
