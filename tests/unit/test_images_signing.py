"""Images that are signed by a job's identity: by whom, for which image, and what no signature counts for."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import ci_tokens
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fakes.image_harness import ImageHarness
from sigstore_services import BEARER, SigstoreServices

from stepladder.commands import image_verify
from stepladder.core import git
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, RefusedError, StepladderError
from stepladder.core.image_facts import PROVENANCE, SBOM, SIGNATURE
from stepladder.forge import registered
from stepladder.images import build_cache
from stepladder.images.attest import verify
from stepladder.images.attest.signing import SigningError
from stepladder.images.attest.verify import AttachedDocument
from stepladder.images.model import BuiltImage
from stepladder.images.registry import referrers
from stepladder.images.registry.referrers import Artifact, ReferrerSubject
from stepladder.promotion import attested

COMMIT = "c0" * 20
CI = {"github": {"repository": "acme/orders", "owner_id": "1", "repository_id": "2"}}
WORKFLOW = "https://github.com/acme/orders/.github/workflows/ladder.yml@refs/heads/main"


@pytest.fixture(scope="module")
def services() -> Iterator[SigstoreServices]:
    with SigstoreServices() as running:
        yield running


@pytest.fixture
def harness(image_harness: ImageHarness, services: SigstoreServices, monkeypatch: pytest.MonkeyPatch) -> ImageHarness:
    for variable in ("CI", "GITLAB_CI", "CODEBUILD_BUILD_ID", "SIGSTORE_ID_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(git, "tree", lambda *_: git.Tree(COMMIT, ()))
    monkeypatch.setattr(git, "ask", lambda *_: None)
    services.claims, services.down = ci_tokens.github(), False
    services.requests.clear()
    services.write(image_harness.root / "sigstore.json")
    job(monkeypatch, services)
    configure(image_harness)
    return image_harness


def job(monkeypatch: pytest.MonkeyPatch, services: SigstoreServices) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{services.url}/token?v=1")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", BEARER)


def other_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "tree", lambda *_: git.Tree("c1" * 20, ()))


def configure(harness: ImageHarness, sign: str = "auto", ci: Any = CI, **supply_chain: Any) -> None:
    harness.write(supply_chain={"sign": sign, "sigstore": "sigstore.json", **supply_chain}, ci=ci)


def signature(harness: ImageHarness, image: BuiltImage) -> AttachedDocument:
    *_, document = verify.verify(harness.registry.client(), "demo", image.digest, harness.settings)
    return document


def bundles(harness: ImageHarness, image: BuiltImage) -> list[dict[str, Any]]:
    client = harness.registry.client()
    attached = referrers.listed(client, "demo", image.digest, SIGNATURE)
    return [json.loads(referrers.read(client, "demo", each, image.digest)) for each in attached]


def attach(harness: ImageHarness, image: BuiltImage, bundle: bytes) -> None:
    client = harness.registry.client()
    subject = ReferrerSubject.of(*(client.manifest("demo", image.digest) or ("", b"")))
    referrers.attach(client, "demo", subject, Artifact(SIGNATURE, bundle))


def detach(harness: ImageHarness, image: BuiltImage) -> None:
    client = harness.registry.client()
    for each in referrers.listed(client, "demo", image.digest, SIGNATURE):
        client.request("DELETE", f"/v2/demo/manifests/{each.digest}", expect=(202,))


def test_a_job_signs_the_provenance_of_the_image_that_it_pushes(harness: ImageHarness) -> None:
    image = harness.prepare()
    (bundle,) = bundles(harness, image)
    assert bundle["mediaType"] == SIGNATURE
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": "demo", "digest": {"sha256": image.digest[7:]}}]
    assert signature(harness, image).state == "ok"
    documents = verify.verify(harness.registry.client(), "demo", image.digest, harness.settings)
    assert verify.lacking(documents, ("sbom", "provenance", "signature")) == []
    assert not [line for line in harness.printed if "signature" in line]


def test_a_run_that_changes_nothing_asks_nobody_and_a_later_job_signs_nothing_twice(
    harness: ImageHarness, services: SigstoreServices
) -> None:
    image = harness.prepare()
    services.requests.clear()
    harness.prepare()
    assert harness.registry.requests == []
    build_cache._file(harness.settings).unlink()
    assert not harness.prepare().pushed
    assert not harness.registry.count("PUT|POST")
    assert len(bundles(harness, image)) == 1
    assert services.requests == []


def test_an_image_that_was_pushed_unsigned_is_signed_by_a_job_that_builds_the_same(harness: ImageHarness) -> None:
    configure(harness, "never")
    image = harness.prepare()
    assert signature(harness, image).state == "missing"
    build_cache._file(harness.settings).unlink()
    configure(harness)
    assert not harness.prepare().pushed
    assert signature(harness, image).state == "ok"


@pytest.mark.parametrize("sign", ["never", "auto"])
def test_nothing_is_signed_unless_the_settings_say_so_and_the_job_has_an_identity(
    harness: ImageHarness, services: SigstoreServices, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    if sign == "auto":
        monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL")
    configure(harness, sign)
    image = harness.prepare()
    assert signature(harness, image).state == "missing"
    assert services.requests == []
    assert not [line for line in harness.printed if "sign" in line]


def test_a_signature_that_is_required_and_cannot_be_made_is_an_error_that_says_what_the_job_lacks(
    harness: ImageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL")
    configure(harness, "required")
    with pytest.raises(SigningError, match="no `id-token: write`") as error:
        harness.prepare()
    assert error.value.hint == "give the job `permissions: {id-token: write}`"


def test_a_sigstore_that_fails_keeps_no_release_back_unless_the_signature_is_required(
    harness: ImageHarness, services: SigstoreServices
) -> None:
    services.down = True
    image = harness.prepare()
    *_, warning = harness.printed
    assert warning.startswith("the image has no signature: the image can't be signed: ")
    assert "500" in warning
    assert "eyJ" not in warning
    documents = verify.verify(harness.registry.client(), "demo", image.digest, harness.settings)
    assert [each.state for each in documents] == ["ok", "ok", "missing"]
    build_cache._file(harness.settings).unlink()
    configure(harness, "required")
    with pytest.raises(SigningError, match="500"):
        harness.prepare()


def test_a_token_that_fulcio_refuses_is_named_by_its_answer_and_never_shown(
    harness: ImageHarness, services: SigstoreServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(services, "forge_key", ec.generate_private_key(ec.SECP256R1()))
        token = services.token(aud="sigstore")
    monkeypatch.delenv("GITHUB_ACTIONS")
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", token)
    configure(harness)
    harness.prepare()
    *_, warning = harness.printed
    assert "401 Client Error: Unauthorized" in warning
    assert token not in warning
    assert token not in repr(registered.current().signing_token())


@pytest.mark.parametrize(
    "claims",
    [
        ci_tokens.github("mallory/orders"),
        ci_tokens.github(ref="refs/heads/feature"),
        ci_tokens.github(event="pull_request", ref="refs/pull/7/merge"),
        ci_tokens.github(ids=("1", "3")),
        {**ci_tokens.github(), "iss": "https://token.actions.githubusercontent.com/mallory"},
    ],
    ids=["repository", "branch", "pull-request", "same-name", "issuer"],
)
def test_the_signature_of_another_job_does_not_count(
    harness: ImageHarness, services: SigstoreServices, claims: dict[str, Any]
) -> None:
    services.claims = claims
    image = harness.prepare()
    assert any("the signature of this job wouldn't count: it is by https://github.com/" in x for x in harness.printed)
    configure(harness, ci={})  # so that its job doesn't know
    build_cache._file(harness.settings).unlink()
    harness.prepare()
    configure(harness)
    document = signature(harness, image)
    assert document.state == "invalid"
    assert document.detail.startswith(f"is by https://github.com/{claims['job_workflow_ref']}, and not by")
    services.claims = ci_tokens.github()
    build_cache._file(harness.settings).unlink()
    harness.prepare()
    assert signature(harness, image).state == "ok", "the right job signs beside it"
    assert len(bundles(harness, image)) == 2


@pytest.mark.parametrize("sign", ["auto", "required"])
def test_the_job_of_a_preview_releases_unsigned_unless_a_signature_is_required_of_each_image(
    harness: ImageHarness, services: SigstoreServices, sign: str
) -> None:
    services.claims = ci_tokens.github(event="pull_request", ref="refs/pull/7/merge")
    section = {"sign": sign, "sigstore": "sigstore.json"}
    harness.write(supply_chain=section, ci=CI, promotion={"require": ["signature"]})
    if sign == "required":
        with pytest.raises(SigningError, match=r"wouldn't count: it is by .*refs/pull/7/merge, and not by"):
            harness.prepare()
        return
    image = harness.prepare()
    assert bundles(harness, image) == []
    services.down, services.claims = True, ci_tokens.github()
    build_cache._file(harness.settings).unlink()
    with pytest.raises(SigningError, match="500"):
        harness.prepare()


def test_a_signer_of_the_settings_is_matched_whole(harness: ImageHarness) -> None:
    issuer = ci_tokens.GITHUB
    configure(harness, signer={"issuer": issuer, "identity": WORKFLOW})
    image = harness.prepare()
    assert signature(harness, image).state == "ok"
    for other in (WORKFLOW[:-1], f"{WORKFLOW}2", WORKFLOW.upper(), "https://github.com/acme/orders"):
        configure(harness, signer={"issuer": issuer, "identity": other})
        assert signature(harness, image).state == "invalid", other
    configure(harness, signer={"issuer": f"{issuer}/acme", "identity": WORKFLOW})
    assert signature(harness, image).state == "invalid"


def test_without_a_known_signer_no_signature_counts(harness: ImageHarness) -> None:
    configure(harness, ci={})
    image = harness.prepare()
    documents = verify.verify(harness.registry.client(), "demo", image.digest, harness.settings)
    assert documents[2].state == "unread"
    (line,) = verify.lacking(documents, ("signature",))
    assert line == (
        "a signature that can't be verified: nobody says whose it must be: set `supply_chain.signer`, or the "
        "repository in `ci`"
    )


def test_a_signature_of_another_image_does_not_count(harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    first = harness.prepare()
    (bundle,) = bundles(harness, first)
    files = {"function/app/more.py": "MORE = 1\n"}
    harness.write(files, supply_chain={"sign": "never", "sigstore": "sigstore.json"}, ci=CI)
    other_commit(monkeypatch)
    second = harness.prepare()
    assert second.digest != first.digest
    attach(harness, second, json.dumps(bundle).encode())
    assert signature(harness, second).detail == "signs a statement that is of another image"


def test_an_sbom_that_was_replaced_is_no_longer_the_signed_one(harness: ImageHarness) -> None:
    image = harness.prepare()
    client = harness.registry.client()
    for kind in (SBOM, PROVENANCE):
        (old,) = referrers.listed(client, "demo", image.digest, kind)
        client.request("DELETE", f"/v2/demo/manifests/{old.digest}", expect=(202,))
    assert signature(harness, image).detail == "signs a statement that names an SBOM that isn't the one in the registry"


def test_the_certificate_of_another_fulcio_does_not_count(harness: ImageHarness) -> None:
    image = harness.prepare()
    with SigstoreServices() as other:
        other.write(harness.root / "sigstore.json")
        document = signature(harness, image)
    assert (document.state, document.detail[:14]) == ("invalid", "doesn't verify")


def test_a_promotion_and_a_check_refuse_an_image_that_somebody_else_signed(
    harness: ImageHarness, services: SigstoreServices
) -> None:
    image = harness.prepare()
    required = {"promotion": {"require": ["signature"]}}
    section = {"sign": "auto", "sigstore": "sigstore.json"}
    harness.write(supply_chain=section, ci=CI, **required)
    check(harness, image)
    assert verified(harness, image).result == "ok"
    harness.write(supply_chain=section, ci={"github": {"repository": "acme/other"}}, **required)
    with pytest.raises(
        RefusedError, match=r"a signature that is by https://github\.com/acme/orders/.* and not by"
    ) as e:
        check(harness, image)
    assert "`inv image.push --env staging --pull`" in e.value.hint
    with pytest.raises(StepladderError, match=r"has a signature that is by https://github\.com/acme/orders/"):
        verified(harness, image)
    harness.write(supply_chain=section, **required)
    with pytest.raises(RefusedError, match="nobody says whose it must be") as e:
        check(harness, image)
    assert "image.push" not in e.value.hint, "another push would not help"


def check(harness: ImageHarness, image: BuiltImage) -> None:
    """What `inv promote` requires of an image."""
    primary = SimpleNamespace(aws=harness.aws, names=harness.settings.names("staging"))
    machine: Any = SimpleNamespace(settings=harness.settings, representatives=[primary])
    subjects: Any = {"": SimpleNamespace(digest=image.digest)}
    attested.check(machine, subjects)


def verified(harness: ImageHarness, image: BuiltImage) -> image_verify.ImageVerification:
    """What `inv image.verify` answers."""
    rung: Any = SimpleNamespace(
        aws=harness.aws,
        names=harness.settings.names("staging"),
        settings=harness.settings,
        environment="staging",
        console=Console(as_json=True),
    )
    return image_verify.verify(rung, image.digest)


def _flip(holder: dict[str, Any], key: str) -> None:
    data = bytearray(base64.b64decode(holder[key]))
    data[-1] ^= 1
    holder[key] = base64.b64encode(data).decode()


CHANGES: dict[str, Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], Any]] = {
    "payload": lambda envelope, _entry, _material: _flip(envelope, "payload"),
    "signature": lambda envelope, _entry, _material: _flip(envelope["signatures"][0], "sig"),
    "type": lambda envelope, _entry, _material: envelope.update(payloadType="text/plain"),
    "time": lambda _envelope, entry, _material: entry.update(integratedTime=str(int(entry["integratedTime"]) + 60)),
    "promise": lambda _envelope, entry, _material: entry.pop("inclusionPromise"),
    "proof": lambda _envelope, entry, _material: entry["inclusionProof"].update(hashes=[]),
    "root": lambda _envelope, entry, _material: _flip(entry["inclusionProof"], "rootHash"),
    "checkpoint": lambda _envelope, entry, _material: entry["inclusionProof"]["checkpoint"].update(
        envelope="a log\n1\nAAAA\n\n\u2014 a AAAAAAAA\n"
    ),
    "body": lambda _envelope, entry, _material: _flip(entry, "canonicalizedBody"),
    "log": lambda _envelope, _entry, material: material.update(tlogEntries=[]),
    "certificate": lambda _envelope, _entry, material: _flip(material["certificate"], "rawBytes"),
    "no-envelope": lambda envelope, _entry, _material: envelope.clear(),
}


def test_a_bundle_that_anything_was_changed_in_does_not_count(harness: ImageHarness) -> None:
    image = harness.prepare()
    (bundle,) = bundles(harness, image)
    broken = {"empty": b"{}", "list": b"[]", "null": b"null", "text": b"no JSON \x1b[2J", "bytes": b"\xff\xfe"}
    for what, change in CHANGES.items():
        copy = json.loads(json.dumps(bundle))
        material = copy["verificationMaterial"]
        change(copy["dsseEnvelope"], material["tlogEntries"][0], material)
        broken[what] = json.dumps(copy).encode()
    for what, data in broken.items():
        detach(harness, image)
        attach(harness, image, data)
        document = signature(harness, image)
        assert (document.state, document.detail[:15]) == ("invalid", "doesn't verify:"), (what, document.detail)
        assert document.detail.isprintable()
    attach(harness, image, json.dumps(bundle).encode())
    assert signature(harness, image).state == "ok", "one right signature is enough"


def test_a_job_of_gitlab_signs_with_the_token_that_its_pipeline_names(
    harness: ImageHarness, services: SigstoreServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "gitlab.com/acme/orders//.gitlab-ci.yml@refs/heads/main"
    claims = {**ci_tokens.gitlab(aud="sigstore"), "ci_config_ref_uri": uri}
    services.claims = {}
    monkeypatch.delenv("GITHUB_ACTIONS")
    monkeypatch.setenv("GITLAB_CI", "true")
    configure(harness, ci={"gitlab": {"project": "acme/orders"}})
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", services.token(**claims))
    image = harness.prepare()
    assert signature(harness, image).state == "ok", harness.printed
    configure(harness, ci={"gitlab": {"project": "acme/other"}})
    assert signature(harness, image).state == "invalid"
    monkeypatch.delenv("SIGSTORE_ID_TOKEN")
    harness.write({"function/app/more.py": "MORE = 1\n"}, supply_chain={"sign": "required"})
    other_commit(monkeypatch)
    with pytest.raises(SigningError, match="no SIGSTORE_ID_TOKEN") as error:
        harness.prepare()
    assert error.value.hint == "give the job `id_tokens: {SIGSTORE_ID_TOKEN: {aud: sigstore}}`"


def test_without_the_optional_library_nothing_is_signed_and_no_signature_counts(
    harness: ImageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = harness.prepare()
    for name in ("sigstore.errors", "sigstore.models"):
        monkeypatch.setitem(sys.modules, name, None)
    document = signature(harness, image)
    assert document.state == "unread"
    assert document.detail == "can't be verified: the optional library is missing: add stepladder[sign]"


@pytest.mark.parametrize("text", [None, "no JSON", "{}", '{"mediaType": "x"}'])
def test_a_trust_configuration_that_cannot_be_used_lets_no_signature_count(
    harness: ImageHarness, text: str | None
) -> None:
    image = harness.prepare()
    path = harness.root / "sigstore.json"
    path.unlink() if text is None else path.write_text(text)
    document = signature(harness, image)
    assert document.state == "unread"
    assert "sigstore.json is no trust configuration of Sigstore" in document.detail


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"sign": "always"}, "supply_chain.sign is 'always'"),
        ({"sigstore": "/etc/passwd"}, "supply_chain.sigstore"),
        ({"sigstore": "../trust.json"}, "supply_chain.sigstore"),
        ({"signer": {"identity": WORKFLOW}}, "supply_chain.signer.issuer"),
        ({"signer": {"issuer": ci_tokens.GITHUB}}, "supply_chain.signer.identity"),
        ({"signer": {"issuer": ci_tokens.GITHUB, "identity": "https://github.com/*"}}, "supply_chain.signer.identity"),
    ],
)
def test_settings_that_would_let_anybody_sign_are_refused(
    image_harness: ImageHarness, section: dict[str, Any], named: str
) -> None:
    with pytest.raises(BadInputError) as error:
        image_harness.write(supply_chain=section)
    assert any(f"stepladder.{named}" in line for line in error.value.problems)
