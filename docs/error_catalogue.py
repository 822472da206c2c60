"""Make docs/reference/errors.md: what each kind of error means (docs/errors.yaml), and what the code says of it.

Messages and hints are read out of the code, so that none is left out and none stands twice.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markdown_tables import markdown_table

from stepladder.core.errors import ExitCode, StepladderError

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("stepladder", "localcloud")
BASE = StepladderError.__name__

HEAD = """# Errors

Written by `docs/generate.py` from `docs/errors.yaml` and the code; a test compares.

An error ends with its kind in brackets: `error: nothing is live on staging [nothing-live]`. `inv explain nothing-live`
prints that kind's entry, and `inv explain` lists the kinds. `--json` has the kind as `error_kind`. In the tables
`<name>` stands for what the command fills in.
"""


@dataclass(frozen=True)
class ErrorClass:
    """A subclass of StepladderError: its kind and its exit code, which it may have from its base."""

    name: str
    kind: str
    exit_code: int


@dataclass(frozen=True)
class Raised:
    """One place that makes an error: where, of which kind, and with which words; `<name>` is filled in later."""

    where: str
    kind: str
    exit_code: int
    message: str
    hint: str


def kinds() -> dict[str, dict[str, dict[str, str]]]:
    """Return the table of kinds, by section."""
    table: dict[str, dict[str, dict[str, str]]] = yaml.safe_load((ROOT / "docs" / "errors.yaml").read_text("utf-8"))
    return table


@functools.cache
def _modules() -> tuple[tuple[str, ast.Module], ...]:
    return tuple(_parsed())


def _parsed() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text("utf-8"))


@functools.cache
def classes() -> dict[str, ErrorClass]:
    """Return every error class of the code by its name."""
    bodies = {node.name: node for _, tree in _modules() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    found: dict[str, ErrorClass] = {}

    def add(name: str) -> ErrorClass | None:
        node = bodies.get(name)
        if name in found or node is None:
            return found.get(name)
        bases = [base for each in node.bases if isinstance(each, ast.Name) and (base := add(each.id))]
        if not bases and name != BASE:
            return None
        own = _attributes(node)
        code = own["exit_code"].rpartition(".")[2] if "exit_code" in own else ""
        found[name] = ErrorClass(
            name,
            own["kind"].strip("'") if "kind" in own else bases[0].kind,
            int(ExitCode[code]) if code else bases[0].exit_code,
        )
        return found[name]

    for name in bodies:
        add(name)
    return found


def _attributes(node: ast.ClassDef) -> dict[str, str]:
    own = {}
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value:
            own[line.target.id] = ast.unparse(line.value)
        elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            own[line.targets[0].id] = ast.unparse(line.value)
    return own


@functools.cache
def raised() -> list[Raised]:
    """Return every place that makes an error, in the order of the files."""
    known = classes()
    return [
        _raised(f"{path}:{node.lineno}", node, known[node.func.id])
        for path, tree in _modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known and node.args
    ]


def _raised(where: str, call: ast.Call, kind: ErrorClass) -> Raised:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    own = given.get("kind")
    return Raised(
        where,
        str(own.value) if isinstance(own, ast.Constant) else kind.kind,
        kind.exit_code,
        words(call.args[0]),
        words(given.get("hint")),
    )


def words(node: ast.AST | None) -> str:  # noqa: PLR0911 - one for each form of a text
    """Return a text of the code as people read it; what is only known when it is made stands in angle brackets."""
    match node:
        case None:
            return ""
        case ast.Constant(value):
            return str(value)
        case ast.JoinedStr(parts):
            return "".join(map(words, parts))
        case ast.FormattedValue(value) | ast.Call(ast.Name("short" | "str"), [value]):
            return words(value)
        case ast.IfExp(_, one, other):
            return " / ".join(filter(None, (words(one), words(other))))
        case ast.BinOp(left, ast.Add(), right):
            return words(left) + words(right)
        case ast.BoolOp(_, [*_, last]):
            return words(last)
        case ast.Name(name) | ast.Attribute(attr=name):
            return f"<{name.strip('_')}>"
    return "<...>"


def page() -> str:
    """Return docs/reference/errors.md."""
    places = raised()
    parts = [HEAD]
    for section, entries in kinds().items():
        parts.append(f"## {section}\n")
        for kind, entry in entries.items():
            parts.append(_entry(kind, entry, [place for place in places if place.kind == kind]))
    return "\n".join(parts)


def _entry(kind: str, entry: dict[str, Any], places: list[Raised]) -> str:
    codes = {place.exit_code for place in places} | {c.exit_code for c in classes().values() if c.kind == kind}
    shown = sorted({(literal(place.message), literal(place.hint)) for place in places})
    rows = [(message, hint) for message, hint in shown if message.strip("<>. ")]
    table = f"\n{markdown_table(('message', 'hint'), rows)}" if rows else ""
    ends = f"Exit code {' or '.join(map(str, sorted(codes)))}."
    return f"### {kind}\n\n{entry['means']}\n\n* Why: {entry['why']}\n* Fix: {entry['fix']}\n* {ends}\n{table}"


def literal(text: str) -> str:
    """Return a text as Markdown that shows each of its letters, except the marks of code."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_\[\]$])", r"\\\1", part.replace("<", "&lt;")) for part in parts
    )
