"""What the wheel carries, and where the local cloud's services are."""

from __future__ import annotations

import tomllib
from pathlib import Path

from localcloud import services

ROOT = Path(__file__).parents[2]


def test_the_wheel_carries_the_local_cloud() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == {"stepladder", "localcloud"}


def test_every_service_is_a_folder_whose_api_installs_it() -> None:
    folders = {path.name for path in (ROOT / "localcloud" / "services").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(services.SERVICES)
    for name in folders:
        assert "def install(cloud: Cloud) -> None:" in (ROOT / "localcloud" / "services" / name / "api.py").read_text()
