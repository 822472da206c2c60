"""What is looked at before an image may be released: its base, its manifest, its architecture, its size."""

from __future__ import annotations

import pytest
from fakes import image_project as project
from fakes.image_harness import ImageHarness

from stepladder import images
from stepladder.core import container_engine
from stepladder.core.errors import RefusedError
from stepladder.core.image_facts import OCI_LAYER, OCI_MANIFEST
from stepladder.images import check


@pytest.fixture
def harness(image_harness: ImageHarness) -> ImageHarness:
    return image_harness


@pytest.fixture
def host_base(harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> ImageHarness:
    """The base host Python without its network: any small base with the right label."""
    monkeypatch.setattr(
        "stepladder.images.base.registry.Bases.host", lambda _self: project.base(label="host-python:3.11")
    )
    return harness


def test_a_local_cloud_without_an_engine_runs_on_this_machines_python(
    host_base: ImageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4600")
    host_base.write(image={"base": ""}, architecture="arm64")
    image = host_base.prepare()
    assert image.base == "host-python:3.11"
    assert image.architecture == "x86_64"  # the machine's, not the function's
    assert "this machine's own Python" in host_base.printed[0]


def test_a_local_cloud_with_an_engine_and_no_reachable_base_does_too_and_asks_once(
    host_base: ImageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4600")
    monkeypatch.setattr(
        container_engine, "find", lambda: container_engine.ContainerEngine("20.10.24", "x86_64", is_local=True)
    )
    monkeypatch.setattr("stepladder.images.docker.build.has_base", lambda _settings, _reference: False)
    host_base.write(image={"base": "127.0.0.1:1/base:1"})
    assert host_base.prepare().on_host_python
    assert "can't be reached" in host_base.printed[-1]
    monkeypatch.setattr("stepladder.images.base.registry.Bases._resolve", lambda *_a, **_k: pytest.fail("asked again"))
    host_base.write({"function/app/handler.py": "handler = 2\n"}, image={"base": "127.0.0.1:1/base:1"})
    assert host_base.prepare().on_host_python


def test_an_image_on_host_python_goes_to_no_other_cloud(
    host_base: ImageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4600")
    host_base.write(image={"base": ""})
    image = host_base.prepare()
    monkeypatch.setattr("stepladder.core.endpoints._answers_as_local_cloud", lambda _url: False)
    images.check_deployable(image, "http://localhost:4600")
    for endpoint in ("", "https://lambda.eu-west-1.amazonaws.com", "http://10.0.0.1:4600"):
        with pytest.raises(RefusedError, match="can't run on AWS"):
            images.check_deployable(image, endpoint)


def _pushed(harness: ImageHarness, *, architecture: str = "amd64", layer: str = OCI_LAYER) -> check.RegistryImage:
    config = {"architecture": architecture, "os": "linux", "rootfs": {"diff_ids": []}}
    digest = harness.put_image("demo", config, "x", layer, OCI_MANIFEST, tag="t")
    return check.read_back(harness.registry.client(), "demo", digest, architecture="x86_64")


def test_an_image_of_the_functions_architecture_passes_the_check(harness: ImageHarness) -> None:
    assert _pushed(harness).architecture == "x86_64"


def test_an_image_of_another_architecture_is_refused_with_how_to_build_it(harness: ImageHarness) -> None:
    with pytest.raises(RefusedError, match="made for arm64, the function's architecture is x86_64") as caught:
        _pushed(harness, architecture="arm64")
    assert "--platform linux/amd64" in caught.value.hint


def test_an_image_with_uncompressed_layers_is_refused(harness: ImageHarness) -> None:
    with pytest.raises(RefusedError, match="Lambda doesn't take") as caught:
        _pushed(harness, layer="application/vnd.oci.image.layer.v1.tar")
    assert "gzip" in caught.value.hint


def test_an_image_over_ten_gigabytes_is_refused(harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LIMIT", 10)
    with pytest.raises(RefusedError, match="at most 10 GB"):
        _pushed(harness)


def test_an_index_that_an_engine_pushed_is_refused_with_the_flags_that_avoid_it(harness: ImageHarness) -> None:
    with pytest.raises(RefusedError, match="single image manifest only") as caught:
        check.read_back(harness.registry.client(), "base", "1", architecture="x86_64")
    assert "--provenance=false" in caught.value.hint


def test_an_image_that_is_not_the_one_that_was_built_is_refused(harness: ImageHarness) -> None:
    _pushed(harness)
    client = harness.registry.client()
    with pytest.raises(RefusedError, match="not the image that was built"):
        check.read_back(client, "demo", "t", architecture="x86_64", digest="sha256:" + "0" * 64)
    with pytest.raises(RefusedError, match="built from other inputs"):
        check.read_back(client, "demo", "t", architecture="x86_64", key="k")
