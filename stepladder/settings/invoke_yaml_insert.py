"""Add an entry to `invoke.yaml` as text, so that comments, order and quotes stay as a person has written them.

The file is read by YAML only to know where a mapping ends. What comes of it is read again: it has to be what was there
and the new entry, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

TOP, FUNCTIONS = "stepladder", "functions"


def function(content: str, name: str, lines: Sequence[str]) -> str:
    """Return the file with an entry for a function below `stepladder.functions`; empty when that can't be done safely.

    `lines` are the lines of YAML below the name, indented as if the name stood at the margin.
    """
    from invoke.util import yaml

    try:
        before, top = yaml.safe_load(content), _child(yaml.compose(content, Loader=yaml.SafeLoader), TOP)
        if not _is_block(top):
            return ""
        functions = _child(top, FUNCTIONS)
        if functions is None:
            column = top.value[0][0].start_mark.column
            entry = [f"{FUNCTIONS}:", f"  {key(name)}:", *(f"    {line}" for line in lines)]
            after = _with(content, _last_line(top), column, entry)
        elif _is_block(functions):
            column = functions.value[0][0].start_mark.column
            after = _with(content, _last_line(functions), column, [f"{key(name)}:", *(f"  {line}" for line in lines)])
        else:
            return ""
        added = {name: yaml.safe_load("\n".join(lines))}
        wanted = {**before[TOP], FUNCTIONS: {**(before[TOP].get(FUNCTIONS) or {}), **added}}
        return after if yaml.safe_load(after) == {**before, TOP: wanted} else ""
    except (yaml.YAMLError, AttributeError, TypeError, ValueError, RecursionError):
        return ""


def key(name: str) -> str:
    """Return a name as YAML reads it as text: `on` and `null` are none without quotes."""
    from invoke.util import yaml

    return name if yaml.safe_load(name) == name else f'"{name}"'


def _child(node: Any, name: str) -> Any:
    pairs = node.value if node is not None and isinstance(node.value, list) else []
    return next((value for key, value in pairs if key.value == name), None)


def _is_block(node: Any) -> bool:
    """Say whether a mapping has its entries on lines of their own, and any."""
    return bool(getattr(node, "value", None)) and isinstance(node.value, list) and not node.flow_style


def _last_line(node: Any) -> int:
    """Return the line (from 0) of a mapping's last entry, whatever comments follow."""
    return max(_ends(node))


def _ends(node: Any) -> Iterator[int]:
    if isinstance(node.value, list) and not node.flow_style:
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                yield from _ends(part)
    else:
        end = node.end_mark
        yield end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line


def _with(content: str, line: int, column: int, entry: Sequence[str]) -> str:
    lines = content.splitlines(keepends=True)
    newline = "\r\n" if "\r\n" in content else "\n"
    if not lines[line].endswith("\n"):
        lines[line] += newline
    return "".join((*lines[: line + 1], *(f"{' ' * column}{each}{newline}" for each in entry), *lines[line + 1 :]))
