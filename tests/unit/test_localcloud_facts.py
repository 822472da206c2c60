"""What the local cloud knows by itself of images, beside what the builders know, and what the wheel carries."""

from __future__ import annotations

import tomllib
from pathlib import Path

from localcloud import services
from localcloud.launchers import base_images
from stepladder.images import model
from stepladder.images.base import host

ROOT = Path(__file__).parents[2]


def test_the_launchers_read_the_labels_that_the_builders_write() -> None:
    assert base_images.LABEL_BASE == model.LABEL_BASE
    assert base_images.HOST_PYTHON == model.HOST_BASE
    assert base_images.PLATFORM == model.PLATFORM
    assert base_images.machine() == host.machine()


def test_the_wheel_carries_the_local_cloud() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == {"stepladder", "localcloud"}


def test_every_service_is_a_folder_whose_api_installs_it() -> None:
    folders = {path.name for path in (ROOT / "localcloud" / "services").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(services.SERVICES)
    for name in folders:
        assert "def install(cloud: Cloud) -> None:" in (ROOT / "localcloud" / "services" / name / "api.py").read_text()
