"""Functions in the shared local cloud."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import printing
import pytest
import web_frameworks
from codedeploy_rung import Rung, furnish
from functions import PYTHON, Functions
from iam_callers import Iam
from live_project import LiveProject
from machines import Machines

from localcloud.launchers import runtime_client


@pytest.fixture(scope="session")
def functions(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Functions:
    runtime = runtime_client.client(Path(sys.executable), PYTHON, tmp_path_factory.mktemp("runtime"))
    return Functions(cloud, runtime)


@pytest.fixture(scope="session")
def frameworks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return web_frameworks.install(tmp_path_factory.mktemp("frameworks"))


@pytest.fixture
def slow_updates(functions: Functions) -> Iterator[None]:
    """Let Pending and InProgress last a second: long enough to be met on a busy machine."""
    with functions.unsettled(1.0):
        yield


@pytest.fixture
def rung(cloud: Any) -> Iterator[Rung]:
    yield furnish(cloud, f"deployed-{uuid4().hex[:8]}")
    if cloud.own:
        cloud.speed(1)


@pytest.fixture
def machines(cloud: Any) -> Iterator[Machines]:
    if cloud.own:
        cloud.speed(600)
    yield Machines(cloud)
    if cloud.own:
        cloud.speed(1)
        cloud.faults()


@pytest.fixture
def code() -> Any:
    """Return the AWS error code that a call ends with."""
    from botocore.exceptions import ClientError

    def run(call: Any, *args: Any, **params: Any) -> str:
        with pytest.raises(ClientError) as caught:
            call(*args, **params)
        return caught.value.response["Error"]["Code"]

    return run


@pytest.fixture
def iam(cloud: Any) -> Iam:
    return Iam(cloud)


@pytest.fixture(scope="module")
def printer(functions: Functions) -> tuple[str, str]:
    """Return the name of a function that prints its event, and its alias's ARN."""
    return printing.printer(functions)


@pytest.fixture(scope="module")
def shared_live_project(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> LiveProject:
    project = LiveProject(cloud, tmp_path_factory.mktemp("project"))
    project.make()
    return project


@pytest.fixture
def live_project(shared_live_project: LiveProject) -> Iterator[LiveProject]:
    """The project, live with a good handler."""
    shared_live_project.cloud.faults()
    shared_live_project.say("before")
    done = shared_live_project.deploy("--force")
    assert done.code == 0, done.err
    shared_live_project.cloud.reset_calls()
    yield shared_live_project
    shared_live_project.cloud.faults()
