"""Handlers in the files of a context: whether one can be there, and which there are.

Read without running anything. Names that a file makes only when it runs can't be read: they may be any.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from stepladder.core import python_tree
from stepladder.core.similar import did_you_mean

_MAKERS = frozenset({"globals", "vars", "locals", "exec", "eval", "setattr"})
_LISTED = 5


def names_of(source: bytes) -> frozenset[str] | None:
    """Return the names that a module has once it is imported; None when that can't be read from its text."""
    try:
        tree = python_tree.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = set[str]()
    for node in _of_module(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            names |= set(node.names)
        elif (isinstance(node, ast.Name) and node.id in _MAKERS) or _replaces_modules(node):
            return None
    return None if names & {"*", "__getattr__"} else frozenset(names)


def _of_module(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported, without the insides of its functions and classes."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _of_module(child)


def _replaces_modules(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "modules"


def offered(files: Mapping[str, Path], home: str, wanted: str) -> list[str]:
    """Return what may be a handler: a function named like the one that is wanted, or as one that handles something.

    `home` is the folder of the context, with a slash at its end or empty, from which Python imports.
    """
    handlers: list[str] = []
    for path in sorted(path for path in files if path.startswith(home)):
        module = path[len(home) :].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        names = sorted(names_of(files[path].read_bytes()) or ())
        likely = (name for name in names if name == wanted or ("handle" in name.lower() and not name.startswith("_")))
        handlers += [f"{module}.{name}" for name in likely]
    return handlers


def suggestion(handler: str, known: list[str]) -> str:
    """Say which of some handlers may have been meant, and which there are; an empty text when there is none."""
    if not known:
        return ""
    given, wanted = handler.replace("/", "."), handler.rpartition(".")[2]
    alike = [name for name in known if name.rpartition(".")[2] == wanted]
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    meant = did_you_mean(given, alike) or did_you_mean(given, known)
    return f"{meant} its files have {', '.join(known[:_LISTED])}{more}".strip()
