"""References, bases, and this machine's Python as one."""

from __future__ import annotations

import os
import sys
import tarfile
import time
from pathlib import Path

import pytest
from fakes import image_project as project

from stepladder.core import interpreters
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.image_facts import machine
from stepladder.images.base import host as hostbase
from stepladder.images.base import registry
from stepladder.images.base.registry import Bases, Reference
from stepladder.images.layers import build
from stepladder.images.registry import ecr

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "host", "repository", "reference"),
    [
        ("public.ecr.aws/lambda/python:3.13", "public.ecr.aws", "lambda/python", "3.13"),
        (f"public.ecr.aws/lambda/python:3.13@{DIGEST}", "public.ecr.aws", "lambda/python", DIGEST),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/base",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "base",
            "latest",
        ),
        ("127.0.0.1:5000/team/base:1", "127.0.0.1:5000", "team/base", "1"),
        ("localhost/base:1", "localhost", "base", "1"),
        ("python:3.13-slim", "registry-1.docker.io", "library/python", "3.13-slim"),
        ("docker.io/acme/base", "registry-1.docker.io", "acme/base", "latest"),
    ],
)
def test_references_are_read_as_docker_reads_them(text: str, host: str, repository: str, reference: str) -> None:
    found = Reference.parse(text)
    assert (found.host, found.repository, found.reference) == (host, repository, reference)
    assert found.pinned == ("@" in text)
    assert found.origin.startswith("http://" if host.startswith(("127.", "localhost")) else "https://")


@pytest.mark.parametrize("text", ["UPPER/case", "a b", "host/rep@sha256:short", ""])
def test_what_is_no_reference_is_bad_input(text: str) -> None:
    with pytest.raises(BadInputError, match="not an image reference"):
        Reference.parse(text)


def test_the_host_base_holds_the_runtime_client_and_the_entry_point(tmp_path: Path) -> None:
    settings = project.make(tmp_path, python=RUNNING)
    found = Bases(settings).host()
    assert found.label == f"host-python:{RUNNING}"
    assert found.config["architecture"] == machine()
    assert found.target.interpreter
    path = found.layers[0].path
    assert path
    with tarfile.open(path) as tar:
        names = tar.getnames()
        script = tar.extractfile("lambda-entrypoint.sh")
        assert script
        assert b"awslambdaric" in script.read()
        assert tar.getmember("lambda-entrypoint.sh").mode == 0o755
    assert {"var/runtime/awslambdaric/__init__.py", "var/runtime/simplejson/__init__.py"} <= set(names)


def test_a_python_that_this_machine_lacks_is_replaced_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "find", lambda _version: None)
    said: list[str] = []
    wanted = "3.14" if RUNNING != "3.14" else "3.12"
    found = Bases(project.make(tmp_path, python=wanted), say=said.append).host()
    assert found.label == f"host-python:{RUNNING}"
    assert f"Python {wanted} is not on this machine" in said[0]


def test_the_interpreter_is_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = project.make(tmp_path, python=RUNNING)
    first = Bases(settings).host()
    monkeypatch.setattr(hostbase, "find", lambda _version: pytest.fail("looked again"))
    assert Bases(settings).host().layers == first.layers
    monkeypatch.setattr(registry, "_REMEMBERED", 0.0)
    with pytest.raises(pytest.fail.Exception):
        Bases(settings).host()


def test_this_machines_interpreter_is_found_outside_its_virtual_environment() -> None:
    found = interpreters.find(RUNNING)
    assert found
    assert found.exists()
    assert interpreters.find("2.0") is None


def test_a_shim_that_obeys_the_folder_it_runs_in_finds_the_same_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "bin/python2.0"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\n[ -f .python-version ] || exit 127\nprintf '2.0\\n/a/python\\n'\n")
    shim.chmod(0o755)
    (tmp_path / ".python-version").write_text("2.0\n")
    monkeypatch.setenv("PATH", f"{shim.parent}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    interpreters.find.cache_clear()
    assert interpreters.find("2.0") is None


def test_pyenvs_pythons_are_found_where_its_root_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "versions/2.0.1/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nprintf '2.0\\n/a/python\\n'\n")
    python.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    interpreters.find.cache_clear()
    assert interpreters.find("2.0") == Path("/a/python")
    interpreters.find.cache_clear()


def test_old_layers_and_leftovers_of_killed_runs_are_removed(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    (tmp_path / ".install-x/sub").mkdir(parents=True)
    blobs.mkdir()
    for name in ("old", "new", ".layer-left"):
        (blobs / name).touch()
    month, two_days = time.time() - 31 * 86_400, time.time() - 2 * 86_400
    os.utime(blobs / "old", (month, month))
    os.utime(blobs / "new", (two_days, two_days))
    os.utime(blobs / ".layer-left", (two_days, two_days))
    os.utime(tmp_path / ".install-x", (two_days, two_days))
    build.tidy(tmp_path)
    assert [path.name for path in blobs.iterdir()] == ["new"]
    assert not (tmp_path / ".install-x").exists()


class OtherAccount:
    """ECR with the credentials of another account."""

    def client(self, _service: str) -> OtherAccount:
        return self

    def get_authorization_token(self) -> dict[str, object]:
        endpoint = "https://999999999999.dkr.ecr.us-east-1.amazonaws.com"
        return {"authorizationData": [{"authorizationToken": "QVdTOng=", "proxyEndpoint": endpoint}]}


def test_the_registry_of_another_account_is_refused(tmp_path: Path) -> None:
    names = project.make(tmp_path).names("staging")
    with pytest.raises(RefusedError, match="account 999999999999, and staging is in 123456789012"):
        ecr.connect(OtherAccount(), names)  # type: ignore[arg-type]


def test_a_variable_names_the_registry_in_place_of_the_one_that_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = project.make(tmp_path).names("staging")
    monkeypatch.setenv("STEPLADDER_REGISTRY", "http://127.0.0.1:4566/")
    assert ecr.connect(OtherAccount(), names).registry.origin == "http://127.0.0.1:4566"  # type: ignore[arg-type]
