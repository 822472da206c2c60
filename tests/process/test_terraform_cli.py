"""Which Terraform runs, with which providers, and with what environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from fakes.terraform import FakeTerraform

from stepladder.core.errors import NotReadyError
from stepladder.terraform import cli, distributions, providers


def install(site: Path, url: str) -> None:
    """Note where stepladder was installed from, as pip and uv do."""
    folder = site / "stepladder-0.1.0.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: stepladder\nVersion: 0.1.0\n")
    (folder / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {}}))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTerraform:
    fake = FakeTerraform(tmp_path / "tools")
    monkeypatch.setenv("FAKE_TERRAFORM", str(fake.folder))
    monkeypatch.delenv(cli.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(fake.folder))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv" / ".venv"))
    install(tmp_path / "site", "git+https://example.com/stepladder.git")
    monkeypatch.syspath_prepend(tmp_path / "site")
    cli._version.cache_clear()
    return fake


def test_terraform_is_found_on_path(fake: FakeTerraform, tmp_path: Path) -> None:
    assert cli.find(tmp_path) == cli.Terraform(fake.path, "1.11.4")


def test_the_projects_own_terraform_comes_before_path(fake: FakeTerraform, tmp_path: Path) -> None:
    own = FakeTerraform(tmp_path / "project" / ".tools")
    assert cli.find(tmp_path / "project").path == own.path


def test_the_one_beside_the_virtual_environment_is_found(fake: FakeTerraform, tmp_path: Path) -> None:
    beside = FakeTerraform(tmp_path / "venv" / ".tools")
    assert cli.find(tmp_path).path == beside.path


def test_a_named_one_is_taken_and_no_other(
    fake: FakeTerraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cli.VARIABLE, str(tmp_path / "missing"))
    with pytest.raises(NotReadyError, match="missing doesn't run"):
        cli.find(tmp_path)


def test_the_other_distribution_is_not_taken_for_the_one_that_is_wanted(
    fake: FakeTerraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called_tofu = fake.path.rename(fake.folder / "tofu")
    monkeypatch.setenv(cli.VARIABLE, str(called_tofu))
    with pytest.raises(NotReadyError, match=r"is OpenTofu, which `stepladder\.terraform_distribution` may name"):
        cli.find(tmp_path)
    with pytest.raises(NotReadyError, match=r"tofu is no OpenTofu: \{"):  # it says its version in JSON, as none does
        cli.find(tmp_path, distributions.OPENTOFU)


@pytest.mark.parametrize("version", ["1.9.8", "0.15.5", "2.0.0", "dev"])
def test_a_version_that_will_not_do_is_named_with_what_to_install(
    fake: FakeTerraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("FAKE_TERRAFORM_VERSION", version)
    with pytest.raises(NotReadyError, match=rf"Terraform >= 1\.10, < 2 is needed; .* is {version}") as caught:
        cli.find(tmp_path)
    assert "https://developer.hashicorp.com/terraform/install" in caught.value.hint
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("version", ["1.10.0", "1.15.0-beta1"])
def test_later_versions_of_terraform_one_will_do(
    fake: FakeTerraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("FAKE_TERRAFORM_VERSION", version)
    assert cli.find(tmp_path).version == version


def test_no_terraform_at_all_is_told_as_such(
    fake: FakeTerraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotReadyError, match="there is none on PATH") as caught:
        cli.find(tmp_path)
    assert f"put the executable at {tmp_path}/.tools/terraform" in caught.value.hint
    assert "bootstrap.sh" not in caught.value.hint, "a project has none"


@pytest.fixture
def checkout(fake: FakeTerraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of stepladder that a project depends on by path; PATH has no Terraform."""
    folder = tmp_path / "my checkout"
    folder.mkdir()
    (folder / "bootstrap.sh").touch()
    install(tmp_path / "site", folder.as_uri())
    monkeypatch.setenv("PATH", str(tmp_path))
    return folder


def test_a_project_finds_the_one_that_bootstrap_fetched_into_the_checkout_it_depends_on(
    checkout: Path, tmp_path: Path
) -> None:
    fetched = FakeTerraform(checkout / ".tools")
    assert cli.find(tmp_path / "project").path == fetched.path


