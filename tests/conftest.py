"""What all tests share: a running local cloud."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from running_cloud import RunningCloud

from stepladder.local import manager

ALIEN = (
    "AWS_",
    "CI",
    "GITHUB_",
    "GITLAB_",
    "INVOKE_",
    "STEPLADDER_LAMBDA_",
    "STEPLADDER_LAUNCHER",
    "TF_CLI_",
    "TF_VAR_",
)
for name in [name for name in os.environ if name.startswith(ALIEN) and name != "AWS_CA_BUNDLE"]:
    # A test means the same on a laptop and in CI; one that is about CI sets the variables itself.
    del os.environ[name]
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs deaf to Ctrl-C, and what they start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Give each file to one worker, and all of tests/docker: fixtures are made once, and tests keep their order.

    xdist's own ways (`--dist loadfile`, `loadgroup`) don't know a folder.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "tests/docker" if nodeid.startswith("tests/docker/") else nodeid.partition("::")[0]

    config.option.loadscopereorder = False  # as collected: the folders of slow tests come first
    return Rooms(config, log)


@pytest.fixture(scope="session")
def cloud() -> Iterator[RunningCloud]:
    """One cloud for a test session (for each xdist worker). Use names of your own in it: tests share it."""
    with manager.running(environ={"STEPLADDER_LAUNCHER": "process"}) as info:  # containers: tests/docker
        yield RunningCloud(info)


@pytest.fixture(scope="session")
def cloud_of() -> type[RunningCloud]:
    """The wrapper around a cloud that a test started by itself: `cloud_of(info)`."""
    return RunningCloud


@pytest.fixture
def cloud_env(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> RunningCloud:
    """The cloud, with this process's environment pointed at it."""
    for name in manager.UNSET:
        monkeypatch.delenv(name, raising=False)
    for name, value in cloud.env.items():
        monkeypatch.setenv(name, value)
    assert os.environ["AWS_ENDPOINT_URL"] == cloud.url
    return cloud
