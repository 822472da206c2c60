"""Say what is wrong with a file of settings that Invoke couldn't read, and in which line.

Invoke opens `invoke.yaml` itself and explains no error of it. This module reads the same file once more, node by node.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from stepladder.core import text
from stepladder.core.errors import BadInputError

_PREFIX = "tag:yaml.org,2002:"
_NO_NAME = {f"{_PREFIX}{kind}" for kind in ("bool", "int", "float", "null", "timestamp", "binary")}
_MERGE = "<<"
_READ_AS_IS = "read by Invoke as it is: save it as UTF-8"


def problems(path: Path) -> tuple[str, ...]:
    """Return what is wrong with a YAML or JSON file of settings, each with its line; nothing when it can be read."""
    try:
        if path.suffix == ".json":
            text.read_json(path, where=str(path))
            return ()
        content = text.read(path, where=str(path))
        if path.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return (f"{path}: is UTF-16, and {_READ_AS_IS}",)
        return tuple(f"{path}, line {line + 1}: {what}" for line, what in _of_yaml(content))
    except BadInputError as error:
        return (error.message,)
    except OSError as error:
        return (f"{path}: {error.strerror}",)
    except RecursionError:
        return (f"{path}: is nested too deep",)


def repeated(path: Path) -> tuple[str, ...]:
    """Return the keys that a mapping of a YAML file has twice, each with its line: YAML would take the last of them.

    A file that isn't there, or can't be read, has none: Invoke has said so.
    """
    try:
        content = text.read(path, where=str(path))
    except (BadInputError, OSError):
        return ()
    return tuple(f"{path}, line {line + 1}: {what}" for line, what in _repeated_in(content))


@cache  # a command reads the settings once for each environment
def _repeated_in(content: str) -> tuple[tuple[int, str], ...]:
    import yaml

    try:
        return tuple(_repeated(yaml.compose(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), set()))
    except (RecursionError, yaml.YAMLError):
        return ()


def _repeated(node: Any, seen: set[int]) -> Iterator[tuple[int, str]]:
    if node is None or not isinstance(node.value, list) or id(node) in seen:
        return
    seen.add(id(node))
    lines: dict[str, int] = {}
    for child in node.value:
        key, value = child if isinstance(child, tuple) else (None, child)
        name = key.value if key is not None and isinstance(key.value, str) else _MERGE
        if name != _MERGE and name in lines:
            yield key.start_mark.line, f"the key {name} is in line {lines[name] + 1} already; allowed: once"
        elif name != _MERGE:
            lines[name] = key.start_mark.line
        yield from _repeated(value, seen)


def _of_yaml(content: str) -> Iterator[tuple[int, str]]:
    from invoke.util import yaml

    try:
        loader = yaml.SafeLoader(content)
        yield from _of_node(loader.get_single_node(), loader, {})
    except yaml.YAMLError as error:
        yield _position(error, content)


def _position(error: Any, content: str) -> tuple[int, str]:
    """Return the line (from 0) of an error of YAML, and what is wrong with it."""
    mark = getattr(error, "problem_mark", None)
    if mark:
        return mark.line, error.problem or "is not YAML"
    position = getattr(error, "position", 0)  # a character that YAML doesn't allow
    what = getattr(error, "reason", "") or type(error).__name__
    return content.count("\n", 0, position), f"{what}: {content[position : position + 1]!r}"


def _of_node(node: Any, loader: Any, seen: dict[int, bool]) -> Iterator[tuple[int, str]]:
    """Yield what is wrong below a node; `seen` says of each node by its id whether it was left again."""
    if node is None or seen.get(id(node)):  # the anchor's own line names it
        return
    if id(node) in seen:
        yield node.start_mark.line, "an alias of something that it is part of"
        return
    seen[id(node)] = False
    children = node.value if isinstance(node.value, list) else ()
    for child in children:
        if isinstance(child, tuple):
            yield from _of_key(child[0])
            yield from _of_node(child[1], loader, seen)
        else:
            yield from _of_node(child, loader, seen)
    if isinstance(node.value, str):
        try:
            loader.construct_object(node)
        except ValueError as error:  # a date that isn't in the calendar
            yield node.start_mark.line, f"{node.value} can't be read: {error}; write it in quotes if it is text"
    seen[id(node)] = True


def _of_key(key: Any) -> Iterator[tuple[int, str]]:
    if not isinstance(key.value, str):
        yield key.start_mark.line, "a key must be text"
    elif key.tag in _NO_NAME:
        kind = key.tag.removeprefix(_PREFIX)
        yield key.start_mark.line, f'the key {key.value} is no text to YAML but a {kind}; write it as "{key.value}"'