def test_path_comes_before_the_checkout_unless_what_it_has_won_t_do(
    checkout: Path, fake: FakeTerraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = FakeTerraform(checkout / ".tools")
    monkeypatch.setenv("PATH", str(fake.folder))
    assert cli.find(tmp_path).path == fake.path
    fake.path.write_text('#!/bin/sh\necho \'{"terraform_version": "1.5.7"}\'\n')
    cli._version.cache_clear()
    assert cli.find(tmp_path).path == fetched.path


def test_without_one_the_checkout_s_bootstrap_is_what_to_run(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError) as caught:
        cli.find(tmp_path / "project")
    assert f"`sh '{checkout}/bootstrap.sh'`" in caught.value.hint


def test_a_checkout_that_has_gone_is_no_place_to_look(checkout: Path, tmp_path: Path) -> None:
    (checkout / "bootstrap.sh").unlink()
    checkout.rmdir()
    with pytest.raises(NotReadyError) as caught:
        cli.find(tmp_path / "project")
    assert "bootstrap.sh" not in caught.value.hint


def mirror(folder: Path, *kinds: str) -> Path:
    for kind in kinds or ("hashicorp/aws",):
        (folder / providers.REGISTRY / kind / "5.100.0").mkdir(parents=True)
    return folder


class Machine:
    """A machine with a home, shared data folders and optional software, all empty."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.build = root / "project" / ".stepladder"
        self.code = root / "project" / "terraform" / "service"
        self.home = root / "home"
        self.optional = root / "opt"
        for folder in (self.build, self.code, self.home, self.optional):
            folder.mkdir(parents=True)
        for name in ("TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG", "TF_PLUGIN_CACHE_DIR", "XDG_DATA_HOME"):
            patch.delenv(name, raising=False)
        patch.delenv(providers.VARIABLE, raising=False)
        patch.setenv("HOME", str(self.home))
        patch.setenv("XDG_DATA_DIRS", str(root / "share"))

    def source(self) -> providers.ProviderSource:
        return providers.source(self.build, self.code, optional_software=self.optional)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_with_no_mirror_the_registry_is_used_with_a_cache_of_the_project(machine: Machine) -> None:
    source = machine.source()
    assert source.kind == "registry"
    assert source.env == {"TF_CLI_CONFIG_FILE": "", "TF_PLUGIN_CACHE_DIR": str(machine.build / "providers")}
    assert list(machine.home.iterdir()) == []


def test_a_readable_configuration_of_the_user_is_respected(machine: Machine) -> None:
    mirror(machine.optional)
    own = machine.home / ".terraformrc"
    own.write_text("")
    assert machine.source() == providers.ProviderSource("configured", {"TF_CLI_CONFIG_FILE": str(own)})


def test_a_named_configuration_that_is_not_there_counts_as_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(machine.home / "missing"))
    assert machine.source().env["TF_CLI_CONFIG_FILE"] == ""
    mirror(machine.optional)
    assert machine.source().kind == "mirror"


def test_mirrors_are_looked_for_in_a_fixed_order(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    data = machine.home / ".local" / "share" / "terraform" / "plugins"
    places = [
        machine.optional / "plugins",
        machine.optional,
        machine.root / "share" / "terraform" / "plugins",
        data,
        machine.home / ".terraform.d" / "plugins",
        machine.code / "terraform.d" / "plugins",
        machine.root / "named",
    ]
    for place in places[:-1]:
        assert machine.source().mirror != place
        mirror(place)
        assert machine.source().mirror == place
    monkeypatch.setenv(providers.VARIABLE, str(mirror(places[-1])))
    assert machine.source().mirror == places[-1]


def test_a_mirror_serves_what_it_holds_and_the_registry_serves_the_rest(machine: Machine) -> None:
    mirror(machine.optional / 'a "mirror"', "hashicorp/aws", "hashicorp/time")
    config = Path(machine.source().env["TF_CLI_CONFIG_FILE"])
    assert config == machine.build / "terraform.rc"
    text = config.read_text()
    held = '["registry.terraform.io/hashicorp/aws", "registry.terraform.io/hashicorp/time"]'
    assert f"include = {held}" in text
    assert f"exclude = {held}" in text
    assert r"a \"mirror\"" in text


def test_a_mirror_without_the_aws_provider_is_no_mirror_for_us(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = mirror(machine.optional / "plugins", "hashicorp/time")
    assert machine.source().kind == "registry"
    monkeypatch.setenv(providers.VARIABLE, str(other))
    with pytest.raises(NotReadyError, match=r"holds no registry\.terraform\.io/hashicorp/aws"):
        machine.source()


def test_terraform_is_kept_from_asking_phoning_home_and_taking_orders_from_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = ("TF_CLI_ARGS", "TF_CLI_ARGS_plan", "TF_REATTACH_PROVIDERS", "TF_VAR_memory_mb", "TF_WORKSPACE")
    for name in orders:
        monkeypatch.setenv(name, "x")
    for name in ("GOGC", "GOMEMLIMIT"):
        monkeypatch.delenv(name, raising=False)
    env = cli.environment(tmp_path, {"TF_CLI_CONFIG_FILE": "x"})
    assert env == {
        **dict.fromkeys(orders),
        "CHECKPOINT_DISABLE": "1",
        "GOGC": "400",
        "GOMEMLIMIT": "1GiB",
        "TF_CLI_CONFIG_FILE": "x",
        "TF_DATA_DIR": str(tmp_path),
        "TF_INPUT": "0",
        "TF_IN_AUTOMATION": "1",
    }


def test_what_a_person_says_of_gos_memory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOGC", "50")
    monkeypatch.delenv("GOMEMLIMIT", raising=False)
    env = cli.environment(tmp_path, {})
    assert "GOGC" not in env, "Terraform gets the person's own"
    assert env["GOMEMLIMIT"] == "1GiB"
