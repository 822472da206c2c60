"""Roots are validated together when that says as much as validating each, which starts Terraform three times."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.terraform import FakeTerraform

from stepladder.core.errors import StepladderError
from stepladder.terraform import validate as module
from stepladder.terraform.validate import validate

CODE = 'variable "region" {{}}\nvariable "{root}_only" {{\n  type = string\n}}\nprovider "aws" {{}}\n'
LOCK = 'provider "registry.terraform.io/hashicorp/aws" {{\n  version     = "{version}"\n}}\n'
ROOTS = ["delivery", "foundation", "service"]
TOGETHER = module._TOGETHER


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTerraform:
    made = FakeTerraform(tmp_path / "tools")
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "terraform"
    for root in ROOTS:
        (folder / root).mkdir(parents=True)
        (folder / root / "versions.tf").write_text("terraform {}\n")
        (folder / root / "variables.tf").write_text(CODE.format(root=root))
    return folder


def _where(fake: FakeTerraform) -> list[tuple[str, str]]:
    """Return each verb with the folder that it ran in."""
    return [(call["argv"][0], Path(call["cwd"]).name) for call in fake.calls if call["argv"][0] in {"init", "validate"}]


def test_roots_are_validated_as_modules_of_one(fake: FakeTerraform, source: Path, tmp_path: Path) -> None:
    assert validate([source], tmp_path / ".stepladder") == ROOTS
    assert _where(fake) == [("init", TOGETHER), ("validate", TOGETHER)]
    called = (tmp_path / ".stepladder/check/terraform" / TOGETHER / "main.tf").read_text()
    for root in ROOTS:
        assert f'module "{root}" {{\n  source = "../{root}"\n  region = var.{root}_region\n' in called
        assert f'variable "{root}_{root}_only" {{}}' in called


def test_code_that_was_valid_is_not_validated_again(fake: FakeTerraform, source: Path, tmp_path: Path) -> None:
    validate([source], tmp_path / ".stepladder")
    assert validate([source], tmp_path / ".stepladder") == []
    assert len(_where(fake)) == 2
    (source / "service" / "main.tf").write_text("# changed\n")
    assert validate([source], tmp_path / ".stepladder") == ROOTS


def test_what_is_not_valid_together_is_judged_root_by_root(fake: FakeTerraform, source: Path, tmp_path: Path) -> None:
    fake.plays("validate", {"code": 1}, {"code": 0})
    assert validate([source], tmp_path / ".stepladder") == ROOTS
    assert sorted(where for verb, where in _where(fake) if verb == "validate") == [*ROOTS, TOGETHER]


def test_an_error_is_told_as_terraform_says_it_of_the_root(fake: FakeTerraform, source: Path, tmp_path: Path) -> None:
    fake.plays("validate", {"code": 1, "err": ["Error: no such thing"]})
    with pytest.raises(StepladderError, match="terraform validate failed in delivery") as caught:
        validate([source], tmp_path / ".stepladder")
    assert "Error: no such thing" in caught.value.hint
    with pytest.raises(StepladderError):  # and again, for it is no valid code
        validate([source], tmp_path / ".stepladder")


@pytest.mark.parametrize(
    "text", ['import {\n  to = aws_s3_bucket.x\n  id = "x"\n}\n', "removed {\n  from = aws_s3_bucket.x\n}\n"]
)
def test_roots_with_blocks_that_no_module_may_hold_are_validated_one_by_one(
    fake: FakeTerraform, source: Path, tmp_path: Path, text: str
) -> None:
    (source / "service" / "more.tf").write_text(text)
    validate([source], tmp_path / ".stepladder")
    assert sorted(where for verb, where in _where(fake) if verb == "validate") == ROOTS


def test_the_locked_provider_is_the_one_that_validates(fake: FakeTerraform, source: Path, tmp_path: Path) -> None:
    (source / "service" / ".terraform.lock.hcl").write_text(LOCK.format(version="5.100.0"))
    validate([source], tmp_path / ".stepladder")
    assert _where(fake)[0] == ("init", TOGETHER)
    assert ".terraform.lock.hcl" in fake.calls[0]["files"], "before init, which would take the newest"


def test_roots_that_lock_different_providers_are_validated_one_by_one(
    fake: FakeTerraform, source: Path, tmp_path: Path
) -> None:
    for root, version in (("service", "5.100.0"), ("delivery", "6.1.0")):
        (source / root / ".terraform.lock.hcl").write_text(LOCK.format(version=version))
    validate([source], tmp_path / ".stepladder")
    assert TOGETHER not in {where for _, where in _where(fake)}
