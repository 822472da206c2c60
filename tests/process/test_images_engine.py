"""Finding the container engine: where `docker` would look, and what is and isn't one."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stepladder.core import container_engine
from stepladder.core.container_engine import ContainerEngine
from stepladder.images.base import usable
from stepladder.images.docker import build
from stepladder.images.docker import context as contexts

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """Something on a Unix socket that answers every request with this document."""
    document: dict[str, object] = {"ServerVersion": "28.1", "Architecture": "aarch64", "Name": socket.gethostname()}
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()

        def serve() -> None:
            while True:
                try:
                    one = server.accept()[0]
                except OSError:
                    return
                with one:
                    one.recv(4096)
                    body = json.dumps(document).encode()
                    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 's'}")
        yield document
        server.shutdown(socket.SHUT_RDWR)


def test_an_engine_says_what_it_is(answering: dict[str, object]) -> None:
    assert container_engine.find() == ContainerEngine("28.1", "arm64", is_local=True)
    assert container_engine.answers()


def test_an_engine_of_another_name_is_on_another_machine(answering: dict[str, object]) -> None:
    answering["Name"] = "docker-desktop"
    found = container_engine.find()
    assert found
    assert not found.is_local


def test_something_else_on_the_socket_is_no_engine(answering: dict[str, object]) -> None:
    answering.clear()
    assert container_engine.find() is None


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:1", "unix:///nowhere/docker.sock", "npipe:////x"])
def test_an_engine_that_is_not_there_does_not_answer(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert not container_engine.answers()


def test_the_current_context_is_followed_and_docker_host_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    meta = tmp_path / "contexts/meta" / hashlib.sha256(b"colima").hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Endpoints": {"docker": {"Host": "unix:///home/me/colima.sock"}}}))
    (tmp_path / "config.json").write_text('{"currentContext": "colima"}')
    assert container_engine.address() == "unix:///home/me/colima.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert container_engine.address() != "unix:///home/me/colima.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    assert container_engine.address() == "tcp://10.0.0.1:2375"


@pytest.mark.parametrize(
    ("found", "local_cloud", "part"),
    [
        pytest.param(None, False, "no container engine answers", id="none"),
        pytest.param(
            ContainerEngine("1", "arm64", is_local=False), True, "another machine", id="elsewhere, for a local cloud"
        ),
        pytest.param(ContainerEngine("1", "arm64", is_local=False), False, "", id="elsewhere, for AWS"),
        pytest.param(
            ContainerEngine("1", "x86_64", is_local=True),
            False,
            "is x86_64 and the function arm64",
            id="another processor",
        ),
        pytest.param(ContainerEngine("1", "arm64", is_local=True), True, "", id="fits"),
    ],
)
def test_why_an_engine_will_not_do(tmp_path: Path, found: ContainerEngine | None, local_cloud: bool, part: str) -> None:
    from fakes import image_project as project

    settings = project.make(tmp_path, architecture="arm64")
    said = usable.why_not(found, settings, local_cloud=local_cloud)
    assert bool(said) == bool(part)
    assert part in said


@pytest.mark.parametrize("ignored", [False, True])
def test_the_engine_gets_a_dockerfile_in_utf_8_whatever_it_is_written_in(tmp_path: Path, ignored: bool) -> None:
    said = "FROM scratch\n# zażółć\n"
    (tmp_path / "Dockerfile").write_text(said, encoding="utf-16")
    (tmp_path / ".dockerignore").write_text("Dockerfile\n" if ignored else "")
    with contexts.written(tmp_path, tmp_path / "scratch", {}) as (context, _), tarfile.open(fileobj=context) as tar:
        assert [member.name for member in tar].count("Dockerfile") == 1
        file = tar.extractfile("Dockerfile")
        assert file
        assert file.read().decode() == said


FILES = "COPY app /var/task/app\n"
OURS = 'LABEL dev.stepladder.builder="docker" dev.stepladder.input-key="k"\n'


@pytest.mark.parametrize(
    ("steps", "whole"),
    [
        pytest.param(("FROM scratch\n", FILES, OURS), ["222222222222"], id="only our labels are left"),
        pytest.param(("FROM scratch\n", OURS, FILES), [], id="files come after a label"),
        pytest.param((OURS,), [], id="no image is there yet"),
    ],
)
def test_an_image_is_checked_before_its_last_step_only_when_that_adds_no_file(
    steps: tuple[str, ...], whole: list[str]
) -> None:
    events: list[dict[str, Any]] = []
    for number, step in enumerate(steps, 1):
        lines = (
            f"Step {number}/{len(steps)} : {step}",
            " ---> Running in ffffffffffff\n",
            f" ---> {str(number) * 12}\n",
        )
        events += [{"stream": line} for line in lines]
    seen: list[str] = []
    built = build._follow(iter([*events, {"aux": {"ID": "sha256:1"}}]), lambda _: None, "Dockerfile", seen.append)
    assert (built, seen) == ("sha256:1", whole)


ENDING = """
import contextlib, sys, threading, time
from pathlib import Path

sys.path.append({fakes!r})
from fakes import image_project
from unittest.mock import MagicMock

from stepladder.core.step import Step
from stepladder.images.base import engine
from stepladder.images.base.engine import BaseSource, EngineBase
from stepladder.images.builder import BuildJob
from stepladder.images.docker import build
from stepladder.images.docker.ahead import BuildAhead
from stepladder.images.revision import SourceRevision

said = threading.Event()

def checked(*_):
    print("a container is made", flush=True)
    said.set()
    time.sleep(0.5)
    print("and removed", flush=True)

answering = MagicMock()
answering.api.build.return_value = [{{"aux": {{"ID": "sha256:1"}}}}]
answering.images.get.return_value.attrs = {{"Architecture": "amd64", "Size": 1}}
build.client = lambda: contextlib.nullcontext(answering)
engine.ensure = lambda *_, **__: EngineBase("base", "base")
build._check_handlers = checked
settings = image_project.make(Path({project!r}))
job = BuildJob(settings, settings.names("staging"), "key", SourceRevision("", ()), Step("image"), print)
BuildAhead(job, BaseSource("base", "base", "base"))
said.wait(60)
"""


def test_a_run_that_is_refused_leaves_no_container_of_a_check(tmp_path: Path) -> None:
    """Of an engine that doesn't say when an image is whole, as Podman."""
    script = ENDING.format(fakes=str(ROOT / "tests" / "unit"), project=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines() == ["a container is made", "and removed"], done.stderr
