"""What a plan changes in one resource, attribute by attribute, with no secret in it.

From the `before` and `after` of `terraform show -json` (https://developer.hashicorp.com/terraform/internals/json-format).
Hidden are values that the provider or the code calls sensitive, a function's environment variables, what a name calls a
secret, and what has the shape of one; a sensitive text also where it stands in the midst of another value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from stepladder.settings import secret_values
from stepladder.terraform.secret_texts import SecretTexts

HIDDEN = "(hidden)"
UNKNOWN = "(known after apply)"
ABSENT = "(none)"
_LONGEST = 160
_DEEPEST = 64
"""A text that holds JSON nested deeper than this is hidden as a whole: any part of it may be a secret."""
_VARIABLES = r"(?i)environment(_variables?)?|env|secrets?"
_ALL_TAGS = "tags_all"  # says nothing of a new resource that its tags and the provider's don't say
_NAMES = ("name", "key", "parameter_key", "ParameterKey", "Name", "Key")
_SCRIPTS = ("user_data", "user_data_base64")  # nobody can say what stands in them
_MISSING = object()

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class AttributeChange:
    """One attribute as people read it: `environment[0].variables.MODE`; `forces` says that it forces a replacement."""

    path: str
    before: str
    after: str
    forces: bool = False


@dataclass(frozen=True)
class _Leaf:
    path: Path
    before: Any
    after: Any
    hidden: bool
    unknown: bool


def secrets_of(document: Mapping[str, Any]) -> SecretTexts:
    """Return every sensitive text of a plan: none may be shown, wherever it stands."""
    texts: set[str] = set()
    for change in _changes(document):
        for side in ("before", "after"):
            texts |= set(_sensitive(change.get(side), change.get(f"{side}_sensitive")))
    return SecretTexts(texts)


def _changes(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("resource_changes", "resource_drift"):
        for resource in document.get(kind) or ():
            yield resource.get("change") or {}
    yield from (document.get("output_changes") or {}).values()


def _sensitive(value: Any, marks: Any) -> Iterator[str]:
    if marks is True:
        yield from _texts(value)
    elif isinstance(marks, Mapping) and isinstance(value, Mapping):
        for key in marks:
            yield from _sensitive(value.get(key), marks[key])
    elif isinstance(marks, list) and isinstance(value, list):
        for inner, mark in zip(value, marks, strict=False):
            yield from _sensitive(inner, mark)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        parsed = _document(value)
        if parsed is not None:
            yield from _texts(parsed)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def attributes(change: Mapping[str, Any], secrets: SecretTexts) -> list[AttributeChange]:
    """Return the attributes that differ between `before` and `after`, what forces a replacement first.

    Of what is created or destroyed that is everything that is set and known.
    """
    forcing = [tuple(path) for path in change.get("replace_paths") or ()]
    before, after = change.get("before"), change.get("after")
    leaves = _differences(
        (),
        _MISSING if before is None else before,
        _MISSING if after is None else after,
        _Marks(change.get("before_sensitive"), change.get("after_sensitive"), change.get("after_unknown")),
    )
    one_sided = before is None or after is None
    changes = []
    for leaf in leaves:
        unset = leaf.unknown or (leaf.before in _UNSET and leaf.after in _UNSET)
        if one_sided and (unset or leaf.path[:1] == (_ALL_TAGS,)):
            continue
        forces = any(leaf.path[: len(path)] == path or path[: len(leaf.path)] == leaf.path for path in forcing)
        hidden = leaf.hidden
        changes.append(
            AttributeChange(
                path_text(leaf.path),
                _shown(leaf.before, secrets, hidden=hidden),
                UNKNOWN if leaf.unknown else _shown(leaf.after, secrets, hidden=hidden),
                forces,
            )
        )
    return sorted(changes, key=lambda each: (not each.forces, each.after == UNKNOWN))


_UNSET: tuple[Any, ...] = (None, "", [], {}, _MISSING)


@dataclass(frozen=True)
class _Marks:
    """What is said of a value beside it: sensitive before, sensitive after, unknown after."""

    before: Any
    after: Any
    unknown: Any

    def at(self, key: str | int) -> _Marks:
        return _Marks(_inner(self.before, key), _inner(self.after, key), _inner(self.unknown, key))

    @property
    def sensitive(self) -> bool:
        return self.before is True or self.after is True


def _inner(marks: Any, key: str | int) -> Any:
    if marks is True:
        return True
    if isinstance(marks, Mapping):
        return marks.get(key)
    if isinstance(marks, list) and isinstance(key, int) and key < len(marks):
        return marks[key]
    return None


def _differences(path: Path, before: Any, after: Any, marks: _Marks) -> Iterator[_Leaf]:
    unknown = marks.unknown is True
    if before == after and not unknown:
        return
    if _is_deep(before) or _is_deep(after):
        yield _Leaf(path, before, after, hidden=True, unknown=unknown)
        return
    if marks.sensitive or unknown or _is_whole(before, after):
        yield _Leaf(path, before, after, marks.sensitive or _is_secret(path, before, after), unknown)
        return
    old, new = _parsed(before), _parsed(after)
    if (old, new) != (before, after):
        yield from _differences(path, old, new, _NO_MARKS)
        return
    if isinstance(before, list) or isinstance(after, list):
        rows = [each if isinstance(each, list) else [] for each in (before, after)]
        unknowns = marks.unknown if isinstance(marks.unknown, list) else []
        keys: Iterable[str | int] = range(max(*map(len, rows), len(unknowns)))
    else:
        sides = [each if isinstance(each, Mapping) else {} for each in (before, after)]
        known = marks.unknown if isinstance(marks.unknown, Mapping) else {}
        keys = sorted({*sides[0], *sides[1], *known})
    for key in keys:
        inner = _HIDDEN_MARKS if key == "value" and _names_secret(before, after) else marks.at(key)
        yield from _differences((*path, key), _item(before, key), _item(after, key), inner)


_NO_MARKS = _Marks(None, None, None)
_HIDDEN_MARKS = _Marks(before=True, after=True, unknown=None)


def _names_secret(*sides: Any) -> bool:
    """Say whether a block names a secret beside its value: `{name = "DB_PASSWORD", value = "..."}`."""
    names = [str(side.get(key)) for side in sides if isinstance(side, Mapping) for key in _NAMES if side.get(key)]
    return any(map(secret_values.is_secret_name, names))


def _item(value: Any, key: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(str(key), _MISSING)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return _MISSING


def _is_whole(before: Any, after: Any) -> bool:
    """Say whether two values are shown as they are: texts and numbers, lists of those, and what has no parts alike."""
    nothing: tuple[Any, ...] = (None, _MISSING, "", [], {})
    parts = [value for value in (before, after) if value not in nothing]
    kinds = {type(_parsed(value)) for value in parts}
    return len(kinds) != 1 or all(_is_plain(value) for value in parts)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(not isinstance(inner, Mapping | list) for inner in value)
    return not isinstance(_parsed(value), Mapping | list)


def _is_deep(value: Any) -> bool:
    """Say whether a text, or one of a list, may hold JSON that is nested too deep to be gone through."""
    if isinstance(value, list):
        return any(isinstance(inner, str) and _is_deep(inner) for inner in value)
    if not isinstance(value, str) or value[:1] not in {"{", "["} or value.count("{") + value.count("[") <= _DEEPEST:
        return False
    depths = accumulate((character in "{[") - (character in "}]") for character in value)
    return max(depths, default=0) > _DEEPEST


def _parsed(value: Any) -> Any:
    """Return what a text holds as JSON, as policies do; any other value as it is."""
    parsed = _document(value)
    return value if parsed is None else parsed


def _document(value: Any) -> Any:
    """Return the mapping or list that a text holds as JSON; None for any other value."""
    if not isinstance(value, str) or value[:1] not in {"{", "["} or _is_deep(value):
        return None
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, Mapping | list) else None


def _is_secret(path: Path, *values: Any) -> bool:
    """Say whether a value may not be shown: of an environment variable, or by its name or shape a secret."""
    names = [part for part in path if isinstance(part, str)]
    in_variables = any(re.fullmatch(_VARIABLES, name) for name in names[:-1])
    if (in_variables and names[-1] not in _NAMES) or (names and names[-1] in _SCRIPTS):
        return True
    texts = [text for value in values for text in _texts(value)]
    return any(secret_values.why(names[-1] if names else "", text) for text in texts)


def path_text(path: Path) -> str:
    """Return a path as Terraform writes it."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _shown(value: Any, secrets: SecretTexts, *, hidden: bool) -> str:
    if value is _MISSING or value is None:
        return ABSENT
    if hidden:
        return HIDDEN
    if not _is_plain(value):
        return "{…}"  # with parts of its own, any of which may be a secret
    text = secrets.hide(json.dumps(value, ensure_ascii=False), HIDDEN)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text) - _LONGEST} more characters)"
