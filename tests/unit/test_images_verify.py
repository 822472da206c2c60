"""What `inv image.verify` and a promotion make of what refers to an image: there, about this image, or not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes.image_harness import ImageHarness
from fakes.registry import Fault

from stepladder.core import git
from stepladder.core.image_facts import PROVENANCE, SBOM, SIGNATURE
from stepladder.core.retry import RegistryError
from stepladder.images.attest import verify
from stepladder.images.model import BuiltImage
from stepladder.images.registry import referrers
from stepladder.images.registry.referrers import Artifact, ReferrerSubject

ALL = ("sbom", "provenance", "signature")


@pytest.fixture
def harness(image_harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> ImageHarness:
    monkeypatch.setattr(git, "tree", lambda *_: git.Tree("c0" * 20, ()))
    monkeypatch.setattr(git, "ask", lambda *_: None)
    return image_harness


def states(harness: ImageHarness, image: BuiltImage) -> dict[str, str]:
    documents = verify.verify(harness.registry.client(), "demo", image.digest, harness.settings)
    return {each.kind: f"{each.state} {each.detail}".strip() for each in documents}


def subject(harness: ImageHarness, image: BuiltImage) -> ReferrerSubject:
    media_type, data = harness.registry.client().manifest("demo", image.digest) or ("", b"")
    return ReferrerSubject.of(media_type, data)


def replace(harness: ImageHarness, image: BuiltImage, kind: str, change: Any) -> None:
    """Delete a document of an image, and attach what a change makes of it."""
    client = harness.registry.client()
    (old,) = referrers.listed(client, "demo", image.digest, kind)
    document = json.loads(referrers.read(client, "demo", old, image.digest))
    client.request("DELETE", f"/v2/demo/manifests/{old.digest}", expect=(202,))
    changed = change(document)
    if changed is not None:
        data = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
        referrers.attach(client, "demo", subject(harness, image), Artifact(kind, data))


def test_what_a_push_attached_is_right_and_a_signature_is_missing(harness: ImageHarness) -> None:
    image = harness.prepare()
    assert states(harness, image) == {"sbom": "ok", "provenance": "ok", "signature": "missing"}
    documents = verify.verify(harness.registry.client(), "demo", image.digest, harness.settings)
    assert verify.lacking(documents, ("sbom", "provenance")) == []
    assert verify.lacking(documents, ALL) == ["no signature"]


def test_an_sbom_that_was_changed_no_longer_fits_the_provenance(harness: ImageHarness) -> None:
    image = harness.prepare()
    replace(harness, image, SBOM, lambda document: {**document, "components": []})
    assert states(harness, image)["sbom"] == "ok", "it is an SBOM of this image"
    assert states(harness, image)["provenance"] == "invalid names an SBOM that isn't the one in the registry"


def test_a_document_that_was_deleted_is_missing(harness: ImageHarness) -> None:
    image = harness.prepare()
    replace(harness, image, PROVENANCE, lambda _document: None)
    assert states(harness, image)["provenance"] == "missing"


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        (SBOM, lambda d: {**d, "metadata": {}}, "sbom: invalid is of another image"),
        (SBOM, lambda _d: b"not JSON", "sbom: invalid is no CycloneDX document"),
        (SBOM, lambda _d: b"[1]", "sbom: invalid is no CycloneDX document"),
        (
            PROVENANCE,
            lambda d: {**d, "subject": [{"digest": {"sha256": "0" * 64}}]},
            "provenance: invalid is of another",
        ),
        (PROVENANCE, lambda d: {**d, "subject": 7}, "provenance: invalid is of another image"),
        (PROVENANCE, lambda d: {**d, "predicateType": "x"}, "provenance: invalid is no provenance of SLSA"),
        (PROVENANCE, lambda d: {**d, "predicate": None}, "provenance: ok"),
    ],
)
def test_a_document_about_something_else_is_invalid(harness: ImageHarness, kind: str, change: Any, why: str) -> None:
    image = harness.prepare()
    replace(harness, image, kind, change)
    named = {f"{name}: {state}" for name, state in states(harness, image).items()}
    assert [text for text in named if text.startswith(why)], named


def test_one_right_document_is_enough_beside_wrong_ones(harness: ImageHarness) -> None:
    image = harness.prepare()
    junk = Artifact(SBOM, b'{"bomFormat":"CycloneDX"}')
    referrers.attach(harness.registry.client(), "demo", subject(harness, image), junk)
    assert states(harness, image)["sbom"] == "ok"


@pytest.mark.parametrize("status", [400, 404])
def test_a_document_whose_bytes_are_gone_keeps_no_right_one_from_counting(harness: ImageHarness, status: int) -> None:
    image = harness.prepare()
    junk = Artifact(SBOM, b"{}")
    referrers.attach(harness.registry.client(), "demo", subject(harness, image), junk)
    harness.registry.faults = [Fault(f"GET .*/blobs/{junk.blobs[0].digest}", times=9, status=status)]
    assert states(harness, image) == {"sbom": "ok", "provenance": "ok", "signature": "missing"}
    assert harness.registry.faults[0].times < 9


def test_a_signature_that_nobody_can_verify_is_no_signature(harness: ImageHarness) -> None:
    image = harness.prepare()
    referrers.attach(harness.registry.client(), "demo", subject(harness, image), Artifact(SIGNATURE, b"{}"))
    documents = verify.verify(harness.registry.client(), "demo", image.digest, harness.settings)
    assert documents[2].state == "unread"
    (line,) = verify.lacking(documents, ALL)
    assert line.startswith("a signature that can't be verified: nobody says whose it must be")


def test_a_registry_that_cannot_be_asked_is_no_missing_document(harness: ImageHarness) -> None:
    image = harness.prepare()
    harness.registry.faults = [Fault("GET .*/manifests/sha256:", times=99, status=403)]
    with pytest.raises(RegistryError) as error:
        verify.verify(harness.registry.client(), "demo", image.digest, harness.settings)
    assert error.value.status == 403
