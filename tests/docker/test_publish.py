"""From settings to an image in a registry, by a real engine: what is built, pushed, skipped and refused."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker_engine
import pytest
from fakes import image_project as project
from fakes.registry import FaultyRegistry

from stepladder import images
from stepladder.core import container_engine, retry
from stepladder.core.errors import NotReadyError, RefusedError, StepladderError
from stepladder.core.image_facts import OCI_INDEX, PROVENANCE, SBOM
from stepladder.core.step import Step
from stepladder.images import ahead, pipeline
from stepladder.images.base.engine import BaseSource
from stepladder.images.builder import BuildJob
from stepladder.images.docker import build as engine_build
from stepladder.images.docker.build import EngineImage
from stepladder.images.model import BuiltImage, canonical
from stepladder.images.pipeline import Background
from stepladder.images.registry import referrers
from stepladder.settings.load import Settings

DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY app ${LAMBDA_TASK_ROOT}/app/
CMD ["app.handler.handler"]
"""
BASE = b'FROM scratch\nENV LAMBDA_TASK_ROOT=/var/task\nENTRYPOINT ["/lambda-entrypoint.sh"]'


class Publisher:
    """A project with the docker builder, a registry that also holds its base, and the two calls of ECR."""

    def __init__(self, root: Path, registry: FaultyRegistry, client: Any, architecture: str) -> None:
        self.root, self.registry, self._docker, self._architecture = root, registry, client, architecture
        self.host = registry.url.removeprefix("http://")
        registry.repositories["base"] = "MUTABLE"
        client.images.build(rm=True, fileobj=io.BytesIO(BASE), tag=f"{self.host}/base:1")
        user, password = registry.login()
        for event in client.api.push(
            f"{self.host}/base", "1", auth_config={"username": user, "password": password}, stream=True, decode=True
        ):
            assert "error" not in event
        client.images.remove(f"{self.host}/base:1")
        self.said: list[str] = []
        self.write()

    def write(self, files: dict[str, str] | None = None, *, base: str = "", builder: str = "docker") -> None:
        base = base or f"{self.host}/base:1"
        self.settings = project.make(
            self.root,
            {"function/Dockerfile": DOCKERFILE, **(files or {})},
            architecture=self._architecture,
            image={"base": base, "builder": builder},
        )

    def prepare(self, **options: Any) -> BuiltImage:
        self.said.clear()
        return images.prepare(self.settings, self, Step("image"), "staging", say=self.said.append, **options)  # type: ignore[arg-type]

    def begin(self) -> BuildJob | None:
        return ahead.begin(self.settings, "staging", say=self.said.append)

    def forget(self) -> None:
        (self.root / ".stepladder/image.json").unlink()

    @property
    def tags(self) -> dict[str, str]:
        return self.registry.store.index(self.registry.key()).tags

    def attached(self, image: BuiltImage) -> set[str]:
        return {each.artifact_type for each in referrers.listed(self.registry.client(), "demo", image.digest)}

    # what images ask of AWS

    def client(self, _service: str) -> Publisher:
        return self

    def get_authorization_token(self) -> dict[str, Any]:
        token = base64.b64encode(":".join(self.registry.login()).encode()).decode()
        return {"authorizationData": [{"authorizationToken": token, "proxyEndpoint": self.registry.url}]}

    def batch_get_image(self, *, imageIds: list[dict[str, str]], **_names: str) -> dict[str, Any]:  # noqa: N803
        held = self.registry.store.index(self.registry.key()).images
        return {"images": [{"imageId": image} for image in imageIds if image["imageDigest"] in held]}


