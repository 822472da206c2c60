"""The container engine that peers build on and push by, and the best of its clients on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_CLIENTS = ("docker", "/usr/bin/docker")


@dataclass(frozen=True)
class Engine:
    """An engine at `host` with the base image `base`; both are empty without one, and `reason` says why.

    `buildkit` are the variables by which `docker build` uses BuildKit, where a client of this machine can.
    """

    host: str = ""
    base: str = ""
    reason: str = ""
    buildkit: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> dict[str, str]:
        """Return the variable that names the engine."""
        return {"DOCKER_HOST": self.host} if self.host else {}

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables for the processes of peers."""
        return {**self.address, **self.buildkit}


@contextlib.contextmanager
def running(work: Path) -> Iterator[Engine]:
    """Yield the engine that the tests of this repository use; one that had to be started ends with the block."""
    sys.path[:0] = [str(ROOT / "tests" / "support")]
    import docker_engine

    with contextlib.ExitStack() as stack:
        try:
            host = stack.enter_context(docker_engine.running())
            base = docker_engine.base_image(host, python())
        except (docker_engine.NoEngineError, KeyError) as error:
            yield Engine(reason=f"no engine, or no base image for Python {python()}: {error}".splitlines()[0])
            return
        yield Engine(host, base, buildkit=buildkit(work))


def python() -> str:
    """Return the version of Python that this process has, which handlers run on where functions are processes."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def buildkit(work: Path) -> dict[str, str]:
    """Return the variables by which `docker build` uses BuildKit; empty when no client here can.

    A client of version 23 or newer needs the plugin buildx for that; an older one has it built in.
    """
    for name in _CLIENTS:
        client = shutil.which(name)
        if client is None or not _builds_by_buildkit(client):
            continue
        programs = work / "programs"
        programs.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (programs / "docker").symlink_to(client)
        return {"DOCKER_BUILDKIT": "1", "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    return {}


def _builds_by_buildkit(client: str) -> bool:
    done = subprocess.run(
        [client, "build", "--help"],
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode == 0 and "--progress" in done.stdout
