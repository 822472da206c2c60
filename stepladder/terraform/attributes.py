"""Which attributes a planned change gives other values, as paths and short texts that hold no secret.

A plan in JSON (https://developer.hashicorp.com/terraform/internals/json-format#change-representation) holds every value
in clear, sensitive ones too, and says beside them which those are. Providers don't mark all that is secret: variables
of an environment are kept back by their place, and other values by their name or shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stepladder.core.display import cut, one_line
from stepladder.settings import secret_values

HIDDEN = "(hidden)"
UNKNOWN = "(known after apply)"
NONE = "none"
_LONGEST = 160
_KEPT_BACK = re.compile(
    r"(environment|env|environment_?variables?|variables|user_?data(_base64)?|parameters)", re.IGNORECASE
)
"""Attributes whose content is kept back whatever it looks like."""
_TAGS = frozenset({"tags", "tags_all"})
_INDEX = re.compile(r"\[.*?\]$")


@dataclass(frozen=True)
class Attribute:
    """One attribute: its path such as `environment[0].variables.TABLE`, and its values as a person may see them."""

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}: {self.before} -> {self.after}"

    @property
    def is_known(self) -> bool:
        """Whether Terraform knows the new value before it applies."""
        return self.after != UNKNOWN


def changed(change: Mapping[str, Any]) -> tuple[Attribute, ...]:
    """Return the attributes in which a change (`resource_changes[].change`) differs, by path."""
    marks = (change.get("before_sensitive") or False, change.get("after_sensitive") or False)
    walk = _differences("", change.get("before"), change.get("after"), change.get("after_unknown") or False, marks)
    changes = {each[0]: _attribute(*each) for each in walk}
    for path in [path for path in changes if path.startswith("tags_all.")]:
        # The AWS provider shows a tag twice: `tags_all` also has what the provider itself adds.
        each = changes.pop(path)
        name = path.replace("tags_all", "tags", 1)
        changes[name] = Attribute(name, each.before, each.after)
    return tuple(sorted(changes.values(), key=lambda each: each.path))


_Difference = tuple[str, Any, Any, bool, bool]


def _differences(path: str, before: Any, after: Any, unknown: Any, marks: tuple[Any, Any]) -> Iterator[_Difference]:
    """Yield path, both values, whether the new one is unknown, and whether one of them is sensitive."""
    sensitive = marks[0] is True or marks[1] is True
    if unknown is True:
        yield path, before, None, True, sensitive
        return
    if before == after and not _any_unknown(unknown):
        return
    if sensitive:
        yield path, before, after, False, True
        return
    before, after = _parsed(before, after)
    if isinstance(before or after, Mapping) and isinstance(after or {}, Mapping) and isinstance(before or {}, Mapping):
        for key in sorted(
            {*(before or {}), *(after or {}), *(unknown if isinstance(unknown, Mapping) else ())}, key=str
        ):
            yield from _differences(
                f"{path}.{key}" if path else str(key),
                (before or {}).get(key),
                (after or {}).get(key),
                _at(unknown, key),
                (_at(marks[0], key), _at(marks[1], key)),
            )
    elif _is_blocks(before) and _is_blocks(after) and (before or after):
        for index in range(max(len(before or ()), len(after or ()))):
            yield from _differences(
                f"{path}[{index}]",
                _at(before, index, None),
                _at(after, index, None),
                _at(unknown, index),
                (_at(marks[0], index), _at(marks[1], index)),
            )
    else:
        yield path, before, after, False, _any_true(marks[0]) or _any_true(marks[1])


def _parsed(before: Any, after: Any) -> tuple[Any, Any]:
    """Return two documents of JSON as data, so that a policy shows the statement that differs; others as they are."""
    if not (isinstance(before, str) and isinstance(after, str)):
        return before, after
    try:
        old, new = json.loads(before), json.loads(after)
    except ValueError:
        return before, after
    return (old, new) if type(old) is type(new) and isinstance(old, (dict, list)) and old != new else (before, after)


def _is_blocks(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, (Mapping, list)) for item in value))


def _at(value: Any, key: Any, default: Any = False) -> Any:
    """Return what is at a key or an index of marks or values; a mark of the whole holds for its parts."""
    if value is True:
        return True
    if isinstance(value, Mapping):
        return value.get(key, default)
    if isinstance(value, list) and isinstance(key, int):
        return value[key] if key < len(value) else default
    return default


def _any_true(mark: Any) -> bool:
    if isinstance(mark, Mapping):
        return any(map(_any_true, mark.values()))
    return any(map(_any_true, mark)) if isinstance(mark, list) else mark is True


_any_unknown = _any_true


def _attribute(path: str, before: Any, after: Any, unknown: bool, sensitive: bool) -> Attribute:
    hidden = sensitive or _is_kept_back(path)
    return Attribute(path, _text(path, before, hidden), UNKNOWN if unknown else _text(path, after, hidden))


def _is_kept_back(path: str) -> bool:
    words = [_INDEX.sub("", word) for word in path.split(".")]
    return words[0] not in _TAGS and any(map(_KEPT_BACK.fullmatch, words))


def _text(path: str, value: Any, hidden: bool) -> str:
    if value is None:
        return NONE
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    name = _INDEX.sub("", path.rpartition(".")[2])
    if hidden or secret_values.why(name, text) or _holds_secret(value):
        return HIDDEN
    return cut(one_line(text), _LONGEST) or '""'


def _holds_secret(value: Any, name: str = "") -> bool:
    """Say whether any text inside a value looks like a secret, by its own name or shape."""
    if isinstance(value, Mapping):
        return any(_KEPT_BACK.fullmatch(str(key)) or _holds_secret(each, str(key)) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return any(_holds_secret(each, name) for each in value)
    return isinstance(value, str) and bool(secret_values.why(name, value))
