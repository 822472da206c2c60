"""The Terraform code of the guide to a domain of one's own, beside the roots that a project has."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from stepladder.core import resources

pytestmark = pytest.mark.terraform

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "custom-domain.md"
WAYS = ("cloudfront", "http-api")
BLOCKS = re.findall(r"^```hcl\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
CODE = dict(zip(WAYS, BLOCKS, strict=True))


@pytest.fixture(scope="module")
def root(make_root, runner) -> Path:
    """Return the service root of a project, initialised."""
    roots = resources.folder("template") / "{{cookiecutter.project_slug}}" / "terraform"
    made = make_root({}) / "service"
    shutil.copytree(roots / "service", made)
    versions = made / "versions.tf"
    versions.write_text(versions.read_text("utf-8").replace('  backend "s3" {}\n', ""), "utf-8")
    assert runner.run(made, "init", "-no-color").code == 0
    return made


@pytest.mark.parametrize("way", WAYS)
def test_the_guides_code_is_valid_beside_the_module_and_formatted(root: Path, runner, way: str) -> None:
    (root / "domain.tf").write_text(CODE[way], "utf-8")
    assert runner.run(root, "fmt", "-check", "-diff", "domain.tf").out == ""
    done = json.loads(runner.run(root, "validate", "-json").out)
    assert (done["valid"], done["diagnostics"]) == (True, [])


def test_what_the_guide_lets_in_calls_the_alias_in_the_name_of_its_own_distribution() -> None:
    (permission,) = re.findall(r'^resource "aws_lambda_permission".*?^}', "".join(BLOCKS), re.DOTALL | re.MULTILINE)
    assert "qualifier     = module.service.alias_name" in permission
    assert "source_arn    = one(values(aws_cloudfront_distribution.domain)).arn" in permission
