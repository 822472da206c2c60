"""Pushes by a real engine to a registry that throttles, breaks, cuts and refuses."""

from __future__ import annotations

import io
import json
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker_engine
import pytest
from fakes.registry import Fault, FaultyRegistry

from stepladder.core import retry
from stepladder.core.errors import NotReadyError, RefusedError
from stepladder.core.retry import RegistryError
from stepladder.images import check
from stepladder.images.docker import push as engine_push
from stepladder.images.docker.build import EngineImage

MANIFEST = "PUT .*/manifests/"


class Pusher:
    """A registry, and pushes of tiny images to it."""

    def __init__(self, registry: FaultyRegistry, client: Any, architecture: str) -> None:
        self.registry, self._client, self._architecture = registry, client, architecture
        self.target = f"{registry.url.removeprefix('http://')}/demo"
        self.said: list[str] = []
        self.login = registry.login

    def make(self, content: str = "") -> EngineImage:
        dockerfile = f'FROM scratch\nLABEL dev.stepladder.input-key="{content or secrets.token_hex(8)}"\n'
        context = _tar(f"{dockerfile}COPY Dockerfile /file\n".encode())
        image, _ = self._client.images.build(rm=True, fileobj=context, custom_context=True)
        return EngineImage(image.id, "base", 1, self._architecture)

    def push(self, image: EngineImage, tag: str = "one") -> None:
        engine_push.push(image, self.target, tag, self.login, self.said.append)

    def read(self, tag: str = "one") -> check.RegistryImage:
        return check.read_back(self.registry.client(), "demo", tag, architecture=self._architecture)


def _tar(dockerfile: bytes) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        tar.addfile(info, io.BytesIO(dockerfile))
    buffer.seek(0)
    return buffer


@pytest.fixture
def pusher(docker_client: Any, architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pusher]:
    monkeypatch.setattr(retry, "sleep", lambda _seconds: None)
    with FaultyRegistry(tmp_path / "registry") as registry:
        pusher = Pusher(registry, docker_client, architecture)
        yield pusher
    docker_engine.forget(docker_client, pusher.target)


def test_a_push_ends_in_one_manifest_that_is_the_image(pusher: Pusher) -> None:
    image = pusher.make()
    pusher.push(image)
    found = pusher.read()
    assert found.manifest["config"]["digest"] == image.id  # the classic store's ids
    assert "sent" in pusher.said[-1]


def test_layers_that_are_there_are_not_sent_again(pusher: Pusher) -> None:
    image = pusher.make()
    pusher.push(image)
    pusher.registry.requests.clear()
    pusher.push(image, "two")
    assert not pusher.registry.count("PATCH|POST")
    assert pusher.said[-1].endswith("1 of 1 layers there already")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(MANIFEST, 2, status=500), id="500 at the manifest"),
        pytest.param(Fault(MANIFEST, 2, status=429), id="429 at the manifest"),
        pytest.param(Fault(MANIFEST, 2, cut=10), id="a connection cut at the manifest"),
        pytest.param(Fault("PATCH .*/uploads/", 1, cut=10), id="a connection cut in a layer"),
    ],
)
def test_what_passes_by_itself_is_tried_again(pusher: Pusher, fault: Fault) -> None:
    pusher.registry.faults = [fault]
    pusher.push(pusher.make())
    assert pusher.read()
    assert fault.times == 0


def test_a_registry_that_stays_broken_is_told_with_what_it_said(pusher: Pusher) -> None:
    pusher.registry.faults = [Fault(MANIFEST, 99, status=500)]
    with pytest.raises(RegistryError, match=r"500.*tried 7 times") as caught:
        pusher.push(pusher.make())
    assert "run the same command again" in caught.value.hint


def test_a_token_that_expires_on_the_way_is_renewed_once(pusher: Pusher) -> None:
    denied = Fault(MANIFEST, 1, status=401)
    pusher.registry.faults = [denied]
    pusher.push(pusher.make())
    assert denied.times == 0
    assert pusher.registry.logins == 2


def test_credentials_that_do_not_do_are_refused_and_not_shown(pusher: Pusher) -> None:
    pusher.login = lambda: ("AWS", "secret-password")
    with pytest.raises(RefusedError) as caught:
        pusher.push(pusher.make())
    assert "secret-password" not in f"{caught.value}{caught.value.hint}{pusher.said}"


def test_credentials_are_never_on_disk(pusher: Pusher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "config.json").write_text("{}")
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    pusher.push(pusher.make())
    assert json.loads((config / "config.json").read_text()) == {}
    assert [path.name for path in config.iterdir()] == ["config.json"]
    assert not (tmp_path / ".docker").exists()


def test_an_immutable_tag_is_told_apart_from_other_refusals(pusher: Pusher) -> None:
    image = pusher.make()
    pusher.push(image)
    for other in (image, pusher.make()):  # ECR refuses the same image too; what lies there decides (test_publish)
        with pytest.raises(engine_push.TagExistsError, match=r"/demo:one exists and may not move"):
            pusher.push(other)
    assert pusher.read().manifest["config"]["digest"] == image.id


def test_an_engine_that_is_gone_is_not_ready(pusher: Pusher, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pusher.make()
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(NotReadyError, match="stopped answering"):
        pusher.push(image)
