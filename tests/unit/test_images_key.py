"""The input key changes with everything that decides the image, and with nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import image_project as project

from stepladder import images
from stepladder.settings.load import Settings


def key(root: Path, files: dict[str, str] | None = None, **settings: Any) -> str:
    return images.input_key(project.make(root, files, **settings))


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"function/app/handler.py": "handler = 2\n"}},
        {"files": {"function/app/new.py": ""}},
        {"files": {"function/requirements.txt": "# other\n"}},
        {"files": {"function/Dockerfile": project.DOCKERFILE + "\n"}},
        {"python": "3.12"},
        {"architecture": "arm64"},
        {"image": {"base": "example.org/base:2"}},
        {"image": {"builder": "layers"}},
    ],
    ids=lambda change: str(change)[:60],
)
def test_what_decides_the_image_changes_the_key(tmp_path: Path, change: dict[str, Any]) -> None:
    assert key(tmp_path / "a", **change) != key(tmp_path / "b")


def test_the_executable_bit_counts(tmp_path: Path) -> None:
    settings = project.make(tmp_path)
    before = images.input_key(settings)
    (tmp_path / "function/app/handler.py").chmod(0o755)
    assert images.input_key(settings) != before


def _touch(settings: Settings) -> None:
    os.utime(settings.root / "function/app/handler.py", (1, 1))


def _ignored(settings: Settings) -> None:
    (settings.root / "function/notes.txt").write_text("n")


def _junk(settings: Settings) -> None:
    (settings.root / "function/app/__pycache__").mkdir()
    (settings.root / "function/app/__pycache__/handler.pyc").write_bytes(b"x")


def _readme(settings: Settings) -> None:
    (settings.root / "README.md").write_text("r")


@pytest.mark.parametrize("change", [_touch, _ignored, _junk, _readme])
def test_what_does_not_decide_the_image_leaves_the_key(tmp_path: Path, change: Callable[[Settings], None]) -> None:
    settings = project.make(tmp_path)
    before = images.input_key(settings)
    change(settings)
    assert images.input_key(settings) == before


def test_settings_of_the_function_are_no_part_of_it(tmp_path: Path) -> None:
    assert key(tmp_path / "a", function={"memory_mb": 512}) == key(tmp_path / "b")


def test_moving_bytes_between_files_changes_the_key(tmp_path: Path) -> None:
    first = key(tmp_path / "a", {"function/app/a": "xy", "function/app/b": ""})
    assert first != key(tmp_path / "b", {"function/app/a": "x", "function/app/b": "y"})


@pytest.mark.timing("processor time grows when others use its caches")
def test_a_normal_project_takes_less_than_fifty_milliseconds_of_the_processor(tmp_path: Path) -> None:
    settings = project.make(tmp_path, {f"function/app/m{n}.py": "x = 1\n" * 200 for n in range(150)})
    took = []
    for _ in range(5):
        started = time.process_time()
        images.input_key(settings)
        took.append(time.process_time() - started)
    assert min(took) < 0.05
