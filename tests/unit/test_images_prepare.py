"""From settings to an image in the registry: what is done, what is skipped, what is refused before anything moves."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import image_project as project
from fakes.errors import error as aws_error
from fakes.registry import Fault, FaultyRegistry

from stepladder import images
from stepladder.console import Step
from stepladder.errors import BadInputError, NotReadyError, RefusedError
from stepladder.images import check, engine, job, retry
from stepladder.images.model import (
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    BuiltImage,
    canonical,
    digest_of,
)
from stepladder.settings import Settings


class FakeAws:
    """The two ECR calls that images make, over the store of a faulty registry."""

    def __init__(self, registry: FaultyRegistry) -> None:
        self.registry = registry
        self.calls: list[str] = []
        self.missing = False

    def client(self, _service: str) -> FakeAws:
        return self

    def get_authorization_token(self) -> dict[str, Any]:
        self.calls.append("GetAuthorizationToken")
        token = base64.b64encode(":".join(self.registry.login()).encode()).decode()
        return {"authorizationData": [{"authorizationToken": token, "proxyEndpoint": self.registry.url}]}

    def batch_get_image(self, *, imageIds: list[dict[str, str]], **_names: str) -> dict[str, Any]:  # noqa: N803
        self.calls.append("BatchGetImage")
        if self.missing:
            raise aws_error("RepositoryNotFoundException")
        held = self.registry.store.index(self.registry.key()).images
        return {"images": [image for image in imageIds if image["imageDigest"] in held]}


class World:
    """A project under git, a registry that holds a base for two architectures, and prepare."""

    def __init__(self, root: Path, registry: FaultyRegistry) -> None:
        self.root, self.registry, self.aws = root, registry, FakeAws(registry)
        registry.repositories["base"] = "MUTABLE"
        self.base = f"{registry.url.removeprefix('http://')}/base:1"
        self.put_base("the base's layer")
        self.said: list[str] = []
        self.options: dict[str, Any] = {}
        self.settings = self.write()
        self.step = Step("image")

    def write(self, files: dict[str, str] | None = None, **settings: Any) -> Settings:
        merged = {"image": {"base": self.base}, **self.options, **settings}
        self.settings = project.make(self.root, {"invoke.yaml": json.dumps(merged), **(files or {})}, **merged)
        return self.settings

    def put_base(self, content: str, media_type: str = DOCKER_LAYER, manifest_type: str = DOCKER_MANIFEST) -> None:
        """Push a base as AWS has it: an index of one Docker manifest per architecture, and an attestation."""
        entries = []
        for architecture in ("amd64", "arm64"):
            config = {
                "architecture": architecture,
                "os": "linux",
                "config": {"Entrypoint": ["/lambda-entrypoint.sh"]},
                "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "2" * 64]},
            }
            manifest = self.put_image("base", config, f"{content} {architecture}", media_type, manifest_type)
            entries.append({"digest": manifest, "platform": {"os": "linux", "architecture": architecture}})
        entries.append({"digest": entries[0]["digest"], "platform": {"os": "unknown", "architecture": "unknown"}})
        self.put_manifest("base", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, "1")

    def put_image(
        self, repository: str, config: dict[str, Any], layer: str, media_type: str, manifest_type: str, tag: str = ""
    ) -> str:
        parts = []
        for data, kind in ((json.dumps(config).encode(), OCI_CONFIG), (layer.encode(), media_type)):
            upload = self.registry.store.begin()
            self.registry.store.append(upload, io.BytesIO(data))
            digest = self.registry.store.finish(self.registry.key(repository), upload, "")
            parts.append({"mediaType": kind, "digest": digest, "size": len(data)})
        document = {"schemaVersion": 2, "mediaType": manifest_type, "config": parts[0], "layers": parts[1:]}
        return self.put_manifest(repository, document, tag)

    def put_manifest(self, repository: str, document: dict[str, Any], tag: str) -> str:
        store, data = self.registry.store, canonical(document)
        return store.put(self.registry.key(repository), data, document["mediaType"], tag, immutable=lambda _tag: False)[
            0
        ]

    def prepare(self, **options: Any) -> BuiltImage:
        self.aws.calls.clear()
        self.registry.requests.clear()
        self.step = Step("image")
        return images.prepare(self.settings, self.aws, self.step, "staging", say=self.said.append, **options)  # type: ignore[arg-type]

    def git(self, *arguments: str) -> str:
        argv = ["git", "-C", str(self.root), "-c", "user.name=n", "-c", "user.email=e", *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout.strip()

    def commit(self) -> str:
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-qm", "x", "--allow-empty")
        return self.git("rev-parse", "HEAD")

    @property
    def tags(self) -> dict[str, str]:
        return self.registry.store.index(self.registry.key()).tags


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(retry, "sleep", lambda _seconds: None)
    monkeypatch.setattr(engine, "find", lambda: None)
    for name in ("CI", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with FaultyRegistry(tmp_path / "registry") as registry:
        yield World(tmp_path / "project", registry)


def test_the_first_run_builds_pushes_and_reads_back(world: World) -> None:
    image = world.prepare()
    assert image.reference == f"123456789012.dkr.ecr.us-east-1.amazonaws.com/demo@{image.digest}"
    assert (image.architecture, image.builder, image.pushed) == ("x86_64", "layers", True)
    assert image.input_key == images.input_key(world.settings)
    assert image.base.startswith(f"{world.base}@sha256:")
    assert world.aws.calls == ["GetAuthorizationToken"]
    manifest, config, _ = world.registry.store.resolve("111111111111", "eu-west-1", "demo", image.digest)
    assert manifest["mediaType"] == OCI_MANIFEST
    assert {layer["mediaType"] for layer in manifest["layers"]} == {OCI_LAYER}
    assert config["config"]["Labels"]["dev.stepladder.input-key"] == image.input_key


def test_base_layers_of_the_same_registry_are_mounted_not_downloaded(world: World) -> None:
    world.prepare()
    assert world.registry.count("POST .*demo/blobs/uploads") == 3
    assert not world.registry.count("GET /v2/base/blobs/" + digest_of(b"the base's layer amd64"))


def test_the_second_run_makes_one_call_and_sends_nothing(world: World) -> None:
    first = world.prepare()
    again = world.prepare()
    assert world.aws.calls == ["BatchGetImage"]
    assert world.registry.requests == []
    assert (again.digest, again.pushed, world.step.mark) == (first.digest, False, "skip")


def test_an_image_that_the_registry_lost_is_pushed_again(world: World) -> None:
    first = world.prepare()
    world.registry.store.clear(world.registry.key())
    again = world.prepare()
    assert again.digest == first.digest
    assert again.pushed


def test_the_image_that_a_colleague_pushed_is_used_without_building(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.commit()
    first = world.prepare()
    (world.settings.build_dir / "image.json").unlink()
    monkeypatch.setattr(job, "_build", lambda _job: pytest.fail("built"))
    again = world.prepare()
    assert again.digest == first.digest
    assert not again.pushed


def test_the_tag_is_the_commit(world: World) -> None:
    commit = world.commit()
    image = world.prepare()
    assert image.tag == commit
    assert world.tags == {commit: image.digest}


def test_a_dirty_tree_gets_a_tag_of_its_own(world: World) -> None:
    commit = world.commit()
    world.write({"function/app/handler.py": "handler = 1\n"})
    image = world.prepare()
    assert image.tag == f"{commit}-{image.input_key[:8]}"


@pytest.mark.parametrize("files", [{"README.md": "r"}, {"function/notes.txt": "n"}, {"function/app/a.pyc": "p"}])
def test_a_file_that_is_not_in_the_image_does_not_make_it_dirty(world: World, files: dict[str, str]) -> None:
    commit = world.commit()
    world.write(files)
    assert world.prepare().tag == commit


def test_a_file_that_git_ignores_but_the_image_holds_makes_it_dirty(world: World) -> None:
    world.write({".gitignore": "generated.py\n"})
    commit = world.commit()
    world.write({"function/app/generated.py": "g"})
    assert world.prepare().tag.startswith(f"{commit}-")


def test_a_file_that_was_deleted_makes_it_dirty(world: World) -> None:
    world.write({"function/app/extra.py": ""})
    commit = world.commit()
    (world.root / "function/app/extra.py").unlink()
    assert world.prepare().tag.startswith(f"{commit}-")


def test_a_project_in_a_folder_of_a_larger_repository_is_judged_by_its_own_files(world: World) -> None:
    top = world.root.parent
    world.root = top
    (top / ".gitignore").write_text("registry/\n.stepladder/\n")
    commit = world.commit()
    (top / "elsewhere.txt").write_text("no part of the project")
    assert world.prepare().tag == commit
    (top / "project/function/app/handler.py").write_text("handler = 1\n")
    assert world.prepare().tag.startswith(f"{commit}-")


def test_a_project_that_a_larger_repository_ignores_has_no_commit(world: World) -> None:
    world.root = world.root.parent
    (world.root / ".gitignore").write_text("*\n")
    world.commit()
    assert world.prepare().tag.startswith("key-")


def test_ci_refuses_what_no_commit_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.commit()
    monkeypatch.setenv("CI", "true")
    world.write({"function/app/handler.py": "handler = 1\n"})
    with pytest.raises(RefusedError, match=r"function/app/handler\.py"):
        world.prepare()
    assert world.registry.requests == []
    assert world.prepare(allow_dirty=True).pushed


def test_without_git_the_tag_comes_from_the_inputs(world: World) -> None:
    image = world.prepare()
    assert image.tag == f"key-{image.input_key[:40]}"


def test_a_tag_with_other_content_is_refused_before_anything_is_built(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.commit()
    world.prepare()
    monkeypatch.setattr(job, "_build", lambda _job: pytest.fail("built"))
    world.settings = project.make(world.root, image={"base": world.base}, python="3.12")
    world.git("checkout", "-q", ".")
    with pytest.raises(RefusedError, match="exists with other content"):
        world.prepare()


def test_pull_takes_a_moved_base_in(world: World) -> None:
    first = world.prepare()
    world.put_base("a newer layer")
    assert world.prepare().digest == first.digest
    pulled = world.prepare(pull=True)
    assert pulled.digest != first.digest
    assert pulled.input_key == first.input_key


def test_the_base_of_the_functions_architecture_is_taken(world: World) -> None:
    world.write(architecture="arm64")
    assert world.prepare().architecture == "arm64"


def test_a_base_that_is_not_there_is_bad_input(world: World) -> None:
    world.write(image={"base": world.base.replace(":1", ":2")})
    with pytest.raises(BadInputError, match="no base image"):
        world.prepare()


def test_a_base_with_layers_that_lambda_does_not_take_is_bad_input(world: World) -> None:
    world.put_base("zstd", "application/vnd.oci.image.layer.v1.tar+zstd", OCI_MANIFEST)
    with pytest.raises(BadInputError, match="layers that Lambda doesn't take"):
        world.prepare()


def test_a_base_of_one_architecture_only_must_be_the_functions(world: World) -> None:
    config = {"architecture": "arm64", "os": "linux", "rootfs": {"diff_ids": []}}
    world.put_image("base", config, "x", OCI_LAYER, OCI_MANIFEST, tag="1")
    with pytest.raises(BadInputError, match="made for arm64"):
        world.prepare()


def test_a_missing_repository_says_who_makes_it(world: World) -> None:
    del world.registry.repositories["demo"]
    with pytest.raises(NotReadyError, match="no ECR repository demo") as caught:
        world.prepare()
    assert "foundation" in caught.value.hint


def test_a_repository_that_went_away_says_so_too(world: World) -> None:
    world.prepare()
    world.aws.missing = True
    with pytest.raises(NotReadyError, match="no ECR repository"):
        world.prepare()


def test_a_push_that_broke_is_continued_by_the_next_run(world: World) -> None:
    world.registry.faults = [Fault("PUT .*/manifests/", times=1000, status=500)]
    with pytest.raises(retry.RegistryError):
        world.prepare()
    assert world.tags == {}
    world.registry.faults = []
    assert world.prepare().pushed
    assert not world.registry.count("PUT .*/uploads/")


def test_the_docker_builder_without_an_engine_is_not_ready(world: World) -> None:
    world.write(image={"base": world.base, "builder": "docker"})
    with pytest.raises(NotReadyError, match="no container engine"):
        world.prepare()


def test_no_reachable_base_is_not_ready_on_aws(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    world.write(image={"base": "127.0.0.1:1/base:1"})
    with pytest.raises(NotReadyError, match=r"127\.0\.0\.1:1/base:1 can't be reached"):
        world.prepare()


@pytest.fixture
def host_base(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The base host Python without its network: any small base with the right label."""
    monkeypatch.setattr("stepladder.images.base.Bases.host", lambda _self: project.base(label="host-python:3.11"))
    return world


