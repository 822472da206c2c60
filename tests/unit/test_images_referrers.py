"""What refers to an image, over real sockets: attached, listed, read and copied, with and without a referrers API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.registry import Fault, FaultyRegistry

from stepladder.core import retry
from stepladder.core.image_facts import OCI_INDEX, OCI_MANIFEST, PROVENANCE, SBOM
from stepladder.core.retry import RegistryError
from stepladder.images.model import canonical, digest_of
from stepladder.images.registry import referrers
from stepladder.images.registry.client import RegistryClient, RegistryResponse
from stepladder.images.registry.referrers import Artifact, ReferrerSubject

BOM = Artifact(SBOM, b'{"bomFormat":"CycloneDX"}', {"dev.example/kind": "sbom"})
NO_API = Fault("GET /v2/[a-z]+/referrers/", times=999, status=404)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyRegistry]:
    monkeypatch.setattr(retry, "sleep", lambda _seconds: None)
    with FaultyRegistry(tmp_path / "registry") as running:
        yield running


def image(client: RegistryClient, repository: str = "demo", tag: str = "v1") -> ReferrerSubject:
    """An image as far as a registry cares: a manifest whose configuration is an artifact's."""
    subject = Artifact("application/vnd.example", b"{}").manifest(ReferrerSubject("sha256:" + "0" * 64, 1, "x"))
    document = {key: value for key, value in json.loads(subject).items() if key != "subject"}
    referrers.push_blobs(client, repository, Artifact("x", b"{}").blobs, lambda _count: None)
    data = canonical(document)
    assert client.put_manifest(repository, tag, OCI_MANIFEST, data).status == 201
    return ReferrerSubject.of(OCI_MANIFEST, data)


def test_what_is_attached_is_listed_by_its_type_and_read_back(registry: FaultyRegistry) -> None:
    client = registry.client()
    subject = image(client)
    assert referrers.listed(client, "demo", subject.digest) == ()
    (digest,) = referrers.attach(client, "demo", subject, BOM)
    referrers.attach(client, "demo", subject, Artifact(PROVENANCE, b"{}"))
    (bom,) = referrers.listed(client, "demo", subject.digest, SBOM)
    assert (bom.digest, bom.artifact_type, bom.annotations) == (digest, SBOM, {"dev.example/kind": "sbom"})
    assert referrers.read(client, "demo", bom, subject.digest) == BOM.data
    assert {each.artifact_type for each in referrers.listed(client, "demo", subject.digest)} == {SBOM, PROVENANCE}


def test_the_image_keeps_its_digest_its_tag_and_its_one_manifest(registry: FaultyRegistry) -> None:
    client = registry.client()
    subject = image(client)
    referrers.attach(client, "demo", subject, BOM)
    media_type, data = client.manifest("demo", "v1") or ("", b"")
    assert (media_type, digest_of(data)) == (OCI_MANIFEST, subject.digest)
    assert list(registry.store.index(registry.key()).tags) == ["v1"], "a referrer has no tag"


def test_attaching_again_sends_no_blob_and_changes_nothing(registry: FaultyRegistry) -> None:
    client = registry.client()
    subject = image(client)
    first = referrers.attach(client, "demo", subject, BOM)
    registry.requests.clear()
    assert referrers.attach(client, "demo", subject, BOM) == first
    assert not registry.count("POST|PATCH|PUT .*blobs")
    assert len(referrers.listed(client, "demo", subject.digest)) == 1


def test_a_registry_without_the_api_lists_referrers_in_an_index_under_the_digest_as_a_tag(
    registry: FaultyRegistry,
) -> None:
    registry.faults.append(NO_API)
    client = registry.client()
    subject = image(client, "other")
    assert referrers.listed(client, "other", subject.digest) == ()
    referrers.attach(client, "other", subject, BOM)
    referrers.attach(client, "other", subject, Artifact(PROVENANCE, b"{}"))
    tag = subject.digest.replace(":", "-")
    assert (client.manifest("other", tag) or ("", b""))[0] == OCI_INDEX
    assert {each.artifact_type for each in referrers.listed(client, "other", subject.digest)} == {SBOM, PROVENANCE}
    (bom,) = referrers.listed(client, "other", subject.digest, SBOM)
    assert referrers.read(client, "other", bom, subject.digest) == BOM.data
    assert bom.annotations == BOM.annotations


def test_immutable_tags_without_the_api_take_one_referrer_and_refuse_the_next_in_words(
    registry: FaultyRegistry,
) -> None:
    registry.faults.append(NO_API)
    client = registry.client()
    subject = image(client)
    referrers.attach(client, "demo", subject, BOM)
    with pytest.raises(RegistryError, match="doesn't take what refers to an image: TAG_INVALID"):
        referrers.attach(client, "demo", subject, Artifact(PROVENANCE, b"{}"))


