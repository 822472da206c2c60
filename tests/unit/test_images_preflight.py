"""What is found in the files before anything is built or pushed."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import image_project as project
from fakes.image_harness import ImageHarness

from stepladder.core import interpreters
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.images.context import python_syntax
from stepladder.images.context.files import collect

BROKEN = "def broken(:\n"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"


def look(root: Path, files: dict[str, str], handler: str = "app.handler.handler", python: str = "") -> list[str]:
    project.make(root, {f"function/{name}": text for name, text in files.items()})
    said: list[str] = []
    python_syntax.check(collect(root / "function"), handler, python or interpreters.running(), "function", said.append)
    return said


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"app/handler.py": "x = 1\n" + BROKEN}, "function/app/handler.py:2: "),
        ({"app/__init__.py": BROKEN}, "function/app/__init__.py:1: "),
        ({"app/handler.py": "from app import a\n", "app/a.py": BROKEN}, "function/app/a.py:1: "),
        ({"app/handler.py": "from . import a\n", "app/a/__init__.py": BROKEN}, "function/app/a/__init__.py:1: "),
        (
            {"app/handler.py": "from .a.b import c\n", "app/a/b/__init__.py": "import app.d", "app/d.py": BROKEN},
            "d.py:1: ",
        ),
        ({"app/handler.py": "return 1\n"}, "function/app/handler.py:1: 'return' outside function"),
        ({"app/handler.py": "x = 'caf\udce9'\n"}, "function/app/handler.py:1: "),
        ({"app/handler.py": "x = 1\0\n"}, "function/app/handler.py:1: "),
    ],
    ids=["handler", "package", "import", "relative", "deep", "compiler", "encoding", "NUL"],
)
def test_code_that_the_handler_is_loaded_with_must_compile(tmp_path: Path, files: dict[str, str], named: str) -> None:
    project.make(tmp_path)
    for name, text in files.items():
        path = tmp_path / "function" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInputError, match=r"app\.handler\.handler can't be loaded") as caught:
        python_syntax.check(
            collect(tmp_path / "function"), "app.handler.handler", interpreters.running(), "function", print
        )
    assert any(named in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    "files",
    [
        {"app/templates/{{name}}.py": "{% if x %}\n"},
        {"app/old.py": "print 'two'\n"},
        {
            "app/handler.py": "import sys\nif sys.version_info < (3,):\n    from app import old\n",
            "app/old.py": "print 1\n",
        },
        {"app/handler.py": "try:\n    import app.old\nexcept SyntaxError:\n    pass\n", "app/old.py": "print 1\n"},
    ],
)
def test_a_file_that_may_be_no_python_on_purpose_is_warned_of(tmp_path: Path, files: dict[str, str]) -> None:
    said = look(tmp_path, {".dockerignore": "*\n!app\n", **files})
    assert len(said) == 1
    assert "the handler doesn't import it to be loaded" in said[0]


def test_the_handler_is_found_in_whichever_folder_the_dockerfile_copies_from(tmp_path: Path) -> None:
    files = {".dockerignore": "", "src/main.py": "import util\n", "src/util.py": BROKEN}
    with pytest.raises(BadInputError) as caught:
        look(tmp_path, files, handler="main.handler")
    assert caught.value.problems[0].startswith("function/src/util.py:1: ")


def test_code_for_a_newer_python_than_this_one_is_judged_by_that_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "find", lambda _version: None)
    said = look(tmp_path, {"app/handler.py": BROKEN}, python="3.99")
    assert said == ["function/app/handler.py:1: invalid syntax; no Python 3.99 is here"]


def test_nothing_is_pushed_of_code_that_can_t_be_loaded(image_harness: ImageHarness) -> None:
    image_harness.write({"function/app/handler.py": BROKEN}, python=interpreters.running())
    with pytest.raises(BadInputError, match="can't be loaded"):
        image_harness.prepare()
    assert not [request for request in image_harness.registry.requests if request.startswith(("PUT", "POST", "PATCH"))]


def test_a_pointer_of_git_lfs_is_refused_unless_it_is_meant(image_harness: ImageHarness) -> None:
    image_harness.write({"function/app/model.bin": POINTER, "function/app/pointers.md": "see " + POINTER})
    with pytest.raises(RefusedError, match=r"pointers in place of the files: app/model\.bin$"):
        image_harness.prepare()
    assert image_harness.prepare(allow_dirty=True).pushed
    assert any("app/model.bin" in line for line in image_harness.printed)
