"""The wheel: what a project installs has the local cloud, its command and its fixture, and the kinds of errors."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built as a package index would get it, and unpacked; needs a package index."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    argv = [str(uv), "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), str(ROOT)]
    subprocess.run(argv, check=True, timeout=120)
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_local_cloud_runs_from_the_wheel_and_errors_are_explained(unpacked: Path, tmp_path: Path) -> None:
    def run(*argv: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(unpacked)}
        return subprocess.check_output([sys.executable, *argv], cwd=tmp_path, env=environment, text=True, timeout=60)

    assert run("-c", "import localcloud; print(localcloud.__file__)").strip() == str(
        unpacked / "localcloud" / "__init__.py"
    )
    assert run("-m", "localcloud", "--help").startswith("usage: localcloud")
    assert "nothing-live" in run("-c", "from stepladder.core import error_kinds; print(*error_kinds.read())")


def test_every_module_of_both_packages_is_in_the_wheel(unpacked: Path) -> None:
    for package in ("localcloud", "stepladder"):
        here = {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")}
        there = {str(path.relative_to(unpacked)) for path in (unpacked / package).rglob("*.py")}
        assert here <= there


def test_the_wheel_declares_the_command_and_the_fixture(unpacked: Path) -> None:
    (declared,) = unpacked.glob("stepladder-*.dist-info/entry_points.txt")
    points = configparser.ConfigParser()
    points.read(declared)
    assert points["console_scripts"]["localcloud"] == "localcloud.cli:main"
    assert points["pytest11"]["localcloud"] == "localcloud.pytest_plugin"
