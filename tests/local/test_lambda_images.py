"""Image functions: which images Lambda takes, and how the process launcher runs them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from functions import PYTHON

from stepladder.core.image_facts import machine

pytestmark = pytest.mark.cloud

APP = "def handler(event, context):\n    return 'one'\n"
LIST = "application/vnd.oci.image.index.v1+json"


@pytest.fixture(scope="module")
def repository(functions: Any) -> str:
    return functions.repository()


def test_an_image_function_runs_what_was_pushed(functions: Any, repository: str) -> None:
    uri = functions.image(repository, {"var/task/app.py": APP})
    name = functions.create_image(uri)
    assert functions.invoke(name)[0] == "one"


def test_a_function_imports_from_pythonpath_and_from_the_bases_site_packages(functions: Any, repository: str) -> None:
    site = f"var/lang/lib/python{PYTHON}/site-packages"
    files = {
        "var/task/src/app.py": "import beside, installed\ndef handler(*_):\n    return [beside.X, installed.X]\n",
        "opt/python/beside.py": "X = 1\n",
        f"{site}/installed.py": "X = 2\n",
    }
    name = functions.create_image(
        functions.image(repository, files), Environment={"Variables": {"PYTHONPATH": "/var/task/src:/opt/python"}}
    )
    assert functions.invoke(name)[0] == [1, 2]


@pytest.mark.contract
def test_an_image_function_is_described_as_aws_describes_it(functions: Any, repository: str) -> None:
    digest_uri = functions.image(repository, {"var/task/app.py": APP}, tag="described")
    tag_uri = digest_uri.partition("@")[0] + ":described"
    name = functions.create_image(tag_uri)
    answer = functions.client.get_function(FunctionName=name)
    assert answer["Code"] == {"RepositoryType": "ECR", "ImageUri": tag_uri, "ResolvedImageUri": digest_uri}
    config = answer["Configuration"]
    assert config["CodeSha256"] == digest_uri.rpartition(":")[2]
    assert (config["PackageType"], config["CodeSize"]) == ("Image", 0)
    assert not {"ImageConfigResponse", "Runtime", "Handler", "Environment", "VpcConfig", "Layers"} & set(config)


@pytest.mark.contract
def test_a_published_version_freezes_its_image(functions: Any, repository: str) -> None:
    first = functions.image(repository, {"var/task/app.py": APP})
    second = functions.image(repository, {"var/task/app.py": APP.replace("one", "two")})
    name = functions.create_image(first)
    version = functions.publish(name)
    functions.client.update_function_code(FunctionName=name, ImageUri=second)
    functions.wait(name)
    assert functions.client.get_function(FunctionName=name, Qualifier=version)["Code"]["ResolvedImageUri"] == first
    assert functions.client.get_function(FunctionName=name)["Code"]["ResolvedImageUri"] == second
    if functions.cloud.own:  # no other endpoint has the Python that these images lack
        assert functions.invoke(name, Qualifier=version)[0] == "one"
        assert functions.invoke(name)[0] == "two"


@pytest.mark.contract
def test_a_tag_that_moves_does_not_move_the_function(functions: Any) -> None:
    repository = functions.repository()
    uri = functions.image(repository, {"var/task/app.py": APP}, tag="stable").partition("@")[0] + ":stable"
    name = functions.create_image(uri)
    digest_uri = functions.client.get_function(FunctionName=name)["Code"]["ResolvedImageUri"]
    moved = functions.image(repository, {"var/task/app.py": APP.replace("one", "two")}, tag="stable")
    assert functions.client.get_function(FunctionName=name)["Code"]["ResolvedImageUri"] == digest_uri != moved
    if functions.cloud.own:
        assert functions.invoke(name)[0] == "one"


@pytest.mark.contract
def test_a_missing_image_is_refused(functions: Any, repository: str, code: Any) -> None:
    registry = f"{functions.cloud.account}.dkr.ecr.{functions.cloud.region}.amazonaws.com"
    for uri in (
        f"{registry}/{repository}@sha256:{'0' * 64}",
        f"{registry}/{repository}:nowhere",
        f"{registry}/no-such-repository:latest",
        "not a uri",
    ):
        assert code(functions.create_image, uri) == "InvalidParameterValueException"


@pytest.mark.contract
def test_an_index_and_an_attestation_are_refused(functions: Any, repository: str, code: Any) -> None:
    uri = functions.image(repository, {"var/task/app.py": APP})
    host, _, digest = uri.partition("@")
    child = functions.cloud.client("ecr").batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    manifest = json.loads(child["images"][0]["imageManifest"])
    size = len(child["images"][0]["imageManifest"])
    entry = {"mediaType": manifest["mediaType"], "digest": digest, "size": size}
    index = {"schemaVersion": 2, "mediaType": LIST, "manifests": [entry]}
    attestation = {
        **manifest,
        "layers": [functions.blob(repository, b"{}", "application/vnd.in-toto+json")],
    }
    for bad in (index, attestation):
        refused = f"{host}@{functions.put_manifest(repository, bad)}"
        assert code(functions.create_image, refused) == "InvalidParameterValueException"


def test_an_image_of_another_architecture_is_accepted_and_fails_to_start(functions: Any, repository: str) -> None:
    other = {"amd64": "arm64", "arm64": "amd64"}[machine()]
    uri = functions.image(repository, {"var/task/app.py": APP}, architecture=other)
    name = functions.create_image(uri, Architectures=["x86_64"])
    result, answer = functions.invoke(name)
    assert (answer["FunctionError"], result["errorType"]) == ("Unhandled", "Runtime.InvalidEntrypoint")
    assert result["errorMessage"].endswith("exec format error")


def test_the_command_can_be_overridden_and_a_version_freezes_it(functions: Any, repository: str) -> None:
    uri = functions.image(repository, {"var/task/app.py": APP, "var/task/other.py": APP.replace("one", "other")})
    name = functions.create_image(uri, ImageConfig={"Command": ["other.handler"]})
    assert functions.invoke(name)[0] == "other"
    config = functions.client.get_function_configuration(FunctionName=name)
    assert config["ImageConfigResponse"]["ImageConfig"] == {"Command": ["other.handler"]}
    frozen = functions.publish(name)
    functions.client.update_function_configuration(FunctionName=name, ImageConfig={})
    assert "ImageConfigResponse" not in functions.wait(name)
    assert functions.invoke(name)[0] == "one"
    assert functions.invoke(f"{name}:{frozen}")[0] == "other"
    assert functions.publish(name) != frozen


def test_the_images_own_variables_are_there_and_the_functions_win(functions: Any, repository: str) -> None:
    source = "import os\ndef handler(event, context):\n    return [os.environ['AA'], os.environ['BB']]\n"
    config = {"Env": ["AA=image", "BB=image"]}
    uri = functions.image(repository, {"var/task/app.py": source}, config=config)
    name = functions.create_image(uri, Environment={"Variables": {"BB": "function"}})
    assert functions.invoke(name)[0] == ["image", "function"]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        pytest.param({"config": {"Cmd": []}}, "handler name", id="no command"),
        pytest.param({"config": {"Entrypoint": ["/bin/other"]}}, "entry point", id="an entry point of its own"),
        pytest.param({"config": {"WorkingDir": "/nowhere"}}, "chdir", id="no such working folder"),
        pytest.param({"runtime": False}, "exit status 1", id="no runtime client"),
    ],
)
def test_an_image_that_cannot_start_says_why(
    functions: Any, repository: str, options: dict[str, Any], part: str
) -> None:
    uri = functions.image(repository, {"var/task/app.py": APP}, **options)
    result, answer = functions.invoke(functions.create_image(uri))
    assert answer["FunctionError"] == "Unhandled"
    assert part in result["errorMessage"]


def test_an_image_whose_python_is_not_here_fails_its_update_and_is_never_invoked(
    functions: Any, repository: str, code: Any
) -> None:
    uri = functions.image(repository, {"var/task/app.py": APP}, label="host-python:2.0")
    created = functions.create_image(uri)
    assert functions.wait(created)["State"] == "Failed"
    assert code(functions.invoke, created) == "ResourceConflictException"
    updated = functions.create_image(functions.image(repository, {"var/task/app.py": APP}))
    functions.client.update_function_code(FunctionName=updated, ImageUri=uri)
    config = functions.wait(updated)
    assert (config["LastUpdateStatus"], config["LastUpdateStatusReasonCode"]) == ("Failed", "InvalidImage")
    assert "the local cloud finds none: install it (`uv python install 2.0`)" in config["LastUpdateStatusReason"]
    assert functions.invoke(updated)[0] == "one"


def test_an_image_on_a_real_base_asks_for_a_container(functions: Any, repository: str) -> None:
    uri = functions.image(repository, {"var/task/app.py": APP}, label="public.ecr.aws/lambda/python:3.13")
    result, _ = functions.invoke(functions.create_image(uri))
    assert "container launcher" in result["errorMessage"]


def test_an_image_deleted_during_an_update_fails_the_update(functions: Any, repository: str) -> None:
    first = functions.image(repository, {"var/task/app.py": APP})
    name = functions.create_image(first)
    second = functions.image(repository, {"var/task/app.py": APP.replace("one", "gone")})
    with functions.unsettled(1.0):
        functions.client.update_function_code(FunctionName=name, ImageUri=second)
    digest = {"imageDigest": second.partition("@")[2]}
    functions.cloud.client("ecr").batch_delete_image(repositoryName=repository, imageIds=[digest])
    config = functions.wait(name)
    assert (config["LastUpdateStatus"], config["LastUpdateStatusReasonCode"]) == ("Failed", "ImageDeleted")
    assert functions.invoke(name)[0] == "one"
