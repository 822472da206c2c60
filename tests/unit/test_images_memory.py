"""No file is ever held in memory as a whole, however large."""

from __future__ import annotations

import hashlib
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import image_project as project

from stepladder import images
from stepladder.core.errors import StepladderError
from stepladder.images.context.archive import write_layer
from stepladder.images.context.files import Content, Entry, collect
from stepladder.images.docker import context as contexts
from stepladder.images.key import BUILDER_VERSION

SIZE, BOUND = 24 << 20, 6 << 20


def _key(root: Path) -> None:
    images.input_key(project.make(root))


def _layer(root: Path) -> None:
    write_layer(collect(root / "function"), "", root / "blobs")


def _context(root: Path) -> None:
    with (
        contexts.written(root / "function", root / "scratch", {}) as (context, _),
        tarfile.open(fileobj=context) as tar,
    ):
        assert tar.getmember("app/model.bin").size == SIZE


def _wheel(root: Path) -> None:
    Entry("model.bin", root / "function/app/model.bin").sha256()


@pytest.mark.parametrize("use", [_key, _layer, _context, _wheel])
def test_memory_does_not_grow_with_the_largest_file(tmp_path: Path, use: Callable[[Path], None]) -> None:
    project.make(tmp_path)
    with (tmp_path / "function/app/model.bin").open("wb") as file:
        file.truncate(SIZE)
    use(tmp_path)  # what is imported stays
    tracemalloc.start()
    try:
        use(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < BOUND
    finally:
        tracemalloc.stop()


def test_the_key_is_the_one_of_earlier_releases(tmp_path: Path) -> None:
    settings = project.make(tmp_path, {"function/app/data": "x" * 3_000_000})
    (tmp_path / "function/app/link").symlink_to("data")
    (tmp_path / "function/app/data").chmod(0o755)
    expected = hashlib.sha256()
    parts: list[str | bytes] = [str(BUILDER_VERSION), "3.13", "x86_64", "auto", "public.ecr.aws/lambda/python:3.13"]
    for path in ("app/__init__.py", "app/data", "app/handler.py"):
        content = (tmp_path / "function" / path).read_bytes()
        parts += [path, "x" if path == "app/data" else "-", hashlib.sha256(content).digest()]
    parts += ["app/link", "link", "data", "requirements.txt", "-", hashlib.sha256().digest()]
    parts += ["Dockerfile", project.DOCKERFILE, ".dockerignore", "*\n!app\n!requirements.txt\n"]
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        expected.update(len(data).to_bytes(8, "big") + data)
    assert images.input_key(settings) == expected.hexdigest()


@pytest.mark.parametrize("change", ["cut", "gone", "grown"])
def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path, change: str) -> None:
    path = tmp_path / "app.py"
    path.write_text("x" * 100)
    entry = Entry("app.py", path)
    if change == "gone":
        path.unlink()
        with pytest.raises(StepladderError, match=r"app\.py can't be read: No such file"):
            entry.read()
        return
    content = entry.opened()
    path.write_text("x" * (50 if change == "cut" else 150))
    with pytest.raises(StepladderError, match=r"app\.py changed while it was read"):
        _read(content)


def _read(content: Content) -> None:
    with content:
        content.read(content.size)
