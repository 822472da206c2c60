"""What is attached to a pushed image: its SBOM and its provenance, once, and the same bytes for the same inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx import schema
from fakes.image_harness import ImageHarness
from fakes.registry import Fault
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from stepladder.core import git
from stepladder.core.image_facts import PROVENANCE, SBOM
from stepladder.core.retry import RegistryError
from stepladder.images import build_cache
from stepladder.images.attest import provenance, sbom, verify
from stepladder.images.attest.inputs import ImageInputs
from stepladder.images.layers.builder import LayersBuilder
from stepladder.images.model import BuiltImage, canonical, digest_of
from stepladder.images.pipeline import Background
from stepladder.images.registry import referrers

COMMIT = "c0" * 20
VENDORED = {
    "function/.dockerignore": "*\n!app\n!requirements.txt\n",
    "function/app/My_Dep-1.2.dist-info/METADATA": "Name: my-dep\n",
    "function/app/not-a-package.dist-info": "",
}
INPUTS = ImageInputs(
    repository="demo",
    digest="sha256:" + "a" * 64,
    architecture="arm64",
    python="3.13",
    base=f"public.ecr.aws/lambda/python:3.13@sha256:{'b' * 64}",
    input_key="k" * 64,
    image_builder="layers",
    commit=COMMIT,
    source="https://github.com/acme/orders",
    builder="https://github.com/acme/orders/.github/workflows/ladder.yml@refs/heads/main",
    invocation="https://github.com/acme/orders/actions/runs/7",
    context="function",
    wanted_base="public.ecr.aws/lambda/python:3.13",
    files={"function/requirements.txt": "f" * 64},
    locked={"requests==2.32.0": ("sha256:" + "1" * 64,), "numpy==2.0": ("sha256:" + "2" * 64, "sha256:" + "3" * 64)},
)
PACKAGES = ("var/task/requests-2.32.0.dist-info", "var/task/numpy-2.0.dist-info", "opt/python/My_Dep-1!2.0+x.dist-info")


@pytest.fixture
def harness(image_harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> ImageHarness:
    for variable in ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "CODEBUILD_BUILD_ID"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(git, "tree", lambda *_: git.Tree(COMMIT, ()))
    monkeypatch.setattr(git, "ask", lambda *_: "git@github.com:acme/orders.git\n")
    image_harness.write(VENDORED)
    return image_harness


def attached(harness: ImageHarness, image: BuiltImage) -> dict[str, dict[str, Any]]:
    """What refers to an image by its type, as the registry has it."""
    client = harness.registry.client()
    found = referrers.listed(client, "demo", image.digest)
    assert len({each.artifact_type for each in found}) == len(found)
    return {each.artifact_type: json.loads(referrers.read(client, "demo", each, image.digest)) for each in found}


def test_a_pushed_image_has_an_sbom_of_what_is_in_it_and_a_provenance_of_what_it_was_built_from(
    harness: ImageHarness,
) -> None:
    image = harness.prepare()
    documents = attached(harness, image)
    assert set(documents) == {SBOM, PROVENANCE}
    bom = documents[SBOM]
    packages = [each for each in bom["components"] if each["type"] == "library"]
    assert [(each["purl"], each["evidence"]["occurrences"][0]["location"]) for each in packages] == [
        ("pkg:pypi/my-dep@1.2", "/var/task/app/My_Dep-1.2.dist-info")
    ]
    assert bom["metadata"]["component"]["version"] == image.digest
    (base,) = [each for each in bom["components"] if each["type"] == "container"]
    assert f"@{base['version']}" in image.base
    statement = documents[PROVENANCE]
    assert statement["subject"] == [{"name": "demo", "digest": {"sha256": image.digest[7:]}}]
    source = {"uri": "git+https://github.com/acme/orders", "digest": {"gitCommit": COMMIT}}
    built = statement["predicate"]["buildDefinition"]
    assert source in built["resolvedDependencies"]
    assert built["externalParameters"]["source"] == source
    named = {each.get("name"): each["digest"] for each in built["resolvedDependencies"]}
    assert named["function/requirements.txt"] == {"sha256": digest_of(b"")[7:]}
    assert statement["predicate"]["runDetails"]["builder"]["id"] == "urn:stepladder:workstation"
    assert statement["predicate"]["runDetails"]["byproducts"][0]["digest"]["sha256"] == digest_of(canonical(bom))[7:]


def test_the_image_that_lambda_runs_stays_one_manifest_under_one_tag(harness: ImageHarness) -> None:
    image = harness.prepare()
    assert harness.tags == {COMMIT: image.digest}


def test_nothing_is_attached_and_nothing_asked_when_nothing_has_changed(harness: ImageHarness) -> None:
    harness.prepare()
    harness.prepare()
    assert harness.aws.calls == ["BatchGetImage"]
    assert harness.registry.requests == []


def test_an_image_that_a_colleague_pushed_costs_one_request_more_and_sends_nothing(harness: ImageHarness) -> None:
    harness.prepare()
    build_cache._file(harness.settings).unlink()
    assert not harness.prepare().pushed
    assert harness.registry.count("GET .*/referrers/") == 1
    assert not harness.registry.count("PUT|POST")


def test_a_push_that_was_cut_off_before_its_documents_is_completed_by_the_next_run(harness: ImageHarness) -> None:
    harness.write(VENDORED, supply_chain={"sbom": False, "provenance": False})
    image = harness.prepare()
    assert attached(harness, image) == {}
    build_cache._file(harness.settings).unlink()
    harness.write(VENDORED, supply_chain={})
    assert not harness.prepare().pushed
    assert set(attached(harness, image)) == {SBOM, PROVENANCE}
    assert not [line for line in harness.printed if "pushed without" in line]


def test_documents_may_be_attached_while_the_image_is_released(harness: ImageHarness) -> None:
    waiting: list[Callable[[], None]] = []
    image = harness.prepare(background=Background(waiting.append))
    assert image.pushed
    assert attached(harness, image) == {}
    (attach,) = waiting
    attach()
    assert set(attached(harness, image)) == {SBOM, PROVENANCE}
    harness.prepare(background=Background(waiting.append))
    assert harness.registry.requests == []
    assert len(waiting) == 1


def test_a_release_that_was_killed_before_its_documents_is_completed_by_the_next_run(harness: ImageHarness) -> None:
    waiting: list[Callable[[], None]] = []
    image = harness.prepare(background=Background(waiting.append))
    assert not harness.prepare(background=Background(waiting.append)).pushed
    waiting[1]()
    assert set(attached(harness, image)) == {SBOM, PROVENANCE}


def test_what_a_release_fails_without_is_attached_before_it(harness: ImageHarness) -> None:
    harness.write(VENDORED, promotion={"require": ["provenance"]})
    image = harness.prepare(background=Background(lambda _act: pytest.fail("it was put off")))
    assert set(attached(harness, image)) == {SBOM, PROVENANCE}


def test_a_provenance_that_comes_later_names_an_sbom_that_the_registry_has(
    harness: ImageHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.write(VENDORED, supply_chain={"provenance": False})
    image = harness.prepare()
    build_cache._file(harness.settings).unlink()
    harness.write(VENDORED, supply_chain={})
    monkeypatch.setattr(sbom, "__version__", "99.0")
    harness.prepare()
    documents = verify.verify(harness.registry.client(), "demo", image.digest, harness.settings)
    assert verify.lacking(documents, ("sbom", "provenance")) == []


def test_documents_of_another_build_are_not_invented(harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.write(VENDORED, supply_chain={"sbom": False, "provenance": False})
    image = harness.prepare()
    build_cache._file(harness.settings).unlink()
    harness.write(VENDORED, supply_chain={})
    other = {"digest": "sha256:" + "9" * 64, "distributions": ()}
    monkeypatch.setattr(LayersBuilder, "build", lambda *_: type("Built", (), other)())
    harness.prepare()
    assert attached(harness, image) == {}
    *_, warning = harness.printed
    assert "was pushed without SBOM and provenance; `inv image.push --pull`" in warning


def test_what_the_settings_do_not_want_is_not_attached(harness: ImageHarness) -> None:
    harness.write(VENDORED, supply_chain={"sbom": False})
    documents = attached(harness, harness.prepare())
    assert set(documents) == {PROVENANCE}
    assert "byproducts" not in documents[PROVENANCE]["predicate"]["runDetails"]


def test_a_registry_that_takes_no_documents_keeps_no_release_back(harness: ImageHarness) -> None:
    harness.registry.faults = [Fault("PUT .*/manifests/sha256:", times=99, status=405)]
    image = harness.prepare()
    assert image.pushed
    *_, warning = harness.printed
    assert warning.startswith("the image has no SBOM and provenance in the registry: ")


def test_promotions_that_require_a_document_make_its_absence_an_error(harness: ImageHarness) -> None:
    harness.registry.faults = [Fault("PUT .*/manifests/sha256:", times=99, status=405)]
    harness.write(VENDORED, promotion={"require": ["sbom"]})
    with pytest.raises(RegistryError, match="405"):
        harness.prepare()


def test_the_job_of_a_forge_is_named_as_the_builder(harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    job = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "acme/orders",
        "GITHUB_WORKFLOW_REF": "acme/orders/.github/workflows/ladder.yml@refs/heads/main",
        "GITHUB_RUN_ID": "7",
    }
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    details = attached(harness, harness.prepare())[PROVENANCE]["predicate"]["runDetails"]
    assert details["builder"]["id"] == INPUTS.builder
    assert details["metadata"] == {"invocationId": INPUTS.invocation}


def test_uncommitted_files_are_named_in_the_provenance(harness: ImageHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = git.Difference("function/app/handler.py")
    monkeypatch.setattr(git, "tree", lambda *_: git.Tree(COMMIT, (changed,)))
    statement = attached(harness, harness.prepare())[PROVENANCE]
    assert statement["predicate"]["buildDefinition"]["internalParameters"]["uncommitted"] == [changed.path]


def test_an_sbom_is_what_the_schema_of_cyclonedx_asks_for() -> None:
    folder = Path(schema.__file__).parent / "_res"
    names = ("bom-1.6.SNAPSHOT.schema.json", "spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json")
    whole, *others = [json.loads((folder / name).read_text("utf-8")) for name in names]
    known = [(each["$id"], Resource.from_contents(each)) for each in others]
    validator = Draft7Validator(whole, registry=Registry().with_resources(known))
    validator.validate(sbom.document(INPUTS, PACKAGES))
    bare = ImageInputs("team/demo", INPUTS.digest, "x86_64", "3.13", "host-python:3.13.1", "k", "layers")
    validator.validate(sbom.document(bare, ()))
    assert not validator.is_valid({**sbom.document(bare, ()), "specVersion": 7})


def test_the_same_inputs_give_the_same_bytes_in_whatever_order() -> None:
    first, again = (sbom.artifact(INPUTS, packages).data for packages in (PACKAGES, (*reversed(PACKAGES), PACKAGES[0])))
    assert first == again
    assert provenance.artifact(INPUTS).data == provenance.artifact(INPUTS).data
    assert b"T00:" not in first


def test_a_hash_of_the_lock_is_the_packages_own_only_where_there_is_one() -> None:
    components = {each["name"]: each for each in sbom.document(INPUTS, PACKAGES)["components"]}
    assert components["requests"]["hashes"] == [{"alg": "SHA-256", "content": "1" * 64}]
    assert "hashes" not in components["numpy"]
    assert [each["value"][7] for each in components["numpy"]["properties"]] == ["2", "3"]
    assert components["my-dep"]["purl"] == "pkg:pypi/my-dep@1%212.0%2Bx"


def test_a_base_with_a_port_in_its_registrys_name_is_named_whole() -> None:
    inputs = ImageInputs(
        "demo", INPUTS.digest, "arm64", "3.13", f"localhost:5000/base@sha256:{'b' * 64}", "k", "docker"
    )
    base = sbom.document(inputs, ())["components"][0]
    assert base["purl"] == f"pkg:oci/base@sha256%3A{'b' * 64}?repository_url=localhost%3A5000%2Fbase"


def test_what_is_in_the_base_is_said_to_be_left_out() -> None:
    document = sbom.document(INPUTS, PACKAGES)
    assert document["compositions"] == [{"aggregate": "incomplete", "assemblies": [f"base:{INPUTS.base}"]}]