@pytest.fixture
def publisher(
    docker_client: Any, architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publisher]:
    monkeypatch.setattr(retry, "sleep", lambda _seconds: None)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with FaultyRegistry(tmp_path / "registry") as registry:
        publisher = Publisher(tmp_path / "project", registry, docker_client, architecture)
        yield publisher
        docker_engine.forget(docker_client, publisher.host)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The input keys of the images that the engine was given to build."""
    keys: list[str] = []
    build = engine_build.build

    def counted(settings: Settings, source: BaseSource, *, key: str, **options: Any) -> EngineImage:
        keys.append(key)
        return build(settings, source, key=key, **options)

    monkeypatch.setattr(engine_build, "build", counted)
    return keys


def test_an_image_stands_on_its_base_by_digest_and_says_so(publisher: Publisher) -> None:
    image = publisher.prepare()
    digest = publisher.registry.store.index(publisher.registry.key("base")).tags["1"]
    assert image.base == f"{publisher.host}/base:1@{digest}"
    assert (image.builder, image.pushed) == ("docker", True)
    assert list(publisher.tags.values()) == [image.digest]


def test_a_base_that_only_the_engine_has_is_used_as_it_is(publisher: Publisher, docker_client: Any) -> None:
    docker_client.images.build(rm=True, fileobj=io.BytesIO(BASE), tag="only-here:1")
    publisher.write(base="only-here:1")
    assert publisher.prepare().base == "only-here:1"


def test_nothing_changed_means_nothing_built_or_pushed(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publisher.prepare()
    monkeypatch.setattr(pipeline, "_build", lambda *_: pytest.fail("built"))
    assert publisher.prepare() == first.__class__(**{**first.__dict__, "pushed": False})
    publisher.forget()  # another machine, or a fresh clone
    again = publisher.prepare()
    assert (again.digest, again.pushed) == (first.digest, False)


def test_a_colleague_who_was_faster_with_the_same_inputs_is_no_trouble(
    publisher: Publisher, docker_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publisher.prepare()
    publisher.forget()
    docker_client.images.remove(f"{publisher.host}/demo:{first.tag}", force=True)
    docker_client.images.prune(filters={"dangling": True})
    monkeypatch.setattr(pipeline, "_tagged", lambda _job: None)  # not there yet when we looked
    again = publisher.prepare()
    assert (again.digest, again.pushed) == (first.digest, False)


CHANGED = {"function/app/handler.py": "def handler(event, context):\n    return 'new'\n"}


def test_a_build_that_began_before_its_turn_is_taken(publisher: Publisher, builds: list[str]) -> None:
    first = publisher.prepare()
    publisher.write(CHANGED)
    begun = publisher.begin()
    assert list(publisher.tags.values()) == [first.digest]
    image = publisher.prepare(background=Background(begun=begun))
    assert (image.pushed, image.input_key) == (True, images.input_key(publisher.settings))
    assert builds == [first.input_key, image.input_key]


def test_a_build_that_began_with_other_files_is_left_out(publisher: Publisher, builds: list[str]) -> None:
    first = publisher.prepare()
    publisher.write({**CHANGED, "function/app/more.py": ""})
    begun = publisher.begin()
    publisher.write(CHANGED | {"function/app/more.py": "MORE = 1\n"})
    image = publisher.prepare(background=Background(begun=begun))
    assert image.input_key == images.input_key(publisher.settings)
    assert (len(builds), builds[-1]) == (3, image.input_key)
    assert set(publisher.tags.values()) == {first.digest, image.digest}


def test_a_build_that_fails_before_its_turn_fails_in_it_and_once(publisher: Publisher, builds: list[str]) -> None:
    publisher.prepare()
    publisher.write({**CHANGED, "function/Dockerfile": DOCKERFILE.replace("COPY app", "COPY nothing app")})
    begun = publisher.begin()
    with pytest.raises(StepladderError, match="COPY nothing"):
        publisher.prepare(background=Background(begun=begun))
    assert (len(builds), len(publisher.tags)) == (2, 1)


def test_a_base_that_the_engine_lacks_is_pulled_in_its_turn(
    publisher: Publisher, docker_client: Any, builds: list[str]
) -> None:
    begun = publisher.begin()
    held = [name for image in docker_client.images.list() for name in image.attrs["RepoDigests"] or ()]
    assert not [name for name in held if name.startswith(f"{publisher.host}/base")]
    assert publisher.prepare(background=Background(begun=begun)).pushed
    assert len(builds) == 2


def test_an_image_that_is_noted_is_not_begun(publisher: Publisher, builds: list[str]) -> None:
    publisher.prepare()
    assert publisher.begin() is None
    assert len(builds) == 1


def test_documents_that_a_killed_release_left_out_are_attached_while_the_engine_has_the_image(
    publisher: Publisher,
) -> None:
    image = publisher.prepare(background=Background(lambda _act: None))
    assert publisher.attached(image) == set()
    assert not publisher.prepare().pushed
    assert publisher.attached(image) == {SBOM, PROVENANCE}


def test_documents_of_an_image_that_the_engine_has_lost_are_not_invented(
    publisher: Publisher, docker_client: Any
) -> None:
    image = publisher.prepare(background=Background(lambda _act: None))
    docker_client.images.remove(f"{publisher.host}/demo:{image.tag}", force=True)
    docker_client.images.prune(filters={"dangling": True})
    assert not publisher.prepare().pushed
    assert publisher.attached(image) == set()
    assert "was pushed without SBOM and provenance" in publisher.said[-1]


def test_a_tag_with_other_content_is_refused(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher.prepare()
    monkeypatch.setattr("stepladder.images.revision.SourceRevision.tag", lambda _self, _key: next(iter(publisher.tags)))
    publisher.write({"function/app/handler.py": project.HANDLER + "# changed\n"})
    with pytest.raises(RefusedError, match="exists with other content"):
        publisher.prepare()
    monkeypatch.setattr(pipeline, "_tagged", lambda _job: None)  # not there yet when we looked
    with pytest.raises(RefusedError, match="exists with other content"):
        publisher.prepare()


def test_an_index_is_refused_with_the_flags_that_avoid_it(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an engine with a containerd store may push: the push ends well, the check doesn't."""
    image = publisher.prepare()
    publisher.forget()
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": image.digest, "size": 1}
    index = canonical({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
    store, key = publisher.registry.store, publisher.registry.key()
    put = lambda *_a, **_k: store.put(key, index, OCI_INDEX, "moved", immutable=lambda _tag: False)  # noqa: E731
    monkeypatch.setattr("stepladder.images.docker.push.push", put)
    monkeypatch.setattr("stepladder.images.revision.SourceRevision.tag", lambda _self, _key: "moved")
    with pytest.raises(RefusedError, match="image index") as caught:
        publisher.prepare()
    assert "--provenance=false" in caught.value.hint
    assert not (publisher.root / ".stepladder/image.json").exists()


def test_pull_takes_a_base_that_has_moved(publisher: Publisher, docker_client: Any) -> None:
    first = publisher.prepare()
    image, _ = docker_client.images.build(
        rm=True, fileobj=io.BytesIO(BASE + b"\nENV MOVED=1"), tag=f"{publisher.host}/base:1"
    )
    user, password = publisher.registry.login()
    docker_client.api.push(f"{publisher.host}/base", "1", auth_config={"username": user, "password": password})
    docker_client.images.remove(image.id, force=True)
    assert publisher.prepare().digest == first.digest
    second = publisher.prepare(pull=True)
    assert second.base != first.base
    assert second.tag.startswith(f"{first.tag}-")


def test_latest_is_refused_in_ci(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    for base in ("example.org/base", "example.org/base:latest"):
        publisher.write(base=base)
        with pytest.raises(RefusedError, match="latest today"):
            publisher.prepare()
    publisher.write({"function/Dockerfile": DOCKERFILE.replace("FROM", "FROM alpine AS tools\nFROM")})
    with pytest.raises(RefusedError, match="stand on alpine"):
        publisher.prepare()
    publisher.write()
    assert publisher.prepare().pushed


def test_an_image_can_be_built_without_a_registry(publisher: Publisher, docker_client: Any) -> None:
    docker_client.images.build(rm=True, fileobj=io.BytesIO(BASE), tag="only-here:1")
    publisher.write(base="only-here:1")
    built = pipeline.build_only(publisher.settings, Step("image"))
    assert isinstance(built, EngineImage)
    assert docker_client.images.get(built.id)
    told = built.summary()
    assert (told["builder"], told["id"], told["digest"]) == ("docker", built.id, None)
    assert json.dumps(told)


def test_auto_takes_the_engine_that_fits(publisher: Publisher) -> None:
    publisher.write(builder="auto")
    assert publisher.prepare().builder == "docker"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        pytest.param(None, "no container engine answers", id="none answers"),
        pytest.param("other", "the container engine is", id="one for another processor"),
    ],
)
def test_auto_falls_back_to_layers_and_says_why(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, found: str | None, why: str
) -> None:
    other = container_engine.ContainerEngine(
        "1", {"arm64": "x86_64", "x86_64": "arm64"}[publisher.settings.architecture], is_local=True
    )
    monkeypatch.setattr(container_engine, "find", lambda: other if found else None)
    publisher.write(builder="auto")
    assert publisher.prepare().builder == "layers"
    assert publisher.said[0].startswith(why)
    assert publisher.said[0].endswith("from layers")


def test_the_docker_builder_is_not_replaced_in_silence(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_engine, "find", lambda: None)
    with pytest.raises(NotReadyError, match=r"builder is docker, and no container engine answers"):
        publisher.prepare()


def test_a_build_folder_that_is_gone_costs_no_second_image(publisher: Publisher) -> None:
    first = publisher.prepare()
    shutil.rmtree(publisher.root / ".stepladder")
    again = publisher.prepare()
    assert (again.digest, again.pushed) == (first.digest, False)
