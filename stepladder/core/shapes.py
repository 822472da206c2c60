"""Read JSON that another job or version wrote into dataclasses: each value has the type of its field, or it is refused.

JSON of the right names and wrong types would fail later, amid something that must not fail.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def build(kind: type[T], raw: object, where: str = "") -> T:
    """Return the dataclass of a kind that a JSON object holds. Raises `ValueError` with the place of what is wrong.

    A field with a default may be left out. What the kind doesn't know is refused: a newer version may mean by it that
    the rest is to be read in another way.
    """
    values = _checked(raw, dict, where or "it", "object")
    hints = get_type_hints(kind)
    known = fields(kind)  # type: ignore[arg-type]
    if unknown := sorted(map(str, values.keys() - {each.name for each in known})):
        raise ValueError(f"{where or 'it'} has {', '.join(unknown[:3])}, which this version does not know")
    made = {}
    for each in known:
        location = f"{where}.{each.name}" if where else each.name
        if each.name in values:
            made[each.name] = _value(hints[each.name], values[each.name], location)
        elif each.default is MISSING and each.default_factory is MISSING:
            raise ValueError(f"{location} is missing")
    return kind(**made)


def _value(hint: Any, raw: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {types.UnionType, Union}:
        others = [each for each in arguments if each is not types.NoneType]
        return None if raw is None else _value(others[0], raw, where)
    if origin is tuple:
        items = _checked(raw, list | tuple, where, "list")
        return tuple(_value(arguments[0], each, f"{where}[{number}]") for number, each in enumerate(items))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        items = _checked(raw, dict, where, "object")
        return {key: _value(arguments[1], each, f"{where}.{key}") for key, each in items.items()}
    if is_dataclass(hint):
        return build(hint, raw, where)  # type: ignore[arg-type]
    value = _checked(raw, hint, where, hint.__name__)
    if isinstance(value, bool) and hint is not bool:
        raise ValueError(f"{where} is no {hint.__name__}")
    return value


def _checked(raw: Any, kind: Any, where: str, name: str) -> Any:
    if isinstance(raw, kind):
        return raw
    raise ValueError(f"{where} is no {name}")
