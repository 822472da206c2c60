"""A name says what the thing is, by the field's word, and a class's name stands once."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest
from words import bound_names, hiding

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("stepladder", "localcloud", "function")
SUPPORT = ("tests/support", "tests/unit/fakes")
ERRORS_OF_THE_PIPELINE = {"LockedError", "RefusedError", "RollbackFailedError"}
"""An execution stores the error of a pipeline's function by its class's name. It means the same as the command's."""


def _trees(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text("utf-8"))


@pytest.mark.parametrize("folder", [*PACKAGES, *SUPPORT])
def test_no_name_hides_what_the_thing_is(folder):
    names = ((path, *named) for path, tree in _trees(folder) for named in bound_names(tree))
    assert [f"{path}:{line}: {name}; instead: {hiding(name)}" for path, line, name in names if hiding(name)] == []


@pytest.mark.parametrize(
    "line",
    [
        "found = 1",
        "def tell(): ...",
        "class Desk: ...",
        "def f(*, look): ...",
        "self._told = {}",
        "import a as there",
        "[x for place in y]",
        "(said := 1)",
    ],
)
def test_a_name_that_hides_the_thing_is_seen_wherever_it_is_given(line):
    assert any(hiding(name) for _, name in bound_names(ast.parse(line)))


@pytest.mark.parametrize("name", ["not_found", "FileNotFoundError", "foundation", "replace", "elsewheres"])
def test_a_name_that_only_has_the_letters_is_none(name):
    assert hiding(name) == ""


def test_a_stored_key_may_be_declared_and_no_variable_may_have_its_name():
    declared = ast.parse("class TargetInput:\n    place: str\n")
    assert [name for _, name in bound_names(declared)] == ["TargetInput"]
    assert [name for _, name in bound_names(ast.parse("place = 1"))] == ["place"]


def test_a_class_name_stands_once():
    files = defaultdict(list)
    for path, tree in (named for folder in PACKAGES for named in _trees(folder)):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                files[node.name].append(str(path))
    twice = {name: where for name, where in files.items() if len(where) > 1}
    assert sorted(twice) == sorted(ERRORS_OF_THE_PIPELINE), twice
