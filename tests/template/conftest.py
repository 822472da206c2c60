"""What the template's tests share: generating a project, and the packages that its handler needs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import web_frameworks

from stepladder.commands.checks import tool
from stepladder.core import resources
from stepladder.scaffold.answers import check
from stepladder.scaffold.generate import generate

REQUIREMENTS = resources.folder("template") / "templates" / "common"


@pytest.fixture(autouse=True)
def empty_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep a person's own cookiecutter defaults, caches and git configuration out of the tests."""
    home = tmp_path_factory.mktemp("home")
    uv_cache = subprocess.run([tool("uv"), "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setenv("UV_CACHE_DIR", uv_cache)
    monkeypatch.setenv("HOME", str(home))
    for name in ("COOKIECUTTER_CONFIG", "XDG_CONFIG_HOME", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def template() -> Path:
    return resources.folder("template")


@pytest.fixture
def new_project(template: Path, tmp_path: Path) -> Callable[..., Path]:
    """Generate a project from the defaults and some overrides, as `inv new --no-input` does."""

    def new(**answers: Any) -> Path:
        return generate(template, tmp_path / "output", check(answers, template)).folder

    return new


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install exactly what the template locks, once."""
    folder = tmp_path_factory.mktemp("packages")
    argv = ["pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder), "--require-hashes"]
    subprocess.run(
        [tool("uv"), *argv, "--requirement", str(REQUIREMENTS / "requirements.txt")], check=True, timeout=120
    )
    return folder


@pytest.fixture(scope="session")
def frameworks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return web_frameworks.install(tmp_path_factory.mktemp("frameworks"))


@pytest.fixture(scope="session")
def tree() -> Callable[[Path], dict[str, str]]:
    """Read every file of a project as text, by relative path; what running its tools left is no part of it."""

    def read(folder: Path) -> dict[str, str]:
        files = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
        junk = {".stepladder", "__pycache__", ".git"}
        return {name.as_posix(): path.read_text("utf-8") for name, path in files.items() if not junk & set(name.parts)}

    return read
