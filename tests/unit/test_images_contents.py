"""What an image holds is read from its registry: layers, and packages by an SBOM or by the layers themselves."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stepladder.core.image_facts import OCI_MANIFEST
from stepladder.core.retry import RegistryError
from stepladder.images import contents
from stepladder.images.contents import ImageLayer
from stepladder.images.model import digest_of


class FakeRegistry:
    """A registry in memory that counts downloads and may refuse them. It has no referrers but an SBOM."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.downloaded: list[str] = []
        self.refusal: RegistryError | None = None

    def hold(self, data: bytes) -> str:
        self.blobs[digest_of(data)] = data
        return digest_of(data)

    def layer(self, *paths: str) -> ImageLayer:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for path in paths:
                archive.addfile(tarfile.TarInfo(path))
        digest = self.hold(buffer.getvalue())
        return ImageLayer(digest, len(buffer.getvalue()), f"stepladder: function/{paths[0] if paths else ''}")

    def image(self, *layers: ImageLayer) -> str:
        history = [{"created_by": "ENV", "empty_layer": True}, *({"created_by": each.made_by} for each in layers)]
        config = self.hold(json.dumps({"history": history}).encode())
        parts = [{"digest": each.digest, "size": each.size} for each in layers]
        manifest = json.dumps({"config": {"digest": config}, "layers": parts}).encode()
        self.manifests[digest_of(manifest)] = manifest
        return digest_of(manifest)

    def manifest(self, _name: str, reference: str) -> tuple[str, bytes] | None:
        data = self.manifests.get(reference)
        return (OCI_MANIFEST, data) if data else None

    def blob(self, _name: str, digest: str) -> bytes:
        return self.blobs[digest]

    def download(self, _name: str, digest: str, into: Path) -> Path:
        if self.refusal:
            raise self.refusal
        self.downloaded.append(digest)
        into.mkdir(parents=True, exist_ok=True)
        path = into / digest.replace(":", "-")
        path.write_bytes(self.blobs[digest])
        return path

    def request(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(status=404, data=b"", headers={})


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


def repository(registry: FakeRegistry) -> Any:
    return SimpleNamespace(registry=registry, name="hello")


def test_an_image_is_its_layers_each_with_the_step_that_made_it(registry: FakeRegistry) -> None:
    layers = registry.layer("a"), registry.layer("b")
    read = contents.of(repository(registry), registry.image(*layers))
    assert read is not None
    assert read.layers == layers
    assert read.packages is None


def test_an_image_that_was_deleted_is_none(registry: FakeRegistry) -> None:
    assert contents.of(repository(registry), "sha256:00") is None


def test_a_history_that_fits_no_layers_says_nothing_of_them() -> None:
    manifest = {"layers": [{"digest": "sha256:1", "size": 1}, {"digest": "sha256:2", "size": 2}]}
    assert [each.made_by for each in contents.layers_of(manifest, {"history": [{"created_by": "COPY"}]})] == ["", ""]


def test_packages_are_the_folders_of_their_metadata_and_are_read_once(registry: FakeRegistry, tmp_path: Path) -> None:
    layer = registry.layer(
        "var/task/Foo_Bar-1.2.dist-info/METADATA",
        "var/task/Foo_Bar-1.2.dist-info/RECORD",
        "var/task/foo/x.dist-info.py",
        "opt/python/baz-2.0rc1.dist-info/METADATA",
    )
    for _ in range(2):
        assert contents.packages_of(repository(registry), [layer], tmp_path) == {"foo-bar": "1.2", "baz": "2.0rc1"}
    assert registry.downloaded == [layer.digest]


def test_layers_that_are_too_large_are_not_fetched(registry: FakeRegistry, tmp_path: Path) -> None:
    layer = ImageLayer("sha256:1", contents.LARGEST + 1)
    answer = contents.packages_of(repository(registry), [layer], tmp_path)
    assert answer == "their layers have 64.0 MB, which is more than is read for this"
    assert registry.downloaded == []


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b\x08\x00cut"])
def test_a_layer_that_is_no_archive_leaves_packages_unknown(
    registry: FakeRegistry, tmp_path: Path, data: bytes
) -> None:
    answer = contents.packages_of(repository(registry), [ImageLayer(registry.hold(data), 1)], tmp_path)
    assert "can't be read" in str(answer)


def test_a_registry_that_refuses_leaves_packages_unknown(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.refusal = RegistryError("the registry answered 403")
    assert contents.packages_of(repository(registry), [registry.layer("a")], tmp_path) == "the registry answered 403"


CYCLONEDX = {"components": [{"name": "x", "purl": "pkg:pypi/Foo.Bar@1.2%2Blocal"}, {"purl": "pkg:deb/libc@2"}, {}]}
SPDX = {"packages": [{"externalRefs": [{"referenceLocator": "pkg:pypi/foo-bar@1.2+local"}]}, {"name": "x"}]}


@pytest.mark.parametrize("document", [CYCLONEDX, SPDX])
def test_an_sbom_of_either_format_names_its_python_packages(document: dict[str, Any]) -> None:
    assert contents.in_sbom(json.dumps(document).encode()) == {"foo-bar": "1.2+local"}


@pytest.mark.parametrize(
    "document", [{}, {"components": "x", "packages": [1, {"externalRefs": {"a": 1}}]}, {"components": [None, []]}]
)
def test_an_sbom_of_odd_shapes_names_no_package(document: dict[str, Any]) -> None:
    assert contents.in_sbom(json.dumps(document).encode()) == {}


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{"])
def test_bytes_that_are_no_sbom_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own, and ours
        contents.in_sbom(data)
