"""The container launcher: what a function may do in its container, and that no container outlives its cloud."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker_engine
import pytest

from localcloud.launchers.container import ContainerLauncher
from localcloud.launchers.guard import LABEL
from localcloud.launchers.interface import Ended, ImageCode, SandboxSpec

LIMITS = """\
import os, resource

def wrote(path):
    try:
        with open(path, "w") as file:
            file.write("x")
    except OSError as error:
        return error.strerror
    return "yes"

def handler(event, context):
    return {
        "user": [os.getuid(), os.getgid()],
        "tmp": wrote("/tmp/x"),
        "tmp_mb": os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize // 2**20,
        "task": wrote("/var/task/x"),
        "root": wrote("/x"),
        "shm": os.path.exists("/dev/shm"),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "docker": sorted(name for name in os.environ if "DOCKER" in name),
    }
"""
SLEEPER = """\
import sys, time
from localcloud.launchers.interface import ImageCode, SandboxSpec
from localcloud.launchers.container import ContainerLauncher

launcher = ContainerLauncher(login=lambda _code: {})
code = ImageCode("", sys.argv[1], "", entry_point=("/bin/sleep",), command=("600",))
spec = SandboxSpec("stepladder-orphan", code, sys.argv[2], 128, {})
launcher.start(spec, on_line=print, on_end=print)
print(launcher._guard._child.pid, flush=True)
time.sleep(600)
"""


class Launched:
    """A launcher in this process, and what its sandboxes said."""

    def __init__(self, client: Any, base: str, architecture: str) -> None:
        self.launcher = ContainerLauncher(login=lambda _code: {})
        self.image = client.images.get(base).id
        self._architecture = architecture
        self.lines: list[str] = []
        self.ends: list[Ended] = []

    def start(self, *command: str, name: str = "stepladder-test", memory: int = 128) -> Any:
        code = ImageCode("", self.image, "", entry_point=command[:1], command=command[1:])
        spec = SandboxSpec(name, code, self._architecture, memory, {"COLOUR": "blue"})
        return self.launcher.start(spec, on_line=self.lines.append, on_end=self.ends.append)


@pytest.fixture
def launched(docker_client: Any, engine_host: str, architecture: str) -> Iterator[Launched]:
    launched = Launched(docker_client, docker_engine.base_image(engine_host), architecture)
    yield launched
    launched.launcher.close()


def _wait(holds: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def _containers(client: Any, name: str = "") -> list[Any]:
    return client.containers.list(all=True, filters={"label": LABEL, "name": name}, ignore_removed=True)


def test_a_function_may_write_to_tmp_and_nowhere_else(functions: Any) -> None:
    assert functions.invoke(functions.create(LIMITS, EphemeralStorage={"Size": 600}))[0] == {
        "user": [993, 990],
        "tmp": "yes",
        "tmp_mb": 600,
        "task": "Read-only file system",
        "root": "Read-only file system",
        "shm": False,
        "files": 1024,
        "docker": [],
    }


def test_a_container_runs_the_pushed_image_by_digest_within_its_limits(functions: Any, docker_client: Any) -> None:
    name = functions.create(MemorySize=192)
    functions.invoke(name)
    (container,) = _containers(docker_client, name)
    digest = functions.client.get_function(FunctionName=name)["Code"]["ResolvedImageUri"].partition("@")[2]
    image = docker_client.images.get(container.attrs["Image"])
    assert [found.partition("@")[2] for found in image.attrs["RepoDigests"]] == [digest]
    host = container.attrs["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (192 * 2**20, 192 * 2**20, 1024)
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])


def test_a_timeout_takes_its_container_away(functions: Any, docker_client: Any) -> None:
    name = functions.create("def handler(event, context):\n    while True: pass\n", Timeout=1)
    assert functions.invoke(name)[0]["errorType"] == "Sandbox.Timedout"
    _wait(lambda: not _containers(docker_client, name))


def test_a_deleted_function_leaves_no_container(functions: Any, docker_client: Any) -> None:
    name = functions.create()
    functions.invoke(name)
    assert _containers(docker_client, name)
    functions.client.delete_function(FunctionName=name)
    _wait(lambda: not _containers(docker_client, name))


def test_an_entry_point_that_is_not_there_is_told_and_removed(functions: Any, docker_client: Any) -> None:
    uri = functions.image("containers", {"var/task/app.py": ""}, config={"Entrypoint": ["/nowhere"]})
    name = functions.create_image(uri)
    result, _ = functions.invoke(name)
    assert result["errorMessage"].endswith("exit status 127")
    assert "exec /nowhere failed: No such file or directory" in "".join(functions.log(name))
    _wait(lambda: not _containers(docker_client, name))


def test_an_image_without_a_command_says_what_it_lacks(functions: Any) -> None:
    uri = functions.image("containers", {"var/task/app.py": ""}, config={"Cmd": None})
    result, _ = functions.invoke(functions.create_image(uri))
    assert "handler name" in result["errorMessage"]


def test_a_warm_invocation_does_not_wait_for_the_engine(functions: Any) -> None:
    name = functions.create()
    functions.invoke(name)
    times = []
    for _ in range(60):
        began = time.perf_counter()
        functions.invoke(name)
        times.append(time.perf_counter() - began)
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # the launcher waits longer for lines then
    assert sorted(times)[len(times) // 4] < 0.015 * busy  # the lower quartile: other work on the machine isn't ours


def test_lines_of_both_streams_and_the_exit_code_arrive(launched: Launched) -> None:
    launched.start("/bin/sh", "-c", "echo $COLOUR; echo err >&2; printf rest; exit 7")
    _wait(lambda: launched.ends)
    assert sorted(launched.lines) == ["blue", "err", "rest"]
    assert launched.ends == [Ended(7)]


def test_a_container_over_its_memory_is_killed_by_the_kernel(launched: Launched) -> None:
    launched.start("/usr/bin/python3", "-c", "x = bytearray(300 * 2**20)", memory=128)
    _wait(lambda: launched.ends)
    assert launched.ends == [Ended(-9)]


def test_the_most_memory_that_it_held_is_told(launched: Launched) -> None:
    sandbox = launched.start("/usr/bin/python3", "-c", "import time; x = bytearray(40 * 2**20); time.sleep(60)")
    _wait(lambda: sandbox.memory_mb() >= 40)
    assert sandbox.memory_mb() < 128


def test_two_clouds_may_use_the_same_names(launched: Launched, docker_client: Any) -> None:
    for _ in range(2):
        launched.start("/bin/sleep", "60", name="stepladder-twin")
    assert len(_containers(docker_client, "stepladder-twin")) == 2


def test_closing_removes_all(launched: Launched, docker_client: Any) -> None:
    for _ in range(3):
        launched.start("/bin/sleep", "60", name="stepladder-closing")
    launched.launcher.close()
    assert not _containers(docker_client, "stepladder-closing")
    assert [end.code for end in launched.ends] == [-9] * 3
    assert launched.launcher._guard._child.returncode == 0


@pytest.fixture
def orphaned(docker_client: Any, launched: Launched, architecture: str) -> Iterator[tuple[Any, int]]:
    """A process with a container, and the process id of its guard."""
    argv = [sys.executable, "-c", SLEEPER, launched.image, architecture]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert child.stdout
    guard = int(child.stdout.readline())
    assert _containers(docker_client, "stepladder-orphan")
    yield child, guard
    child.kill()
    child.wait(60)
    child.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_a_cloud_that_dies_leaves_no_container(orphaned: Any, docker_client: Any, how: signal.Signals) -> None:
    child, _ = orphaned
    os.killpg(child.pid, how)
    _wait(lambda: not _containers(docker_client, "stepladder-orphan"))


def test_orphans_of_a_guard_that_was_killed_too_go_with_the_next_start(
    orphaned: Any, docker_client: Any, launched: Launched
) -> None:
    child, guard = orphaned
    launched.start("/bin/sleep", "60", name="stepladder-mine")
    os.kill(guard, signal.SIGKILL)
    child.kill()
    child.wait(60)
    assert _containers(docker_client, "stepladder-orphan")
    ContainerLauncher(login=lambda _code: {}).close()
    assert not _containers(docker_client, "stepladder-orphan")
    assert _containers(docker_client, "stepladder-mine")  # whose process lives


def test_the_launcher_says_what_it_cannot_run(launched: Launched, tmp_path: Path, docker_client: Any) -> None:
    import io

    from localcloud.launchers.interface import LaunchError, ZipCode

    spec = SandboxSpec("x", ZipCode(tmp_path, "x", "python3.13", "app.handler"), "arm64", 128, {})
    assert "deployment package" in launched.launcher.refusal(spec)
    dockerfile = io.BytesIO(b"FROM scratch\nLABEL dev.stepladder.base=host-python:3.13")
    image, _ = docker_client.images.build(fileobj=dockerfile, rm=True)
    host = SandboxSpec("x", ImageCode("", image.id, ""), "arm64", 128, {})
    assert "process launcher" in launched.launcher.refusal(host)
    gone = SandboxSpec("x", ImageCode("nowhere", "sha256:" + "0" * 64, "127.0.0.1:1"), "arm64", 128, {})
    with pytest.raises(LaunchError, match="can't be pulled"):
        launched.launcher.refusal(gone)
