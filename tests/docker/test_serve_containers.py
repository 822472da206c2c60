"""`inv serve` where Docker builds: a container for the code, another for the next, and none when it was killed."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import docker_engine
import pytest
from served_project import Served


def test_a_save_is_a_new_container_and_nothing_is_left_of_a_server_that_was_killed(
    tmp_path: Path, docker_client: Any, request: pytest.FixtureRequest
) -> None:
    before = {container.id for container in docker_client.containers.list(all=True, ignore_removed=True)}

    def started() -> set[str]:
        return {container.id for container in docker_client.containers.list(all=True, ignore_removed=True)} - before

    served = Served(tmp_path, builder="docker", python=docker_engine.PYTHON)
    served.start()
    request.addfinalizer(served.stop)
    assert served.get("/").data == b"one"
    first = started()
    served.say("two")
    assert served.get("/").data == b"two"
    assert len(first) == 1
    assert started() - first
    served.end(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while started():
        assert time.monotonic() < deadline, "a container was left"
        time.sleep(0.1)
