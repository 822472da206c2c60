"""Everything here needs a Docker engine; all of it runs in one worker (tests/conftest.py), and one engine serves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker_engine
import needs
import pytest
from container_functions import ContainerFunctions
from running_cloud import RunningCloud

from localcloud import daemon
from stepladder.core import container_engine

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def engine_host() -> Iterator[str]:
    """The address of an engine that holds the base image; started for the session where none answers."""
    with contextlib.ExitStack() as stack:
        try:
            host = stack.enter_context(docker_engine.running())
            docker_engine.base_image(host)
        except docker_engine.NoEngineError as error:
            needs.missing(f"no Docker engine: {error}")
        yield host


@pytest.fixture(autouse=True)
def docker_host(engine_host: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point this process, and what it starts, at the engine."""
    monkeypatch.setenv("DOCKER_HOST", engine_host)
    monkeypatch.delenv("CI", raising=False)
    return engine_host


@pytest.fixture(scope="session")
def cloud(engine_host: str) -> Iterator[RunningCloud]:
    """A local cloud that runs images in containers."""
    # Only the cloud hears of it: this fixture lives on while its worker runs the tests of other folders.
    with daemon.running(environ={"DOCKER_HOST": engine_host, "STEPLADDER_LAUNCHER": "container"}) as info:
        yield RunningCloud(info)


@pytest.fixture(scope="session")
def functions(cloud: RunningCloud, engine_host: str) -> ContainerFunctions:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine_host)
        return ContainerFunctions(cloud, docker_engine.base_image(engine_host))


@pytest.fixture(scope="session")
def architecture(engine_host: str) -> str:
    """The engine's own, in Lambda's words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine_host)
        found = container_engine.find()
    assert found
    return found.architecture


@pytest.fixture
def docker_client(docker_host: str) -> Iterator[Any]:
    with contextlib.closing(docker.DockerClient(base_url=docker_host, timeout=60)) as client:
        yield client
