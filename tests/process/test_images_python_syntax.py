"""Code for another Python than the one that runs is judged by that."""

from __future__ import annotations

from pathlib import Path

import needs
import pytest
from fakes import image_project as project

from stepladder.core import interpreters
from stepladder.core.errors import BadInputError
from stepladder.images.context import python_syntax
from stepladder.images.context.files import collect

BROKEN = "def broken(:\n"


def look(root: Path, source: str, python: str) -> list[str]:
    project.make(root, {"function/app/handler.py": source})
    said: list[str] = []
    python_syntax.check(collect(root / "function"), "app.handler.handler", python, "function", said.append)
    return said


def test_code_is_compiled_by_the_function_s_own_python_where_it_is_here(tmp_path: Path) -> None:
    other = needs.another_python()[0]
    if other > interpreters.running():
        assert look(tmp_path, "type X = int\n", other) == []
    with pytest.raises(BadInputError):
        look(tmp_path, BROKEN, other)
