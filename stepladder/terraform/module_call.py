"""The service root's call of its module, as far as references in the settings need it: what each argument says.

HCL is read by its brackets, texts and comments; no expression is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from stepladder.core import text
from stepladder.core.records import dataclass

MODULE = "service"
TOKEN = r'(?s)(?P<comment>(?:#|//)[^\n]*|/\*.*?\*/)|(?P<text>"(?:\\.|[^"\\])*")|(?P<sign>.|\n)'  # noqa: S105 - a pattern
_VARIABLE = r'(?m)^[ \t]*variable\s+"?([\w-]+)'
_NAME = r"\s*([A-Za-z_][\w-]*)[ \t]*=(?!=)"


@dataclass(frozen=True)
class ModuleCall:
    """A call of the module: the file that holds it, and its arguments' expressions by name."""

    path: Path
    arguments: dict[str, str]

    @property
    def module(self) -> Path | None:
        """The folder of the module; None when it isn't a folder of the project."""
        source = self.arguments.get("source", "").strip('"')
        return self.path.parent / source if source.startswith(".") else None


def read(folder: Path, module: str = MODULE) -> ModuleCall | None:
    """Return the call of the module in a root's folder; None when there is none."""
    block = re.compile(rf'^[ \t]*module\s+"?{module}"?\s*\{{', re.MULTILINE)
    for path in sorted(folder.glob("*.tf")):
        code = "".join(without_comments(text.read(path)))
        match = block.search(code)
        if match:
            return ModuleCall(path, dict(arguments(expression(code[match.end() :], ends=False))))
    return None


def variables(folder: Path) -> frozenset[str]:
    """Return the names of the variables that a folder's code declares."""
    return frozenset(name for path in folder.glob("*.tf") for name in re.findall(_VARIABLE, text.read(path)))


def without_comments(code: str) -> Iterator[str]:
    """Yield the code's pieces, and nothing for a comment."""
    for token in re.finditer(TOKEN, code):
        yield "" if token["comment"] else token[0]


def expression(code: str, *, ends: bool = True) -> str:
    """Return the expression at the beginning: to the end of its line, or of the bracket that it opens.

    Unless it `ends` so, it goes on to the bracket that closes what was opened before it.
    """
    depth = 0
    for token in re.finditer(TOKEN, code):
        sign = token["sign"] or ""
        depth += (sign in "([{") - (sign in ")]}") if sign else 0
        if depth < 0 or (ends and sign == "\n" and depth == 0 and code[: token.start()].strip()):
            return code[: token.start()]
    return code


def arguments(body: str) -> Iterator[tuple[str, str]]:
    """Yield the arguments of a block's body: each name and its expression."""
    position = 0
    while position < len(body):
        match = re.compile(_NAME).match(body, position)
        if match:
            value = expression(body[match.end() :])
            yield match[1], value.strip()
            position = match.end() + len(value)
        else:
            line = expression(body[position:])
            position += len(line) + 1
