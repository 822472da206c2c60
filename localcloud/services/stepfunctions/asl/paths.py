"""JSONPath and payload templates.

Paths: `$.a['b'][0][-1][*]..c[1:3]`, `$$` for the context object, `$name` for a variable. Filters go to jsonpath-ng.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.services.stepfunctions.asl.errors import runtime_error

STEP = re.compile(
    r"""\.\.(?P<deep>[\w-]+|\*)|\.(?P<name>[\w-]+|\*)|\[(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")\]"""
    r"""|\[(?P<index>-?\d+)\]|\[(?P<star>\*)\]|\[(?P<slice>-?\d*:-?\d*)\]"""
)
MISSING = object()


class Scope:
    """What paths can see: the state's input, the context object, variables."""

    def __init__(self, data: Any, context: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        self.data = data
        self.context = context
        self.variables = variables

    def with_data(self, data: Any) -> Scope:
        """Return the same scope over other data."""
        return Scope(data, self.context, self.variables)

    def find(self, path: str) -> Any:
        """Return what a path finds, `MISSING` when nothing. A path that may find several returns a list."""
        if path.startswith("$$"):
            root, rest = self.context, path[2:]
        elif path.startswith("$") and re.match(r"\$[A-Za-z_]", path):
            name = re.match(r"\$(\w+)", path)[1]  # type: ignore[index]  # it matched just above
            if name not in self.variables:
                return MISSING
            root, rest = self.variables[name], path[len(name) + 1 :]
        elif path.startswith("$"):
            root, rest = self.data, path[1:]
        else:
            raise runtime_error(f"{path!r} is not a path")
        return _walk(root, rest)

    def get(self, path: str) -> Any:
        """Return what a path finds. Nothing is `States.Runtime`."""
        value = self.find(path)
        if value is MISSING:
            raise runtime_error(f"The JSONPath '{path}' could not be found in the input '{_short(self.data)}'")
        return value


@functools.cache
def _steps(path: str) -> tuple[tuple[str, str], ...] | None:
    """Split a path into steps, or None when it needs jsonpath-ng."""
    steps, at = [], 0
    while at < len(path):
        match = STEP.match(path, at)
        if not match:
            return None
        kind = str(match.lastgroup)
        steps.append((kind, match.group(kind)))
        at = match.end()
    return tuple(steps)


def _walk(root: Any, path: str) -> Any:
    steps = _steps(path)
    if steps is None:
        return _with_library(root, f"${path}")
    several = any(kind in ("deep", "star", "slice") or value == "*" for kind, value in steps)
    nodes = [root]
    for kind, value in steps:
        nodes = [item for node in nodes for item in _children(node, kind, value)]
    if several:
        return nodes
    return nodes[0] if nodes else MISSING


def _children(node: Any, kind: str, value: str) -> list[Any]:
    if kind == "deep":
        return _deep(node, value)
    if value == "*":
        return list(node.values()) if isinstance(node, dict) else list(node) if isinstance(node, list) else []
    if kind == "index":
        number = int(value)
        return [node[number]] if isinstance(node, list) and -len(node) <= number < len(node) else []
    if kind == "slice":
        first, last = (int(part) if part else None for part in value.split(":"))
        return list(node[first:last]) if isinstance(node, list) else []
    return [node[value]] if isinstance(node, dict) and value in node else []


def _deep(node: Any, name: str) -> list[Any]:
    nodes: list[Any] = []
    if isinstance(node, dict):
        nodes += [v for k, v in node.items() if name in (k, "*")]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        nodes += _deep(child, name)
    return nodes


@functools.cache
def _parsed(path: str) -> Any:
    from jsonpath_ng.ext import parser

    return parser.parse(path)


def _with_library(root: Any, path: str) -> Any:
    try:
        matches = _parsed(path).find(root)
    except Exception as error:
        raise runtime_error(f"Invalid path '{path}': {error}") from error
    return [match.value for match in matches]


def put(data: Any, path: str | None, value: Any) -> Any:
    """Return `data` with `value` at a reference path (ResultPath). None for the path keeps `data`."""
    if path is None:
        return data
    if path == "$":
        return value
    steps = _steps(path[1:])
    if steps is None or any(kind in ("deep", "star", "slice") or name == "*" for kind, name in steps):
        raise runtime_error(f"'{path}' is not a reference path")
    root = copy.deepcopy(data) if isinstance(data, dict | list) else {}
    node: Any = root
    for (kind, name), following in zip(steps, [*steps[1:], None], strict=True):
        key: Any = int(name) if kind == "index" else name
        fits = isinstance(node, list) and kind == "index" and key < len(node)
        if not fits and not (isinstance(node, dict) and kind != "index"):
            raise runtime_error(f"Unable to apply ReferencePath {path} to input {_short(data)}")
        if following is None:
            node[key] = value
        else:
            if not isinstance(node[key] if fits else node.get(key), dict | list):
                node[key] = {}
            node = node[key]
    return root


def template(raw: Any, scope: Scope, intrinsic: Callable[[str, Scope], Any]) -> Any:
    """Fill a payload template: fields whose names end in `.$` are paths or intrinsic functions."""
    if isinstance(raw, list):
        return [template(item, scope, intrinsic) for item in raw]
    if not isinstance(raw, dict):
        return raw
    filled: dict[str, Any] = {}
    for name, value in raw.items():
        if name.endswith(".$"):
            if not isinstance(value, str):
                raise runtime_error(f"The value for the field '{name}' must be a valid JSONPath or intrinsic function")
            result = scope.get(value) if value.startswith("$") else intrinsic(value, scope)
            filled[name[:-2]] = copy.deepcopy(result)
        else:
            filled[name] = template(value, scope, intrinsic)
    return filled


def _short(data: Any) -> str:
    import json

    return json.dumps(data)[:1000]
