"""A project on a running cloud whose images stand on the base that the cloud's registry holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docker_engine
import yaml
from live_project import LiveProject


class DockerProject(LiveProject):
    """`base` is the reference of the base image, `builder` who builds on it; DOCKER_HOST is this process's."""

    def __init__(self, cloud: Any, root: Path, architecture: str, base: str, builder: str = "docker") -> None:
        super().__init__(cloud, root, architecture=architecture)
        self.base, self.builder = base, builder

    def write(self) -> None:
        super().write()
        path = self.root / "invoke.yaml"
        raw = yaml.safe_load(path.read_text())
        raw["stepladder"] |= {
            "python": docker_engine.PYTHON,
            "architecture": self.architecture,
            "image": {"builder": self.builder, "base": self.base},
        }
        path.write_text(yaml.safe_dump(raw))
