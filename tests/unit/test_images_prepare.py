"""From settings to an image in the registry: what is done, what is skipped, what is refused before anything moves."""

from __future__ import annotations

import pytest
from fakes.image_harness import ImageHarness
from fakes.registry import Fault

from stepladder import images
from stepladder.core import retry
from stepladder.core.errors import BadInputError, NotReadyError
from stepladder.core.image_facts import OCI_LAYER, OCI_MANIFEST
from stepladder.images.model import digest_of


@pytest.fixture
def harness(image_harness: ImageHarness) -> ImageHarness:
    return image_harness


def test_the_first_run_builds_pushes_and_reads_back(harness: ImageHarness) -> None:
    image = harness.prepare()
    assert image.reference == f"123456789012.dkr.ecr.us-east-1.amazonaws.com/demo@{image.digest}"
    assert (image.architecture, image.builder, image.pushed) == ("x86_64", "layers", True)
    assert image.input_key == images.input_key(harness.settings)
    assert image.base.startswith(f"{harness.base}@sha256:")
    assert harness.aws.calls == ["GetAuthorizationToken"]
    manifest, config, _ = harness.registry.store.resolve("111111111111", "eu-west-1", "demo", image.digest)
    assert manifest["mediaType"] == OCI_MANIFEST
    assert {layer["mediaType"] for layer in manifest["layers"]} == {OCI_LAYER}
    assert config["config"]["Labels"]["dev.stepladder.input-key"] == image.input_key


def test_base_layers_of_the_same_registry_are_mounted_not_downloaded(harness: ImageHarness) -> None:
    harness.write(supply_chain={"sbom": False, "provenance": False})
    harness.prepare()
    assert harness.registry.count("POST .*demo/blobs/uploads") == 3
    assert not harness.registry.count("GET /v2/base/blobs/" + digest_of(b"the base's layer amd64"))


def test_the_second_run_makes_one_call_and_sends_nothing(harness: ImageHarness) -> None:
    first = harness.prepare()
    again = harness.prepare()
    assert harness.aws.calls == ["BatchGetImage"]
    assert harness.registry.requests == []
    assert (again.digest, again.pushed, harness.step.mark) == (first.digest, False, "skip")


def test_an_image_that_the_registry_lost_is_pushed_again(harness: ImageHarness) -> None:
    first = harness.prepare()
    harness.registry.store.clear(harness.registry.key())
    again = harness.prepare()
    assert again.digest == first.digest
    assert again.pushed


def test_pull_takes_a_moved_base_in(harness: ImageHarness) -> None:
    first = harness.prepare()
    harness.put_base("a newer layer")
    assert harness.prepare().digest == first.digest
    pulled = harness.prepare(pull=True)
    assert pulled.digest != first.digest
    assert pulled.input_key == first.input_key


def test_the_base_of_the_functions_architecture_is_taken(harness: ImageHarness) -> None:
    harness.write(architecture="arm64")
    assert harness.prepare().architecture == "arm64"


def test_a_base_that_is_not_there_is_bad_input(harness: ImageHarness) -> None:
    harness.write(image={"base": harness.base.replace(":1", ":2")})
    with pytest.raises(BadInputError, match="no base image"):
        harness.prepare()


def test_a_base_with_layers_that_lambda_does_not_take_is_bad_input(harness: ImageHarness) -> None:
    harness.put_base("zstd", "application/vnd.oci.image.layer.v1.tar+zstd", OCI_MANIFEST)
    with pytest.raises(BadInputError, match="layers that Lambda doesn't take"):
        harness.prepare()


def test_a_base_of_one_architecture_only_must_be_the_functions(harness: ImageHarness) -> None:
    config = {"architecture": "arm64", "os": "linux", "rootfs": {"diff_ids": []}}
    harness.put_image("base", config, "x", OCI_LAYER, OCI_MANIFEST, tag="1")
    with pytest.raises(BadInputError, match="made for arm64"):
        harness.prepare()


def test_a_missing_repository_says_who_makes_it(harness: ImageHarness) -> None:
    del harness.registry.repositories["demo"]
    with pytest.raises(NotReadyError, match="no ECR repository demo") as caught:
        harness.prepare()
    assert "foundation" in caught.value.hint


def test_a_repository_that_went_away_says_so_too(harness: ImageHarness) -> None:
    harness.prepare()
    harness.aws.missing = True
    with pytest.raises(NotReadyError, match="no ECR repository"):
        harness.prepare()


def test_a_push_that_broke_is_continued_by_the_next_run(harness: ImageHarness) -> None:
    harness.registry.faults = [Fault("PUT .*/manifests/", times=1000, status=500)]
    harness.write(supply_chain={"sbom": False, "provenance": False})
    with pytest.raises(retry.RegistryError):
        harness.prepare()
    assert harness.tags == {}
    harness.registry.faults = []
    assert harness.prepare().pushed
    assert not harness.registry.count("PUT .*/uploads/")


def test_the_docker_builder_without_an_engine_is_not_ready(harness: ImageHarness) -> None:
    harness.write(image={"base": harness.base, "builder": "docker"})
    with pytest.raises(NotReadyError, match="no container engine"):
        harness.prepare()


def test_no_reachable_base_is_not_ready_on_aws(harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    harness.write(image={"base": "127.0.0.1:1/base:1"})
    with pytest.raises(NotReadyError, match=r"127\.0\.0\.1:1/base:1 can't be reached"):
        harness.prepare()
