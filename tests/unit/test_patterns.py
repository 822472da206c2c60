"""Patterns of stepladder are texts, which `re` compiles at their first use: a command uses a third of its patterns."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

STEPLADDER = Path(__file__).resolve().parents[2] / "stepladder"


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is evaluated when a module is imported: all but the bodies of its functions."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_import(node)


def compiled(source: str) -> list[int]:
    """Return the lines in which a pattern is compiled when the module is imported."""
    calls = [node for node in at_import(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if ast.unparse(call.func) == "re.compile"]


def test_no_pattern_is_compiled_by_an_import() -> None:
    sources = {path: path.read_text("utf-8") for path in STEPLADDER.rglob("*.py")}
    assert [
        f"{path}:{line}" for path, source in sources.items() if "re.compile(" in source for line in compiled(source)
    ] == []


def test_a_compiled_pattern_is_seen_in_a_table_and_in_a_class_and_left_to_functions() -> None:
    assert compiled("A = {1: re.compile('a')}\nclass B:\n    c = Text(re.compile('c'))\n") == [1, 3]
    assert compiled("def f():\n    return re.compile('a')\nclass B:\n    def g(self):\n        re.compile('a')\n") == []