def test_a_registry_that_answers_with_the_subject_in_place_of_its_index_lists_nothing(
    registry: FaultyRegistry,
) -> None:
    client = registry.client()
    subject = image(client, "other")
    data = (client.manifest("other", "v1") or ("", b""))[1]
    client.put_manifest("other", subject.digest.replace(":", "-"), OCI_MANIFEST, data)
    registry.faults.append(NO_API)
    assert referrers.listed(client, "other", subject.digest) == ()


@pytest.mark.parametrize(
    ("swapped", "why"),
    [
        (b'{"layers":[],"subject":{}}', "does not refer to sha256:"),
        (b"[]", "is no manifest"),
        (b'{"layers":7', "is no manifest"),
    ],
)
def test_a_manifest_that_is_no_referrer_of_the_image_is_not_read(
    registry: FaultyRegistry, swapped: bytes, why: str
) -> None:
    client = registry.client()
    subject = image(client, "other")
    client.put_manifest("other", "odd", OCI_MANIFEST, b"{}")
    referrer = referrers.Referrer(digest_of(swapped), len(swapped), SBOM)
    registry.store.path(referrer.digest).write_bytes(swapped)
    with registry.store.change(registry.key("other")) as index:
        index.images[referrer.digest] = next(iter(index.images.values()))
    with pytest.raises(RegistryError, match=why):
        referrers.read(client, "other", referrer, subject.digest)


def test_a_referrer_that_was_deleted_says_so_when_it_is_read(registry: FaultyRegistry) -> None:
    client = registry.client()
    subject = image(client)
    referrers.attach(client, "demo", subject, BOM)
    (bom,) = referrers.listed(client, "demo", subject.digest)
    assert client.request("DELETE", f"/v2/demo/manifests/{bom.digest}", expect=(202,)).status == 202
    assert referrers.listed(client, "demo", subject.digest) == ()
    with pytest.raises(RegistryError, match="is not in the repository any more"):
        referrers.read(client, "demo", bom, subject.digest)


def test_a_copy_takes_referrers_and_their_referrers_along_and_the_next_one_nothing(registry: FaultyRegistry) -> None:
    client = registry.client()
    subject = image(client)
    referrers.attach(client, "demo", subject, BOM)
    (bom,) = referrers.listed(client, "demo", subject.digest)
    data = (client.manifest("demo", bom.digest) or ("", b""))[1]
    referrers.attach(client, "demo", ReferrerSubject.of(OCI_MANIFEST, data), Artifact("application/x-signature", b"s"))
    image(client, "other")
    assert referrers.copy(client, "demo", client, "other", subject.digest) == 2
    assert referrers.listed(client, "other", subject.digest) == (bom,)
    assert [each.artifact_type for each in referrers.listed(client, "other", bom.digest)] == ["application/x-signature"]
    assert referrers.copy(client, "demo", client, "other", subject.digest) == 0


def test_a_type_with_a_parameter_is_refused_as_ecr_refuses_it(registry: FaultyRegistry) -> None:
    client = registry.client()
    subject = image(client)
    old = Artifact("application/vnd.dev.sigstore.bundle+json;version=0.2", b"{}")
    with pytest.raises(RegistryError) as error:
        referrers.attach(client, "demo", subject, old)
    assert error.value.status == 405


def test_a_list_whose_next_page_is_itself_ends(registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    client = registry.client()
    again = RegistryResponse(200, {"link": '</v2/demo/referrers/x>; rel="next"'}, b'{"manifests": []}')
    monkeypatch.setattr(client, "request", lambda *_options, **_more: again)
    with pytest.raises(RegistryError, match="without end"):
        referrers.listed(client, "demo", "sha256:" + "0" * 64)


def test_every_page_of_a_long_list_is_read(registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    client = registry.client()
    digest = image(client).digest
    pages = [
        ('</v2/demo/referrers/x?page=2>; rel="next"', "sha256:1"),
        ("", "sha256:2"),
    ]

    real = client.request

    def answered(verb: str, path: str, *options: Any, **more: Any) -> RegistryResponse:
        if "/referrers/" not in path:
            return real(verb, path, *options, **more)
        link, name = pages.pop(0)
        body = json.dumps({"manifests": [{"digest": name, "size": 1, "artifactType": SBOM}, {"odd": 1}, 7]})
        return RegistryResponse(200, {"link": link}, body.encode())

    monkeypatch.setattr(client, "request", answered)
    assert [each.digest for each in referrers.listed(client, "demo", digest)] == ["sha256:1", "sha256:2"]