def test_a_local_cloud_without_an_engine_runs_on_this_machines_python(
    host_base: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4600")
    host_base.write(image={"base": ""}, architecture="arm64")
    image = host_base.prepare()
    assert image.base == "host-python:3.11"
    assert image.architecture == "x86_64"  # the machine's, not the function's
    assert "this machine's own Python" in host_base.said[0]


def test_a_local_cloud_with_an_engine_and_no_reachable_base_does_too_and_asks_once(
    host_base: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4600")
    monkeypatch.setattr(engine, "find", lambda: engine.Engine("20.10.24", "x86_64", here=True))
    monkeypatch.setattr("stepladder.images.engine_build.has_base", lambda _settings, _reference: False)
    host_base.write(image={"base": "127.0.0.1:1/base:1"})
    assert host_base.prepare().on_host_python
    assert "can't be reached" in host_base.said[-1]
    monkeypatch.setattr("stepladder.images.base.Bases._resolve", lambda *_a, **_k: pytest.fail("asked again"))
    host_base.write({"function/app/handler.py": "handler = 2\n"}, image={"base": "127.0.0.1:1/base:1"})
    assert host_base.prepare().on_host_python


def test_an_image_on_host_python_goes_to_no_other_cloud(host_base: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4600")
    host_base.write(image={"base": ""})
    image = host_base.prepare()
    images.check_deployable(image, "http://localhost:4600")
    for endpoint in ("", "https://lambda.eu-west-1.amazonaws.com", "http://10.0.0.1:4600"):
        with pytest.raises(RefusedError, match="can't run on AWS"):
            images.check_deployable(image, endpoint)


def _pushed(world: World, *, architecture: str = "amd64", layer: str = OCI_LAYER) -> check.Found:
    config = {"architecture": architecture, "os": "linux", "rootfs": {"diff_ids": []}}
    digest = world.put_image("demo", config, "x", layer, OCI_MANIFEST, tag="t")
    return check.read_back(world.registry.client(), "demo", digest, architecture="x86_64")


def test_an_image_of_the_functions_architecture_passes_the_check(world: World) -> None:
    assert _pushed(world).architecture == "x86_64"


def test_an_image_of_another_architecture_is_refused_with_how_to_build_it(world: World) -> None:
    with pytest.raises(RefusedError, match="made for arm64, the function's architecture is x86_64") as caught:
        _pushed(world, architecture="arm64")
    assert "--platform linux/amd64" in caught.value.hint


def test_an_image_with_uncompressed_layers_is_refused(world: World) -> None:
    with pytest.raises(RefusedError, match="Lambda doesn't take") as caught:
        _pushed(world, layer="application/vnd.oci.image.layer.v1.tar")
    assert "gzip" in caught.value.hint


def test_an_image_over_ten_gigabytes_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LIMIT", 10)
    with pytest.raises(RefusedError, match="at most 10 GB"):
        _pushed(world)


def test_an_index_that_an_engine_pushed_is_refused_with_the_flags_that_avoid_it(world: World) -> None:
    with pytest.raises(RefusedError, match="single image manifest only") as caught:
        check.read_back(world.registry.client(), "base", "1", architecture="x86_64")
    assert "--provenance=false" in caught.value.hint


def test_an_image_that_is_not_the_one_that_was_built_is_refused(world: World) -> None:
    _pushed(world)
    client = world.registry.client()
    with pytest.raises(RefusedError, match="not the image that was built"):
        check.read_back(client, "demo", "t", architecture="x86_64", digest="sha256:" + "0" * 64)
    with pytest.raises(RefusedError, match="built from other inputs"):
        check.read_back(client, "demo", "t", architecture="x86_64", key="k")
