"""Which environment variables a project's service root makes itself, beside those of invoke.yaml.

    environment_variables = merge(var.environment_variables, { TABLE = aws_dynamodb_table.orders.name })

Only names are read; values are Terraform's to know. HCL is read as far as this line needs it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from stepladder.core import text
from stepladder.terraform import module_call

_ARGUMENT = r"(?m)^[ \t]*environment_variables[ \t]*=(?!=)"
_KEY = r'(?:^|[,\n])\s*(?:"([A-Za-z_]\w*)"|([A-Za-z_]\w*))\s*[=:](?![=>])'
_QUOTED = r'"[A-Za-z_]\w*"'
_PLAIN = r"merge|var\.environment_variables|[\s(),]"


@dataclass(frozen=True)
class Made:
    """What the root makes: names, and whether there may be others whose names stand elsewhere (a local, a module)."""

    names: frozenset[str] = frozenset()
    others: bool = False

    def __bool__(self) -> bool:
        return bool(self.names) or self.others


def read(root: Path) -> Made:
    """Read `terraform/service/*.tf` of a project. A file that can't be read says nothing."""
    names: set[str] = set()
    others = False
    for path in sorted((root / "terraform" / "service").glob("*.tf")):
        code = "".join(module_call.without_comments(text.read(path)))
        for match in re.finditer(_ARGUMENT, code):
            objects, rest = _split(module_call.expression(code[match.end() :]))
            for body in objects:
                names.update(first or second for first, second in re.findall(_KEY, body))
            others = others or bool(re.sub(_PLAIN, "", rest)) or any(re.match(r"\s*for\s", body) for body in objects)
    return Made(frozenset(names), others)


def _split(expression: str) -> tuple[list[str], str]:
    """Return what stands in the outermost braces, without what those hold in brackets, and the rest."""
    objects: list[str] = []
    rest: list[str] = []
    open_brackets: list[str] = []
    for token in re.finditer(module_call.TOKEN, expression):
        sign = token["sign"] or ""
        if sign in ("}", ")", "]") and open_brackets:
            open_brackets.pop()
        inside = "{" in open_brackets
        if inside and open_brackets[-1] == "{" and open_brackets.count("{") == 1:
            objects[-1] += '""' if token["text"] and not re.fullmatch(_QUOTED, token[0]) else token[0]
        elif not inside and sign not in ("{", "}"):
            rest.append(token[0])
        if sign in ("{", "(", "["):
            if sign == "{" and not inside:
                objects.append("")
            open_brackets.append(sign)
    return objects, "".join(rest)
