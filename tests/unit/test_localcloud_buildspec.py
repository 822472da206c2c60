"""Buildspecs, the variables of pipelines, and which files make an artifact."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from localcloud.services.codebuild import buildspec, environment
from localcloud.services.codebuild.artifacts import ArtifactError, zipped
from localcloud.services.codebuild.buildspec import BuildspecError, SpecArtifacts
from localcloud.services.codebuild.environment import masked
from localcloud.services.codepipeline.variables import VariableError, resolve_all

WHOLE = """\
version: 0.2
env:
  shell: bash
  variables: {VERSION: 1.10, SWITCH: yes}
  exported-variables: [TAG]
phases:
  pre_build: {commands: [true, echo 010], finally: [echo last]}
  build: {commands: echo one, on-failure: CONTINUE}
artifacts:
  files: ['**/*']
  exclude-paths: [.git/**/*]
  base-directory: out
  discard-paths: yes
  secondary-artifacts: {second: {files: [a]}}
"""


def test_a_buildspec_is_read_as_it_is_written() -> None:
    spec = buildspec.parse(WHOLE)
    assert spec.shell == "/bin/bash"
    assert spec.variables == {"VERSION": "1.10", "SWITCH": "yes"}
    assert spec.phases["PRE_BUILD"].commands == ("true", "echo 010")
    assert spec.phases["PRE_BUILD"].last == ("echo last",)
    assert spec.phases["BUILD"].commands == ("echo one",)
    assert spec.phases["BUILD"].on_failure == "CONTINUE"
    assert spec.artifacts == SpecArtifacts(("**/*",), (".git/**/*",), "out", discards_paths=True)
    assert list(spec.secondary) == ["second"]


def test_a_buildspec_may_be_json_as_terraform_writes_it() -> None:
    text = json.dumps({"version": "0.2", "phases": {"build": {"commands": ["echo"]}}})
    assert buildspec.is_inline(text)
    assert buildspec.parse(text).phases["BUILD"].commands == ("echo",)
    assert not buildspec.is_inline("ci/buildspec.yml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 0.3\n", "Invalid buildspec version: 0.3"),
        ("a: [", "wrong YAML at line"),
        ("- a\n", "a buildspec is a mapping"),
        ("version: 0.2\nphases: {deploy: {commands: [a]}}\n", "Invalid phase: deploy"),
        ("version: 0.2\nphases: {build: [a]}\n", "build is no mapping"),
        ("version: 0.2\nphases: {build: {commands: [{echo a: b}]}}\n", "found subkeys instead"),
        ("version: 0.2\nphases: {build: {commands: {a: b}}}\n", "commands of build is no list"),
        ("version: 0.2\nphases: {build: {on-failure: RETRY-2}}\n", "on-failure of build is RETRY-2"),
        ("version: 0.2\nenv: {shell: powershell.exe}\n", "not powershell.exe"),
        ("version: 0.2\nenv: {variables: {A: [1]}}\n", "the value of A is no text"),
        ("version: 0.2\nenv: {exported-variables: ['$(rm)']}\n", "no name of an exported variable"),
    ],
)
def test_a_buildspec_that_cannot_run_says_why(text: str, message: str) -> None:
    with pytest.raises(BuildspecError, match=message.replace("$(", r"\$\(")):
        buildspec.parse(text)


@pytest.mark.parametrize(
    ("files", "excluded", "names"),
    [
        (("**/*",), (), {"a.txt", "b/c.txt", "b/d/e.json"}),
        (("*",), (), {"a.txt"}),
        (("b/**/*",), ("b/d/**/*",), {"b/c.txt"}),
        (("./a.txt", "b/c.txt"), (), {"a.txt", "b/c.txt"}),
        (("**/*.json",), (), {"b/d/e.json"}),
    ],
)
def test_an_artifact_has_the_files_that_its_patterns_name(
    tmp_path: Path, files: tuple[str, ...], excluded: tuple[str, ...], names: set[str]
) -> None:
    for name in ("a.txt", "b/c.txt", "b/d/e.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    with zipfile.ZipFile(io.BytesIO(zipped(SpecArtifacts(files, excluded), tmp_path))) as archive:
        assert set(archive.namelist()) == names


def test_an_artifact_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no matching artifact paths"):
        zipped(SpecArtifacts(("missing.json",)), tmp_path)


def test_secrets_are_hidden_in_the_log() -> None:
    assert masked("the password is hunter2", ["hunter2", ""]) == "the password is ***"


NAMESPACES = {"Source": {"CommitId": "abc"}, "variables": {"who": "Ann"}}


def test_references_are_replaced_wherever_they_stand() -> None:
    given = {"Input": '{"commit": "#{Source.CommitId}", "by": "#{ variables.who }"}', "Other": "plain $#{x"}
    assert resolve_all(given, NAMESPACES) == {"Input": '{"commit": "abc", "by": "Ann"}', "Other": "plain $#{x"}


@pytest.mark.parametrize("text", ["#{Missing.CommitId}", "#{Source.Missing}", "#{}"])
def test_a_reference_to_nothing_is_an_error(text: str) -> None:
    with pytest.raises(VariableError):
        resolve_all({"Input": text}, NAMESPACES)


def test_a_build_gets_how_packages_are_installed_and_no_credentials_of_a_persons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, home = tmp_path / "own", tmp_path / "home"
    for name in ("pip", "git", "gh"):
        (own / name).mkdir(parents=True)
    home.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(own))
    monkeypatch.setenv("UV_INDEX_URL", "https://packages.example.com")
    secrets = ("AWS_SECRET_ACCESS_KEY", "GH_TOKEN", "GITHUB_TOKEN", "TF_VAR_password", "UV_PUBLISH_TOKEN")
    for name in secrets:
        monkeypatch.setenv(name, "hunter22")
    variables = environment.of_machine(home, tmp_path / "programs")
    environment.offer_settings(home)
    assert variables["UV_INDEX_URL"] == "https://packages.example.com"
    assert "hunter22" not in variables.values()
    assert [each.name for each in Path(variables["XDG_CONFIG_HOME"]).iterdir()] == ["pip"]
