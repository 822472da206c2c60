"""A promotion that requires documents of its image: the command refuses it before anything moves, and so does AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import ci_tokens
import cloud_images
import in_process
import pytest
from cloud_project import CloudProject
from sigstore_services import BEARER, SigstoreServices

from stepladder.commands import image_verify
from stepladder.core.console import Console
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.core.image_facts import PROVENANCE, SBOM
from stepladder.images.attest import provenance, sbom, signing
from stepladder.images.attest.inputs import ImageInputs
from stepladder.images.registry import ecr, referrers
from stepladder.promotion import attested
from stepladder.settings.load import load

pytestmark = pytest.mark.cloud

HANDLER = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'attested'}\n"


@pytest.fixture(scope="module")
def project(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProject]:
    runtime = cloud_images.runtime(tmp_path_factory.mktemp("runtime"))
    with in_process.pointed_at(cloud, brief=2.0):
        folder = tmp_path_factory.mktemp("project")
        yield CloudProject(cloud, folder, runtime=runtime, require=["sbom", "provenance"]).build()


def attach(project: CloudProject, digest: str, *kinds: str) -> None:
    rung = project.rung()
    repository = ecr.connect(rung.aws, rung.names)
    subject = referrers.ReferrerSubject.of(*(repository.registry.manifest(repository.name, digest) or ("", b"")))
    inputs = ImageInputs(project.name, digest, "x86_64", "3.13", "host-python:3", "k", "layers")
    bom = sbom.artifact(inputs, ())
    documents = {SBOM: bom, PROVENANCE: provenance.artifact(inputs, bom.blobs[0].digest)}
    referrers.attach(repository.registry, repository.name, subject, *(documents[kind] for kind in kinds))


def test_a_promotion_is_refused_until_its_image_has_what_is_required(project: CloudProject) -> None:
    digest = project.ship(HANDLER)
    attach(project, digest, PROVENANCE)
    refused = project.promote()
    assert refused.code == 4
    assert "has no sbom, a provenance that names an SBOM that isn't the one in the registry" in refused.message
    assert project.digest("production") != digest

    with pytest.MonkeyPatch.context() as patched:  # one that another program starts
        patched.setattr(attested, "check", lambda *_: None)
        started = project.promote()
    assert started.code == 4
    assert f"has no sbom in {project.name}, and promotion.require asks for it" in started.message
    assert project.digest("production") != digest

    attach(project, digest, SBOM)
    assert project.promote().code == 0
    assert project.digest("production") == digest


def sign(project: CloudProject, digest: str, services: SigstoreServices, repository: str) -> None:
    """Attach a signature by a job of a repository on GitHub."""
    services.claims = ci_tokens.github(repository)
    rung = project.rung()
    registry = ecr.connect(rung.aws, rung.names)
    statement = provenance.artifact(ImageInputs(project.name, digest, "x86_64", "3.13", "host-python:3", "k", "layers"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GITHUB_ACTIONS", "true")
        patched.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{services.url}/token?v=1")
        patched.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", BEARER)
        unnamed = load({**project.given, "supply_chain": {"sigstore": "sigstore.json"}}, project.root)
        bundle = signing.sign(unnamed, statement.data)
    subject = referrers.ReferrerSubject.of(*(registry.registry.manifest(registry.name, digest) or ("", b"")))
    referrers.attach(registry.registry, registry.name, subject, bundle)


def test_a_promotion_that_requires_a_signature_takes_that_of_its_own_jobs_only(
    project: CloudProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = project.ship(HANDLER + "# signed\n")
    attach(project, digest, SBOM, PROVENANCE)
    with SigstoreServices() as services:
        services.write(project.root / "sigstore.json")
        ci = {"github": {"repository": "acme/orders", "owner_id": "1", "repository_id": "2"}}
        given = {
            **project.given,
            "promotion": {**project.given["promotion"], "require": ["sbom", "provenance", "signature"]},
            "supply_chain": {"sigstore": "sigstore.json"},
            "ci": ci,
        }
        monkeypatch.setattr(project, "settings", load(given, project.root))
        assert "has no signature, and promotion.require" in project.promote().message
        sign(project, digest, services, "mallory/orders")
        refused = project.promote()
        assert refused.code == 4
        assert "has a signature that is by https://github.com/mallory/orders/" in refused.message
        assert project.digest("production") != digest
        sign(project, digest, services, "acme/orders")
        assert project.promote().code == 0
    assert project.digest("production") == digest


def test_the_documents_of_what_an_environment_serves_are_verified_by_their_digests(project: CloudProject) -> None:
    digest = project.ship(HANDLER + "# verified\n")
    rung = project.rung("staging", Console(as_json=True))
    with pytest.raises(StepladderError, match="has no sbom, no provenance") as error:
        image_verify.verify(rung)
    assert error.value.record["digest"] == digest
    attach(project, digest, SBOM, PROVENANCE)
    record = image_verify.verify(rung)
    assert (record.digest, record.result) == (digest, "ok")
    assert {each.kind: each.state for each in record.documents} == {
        "sbom": "ok",
        "provenance": "ok",
        "signature": "missing",
    }
    assert json.dumps([vars(each) for each in record.documents])


def test_an_image_that_is_not_in_the_registry_is_refused_and_half_a_digest_is_bad_input(project: CloudProject) -> None:
    rung = project.rung("staging", Console(as_json=True))
    with pytest.raises(RefusedError, match="is not in the repository"):
        image_verify.verify(rung, "0" * 64)
    with pytest.raises(StepladderError, match="is no digest"):
        image_verify.verify(rung, "sha256:abc")
