"""`inv tf.upgrade`: the lock files get the newest providers, and nothing else of the project changes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from fakes.terraform import FakeTerraform, project

from stepladder.commands.upgrade_providers import upgrade_providers
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.settings.load import Settings
from stepladder.terraform import providers

OLD = 'provider "registry.terraform.io/hashicorp/aws" {\n  version     = "5.80.0"\n}\n'


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTerraform:
    made = FakeTerraform(tmp_path / "tools")
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    mirror = tmp_path / "mirror"
    for platform in ("linux_amd64", "darwin_arm64"):
        (mirror / providers.REGISTRY / "hashicorp/aws/6.1.0" / platform).mkdir(parents=True)
    monkeypatch.setenv(providers.VARIABLE, str(mirror))
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = project(tmp_path / "project")
    (made.root / "terraform/service/.terraform.lock.hcl").write_text(OLD)
    return made


def upgraded(settings: Settings, *names: str) -> dict[str, list[list[str]]]:
    out = io.StringIO()
    upgrade_providers(settings, Console(err=io.StringIO(), out=out, live=False, as_json=True), names)
    rows: dict[str, list[list[str]]] = {}
    for each in json.loads(out.getvalue())["providers"]:
        rows.setdefault(each["root"], []).append([each["provider"].rpartition("/")[2], each["before"], each["after"]])
    return rows


def test_every_root_gets_what_its_init_locked_and_says_from_what(fake: FakeTerraform, settings: Settings) -> None:
    fake.locks = OLD.replace("5.80.0", "6.1.0")
    assert upgraded(settings) == {"foundation": [["aws", "", "6.1.0"]], "service": [["aws", "5.80.0", "6.1.0"]]}
    assert "6.1.0" in (settings.root / "terraform/service/.terraform.lock.hcl").read_text()
    assert not (settings.build_dir / "upgrade").exists()


def test_the_checksums_are_of_the_platforms_that_the_mirror_has(fake: FakeTerraform, settings: Settings) -> None:
    upgraded(settings, "service")
    first, second = (call["argv"] for call in fake.calls if call["argv"][0] != "version")
    assert first == ["init", "-backend=false", "-upgrade", "-input=false", "-no-color"]
    assert second[:2] == ["providers", "lock"]
    assert second[-2:] == ["-platform=linux_amd64", "-platform=darwin_arm64"]
    assert not (settings.root / "terraform/foundation/.terraform.lock.hcl").exists()


def test_what_fails_is_in_terraforms_words_and_leaves_the_lock_file(fake: FakeTerraform, settings: Settings) -> None:
    fake.plays("init", {"code": 1, "err": ["Error: no provider of that version"]})
    with pytest.raises(StepladderError, match="terraform init of service failed") as caught:
        upgraded(settings, "service")
    assert "no provider of that version" in caught.value.hint
    assert (settings.root / "terraform/service/.terraform.lock.hcl").read_text() == OLD


def test_a_root_that_is_not_there_is_bad_input(fake: FakeTerraform, settings: Settings) -> None:
    with pytest.raises(BadInputError, match="no Terraform root 'servic'"):
        upgraded(settings, "servic")
    assert [verb for verb in fake.verbs if verb != "version"] == []
