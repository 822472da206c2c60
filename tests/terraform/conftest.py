"""Run the real Terraform and AWS provider on temporary copies of the modules."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import needs
import pytest
import tftest

from stepladder.core import process, resources
from stepladder.core.errors import NotReadyError
from stepladder.terraform import cli, providers

ACCOUNT, REGION, PROJECT = "123456789012", "eu-west-1", "sample"
DIGEST = "sha256:" + "0123456789abcdef" * 4

# The provider asks STS for the account and its credentials' owner; a plan of the modules needs neither.
OFFLINE_PROVIDER = f"""
terraform {{
  required_providers {{
    aws = {{
      source = "hashicorp/aws"
    }}
  }}
}}

provider "aws" {{
  access_key                  = "{ACCOUNT}"
  region                      = "{REGION}"
  secret_key                  = "dummy"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}}
"""
_AMBIENT = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL")


@dataclass(frozen=True)
class Runner:
    """A Terraform and the environment to run it in."""

    binary: str
    env: dict[str, str]

    def test(self, folder: Path, **env: str) -> tftest.TerraformTest:
        """Return tftest's wrapper for a root that may be written to."""
        return tftest.TerraformTest(str(folder), binary=self.binary, env={**os.environ, **self.env, **env})

    def run(self, folder: Path, *argv: str) -> process.Completed:
        return process.run([self.binary, *argv], cwd=folder, env=self.env, timeout=120)


def hcl(value: Any) -> str:
    """Write a value as HCL: JSON's literals are HCL's, but for objects' separators."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {hcl(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(hcl, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


@dataclass(frozen=True)
class Writer:
    """Writes Terraform code for tests."""

    provider: str = OFFLINE_PROVIDER

    def call(self, name: str, module: str, variables: Mapping[str, Any], *, raw: bool = False) -> str:
        """Write a call of a module with these variables besides the usual ones; `raw` leaves templates to Terraform."""
        given: dict[str, Any] = {"account": ACCOUNT, "project": PROJECT, "region": REGION}
        if module == "foundation":
            given |= {"environments": ["production", "staging"]}
        if module == "service":
            image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{PROJECT}@{DIGEST}"
            given |= {"environment": re.sub(r"[^a-z]", "", name)[:12], "image_uri": image}
        lines = "".join(
            f"  {key} = {json.dumps(value) if raw else hcl(value)}\n"
            for key, value in (given | dict(variables)).items()
        )
        return f'module "{name}" {{\n  source = "./modules/{module}"\n{lines}}}\n'

    def outputs(self, name: str, names: Sequence[str]) -> str:
        """Write outputs `<call>.<output>`, as far as names of outputs allow: `<call>__<output>`."""
        return "".join(f'output "{name}__{each}" {{\n  value = module.{name}.{each}\n}}\n' for each in names)


@pytest.fixture(scope="session")
def write() -> Writer:
    return Writer()


@pytest.fixture(scope="session")
def module_source() -> Path:
    return resources.folder("terraform") / "modules"


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """The Terraform and the provider's source that the tasks would use too; dummy credentials."""
    folder = tmp_path_factory.mktemp("terraform-runner")
    try:
        found = cli.find(Path(__file__).parents[2])
    except NotReadyError as error:
        needs.missing(str(error))
    source = providers.source(folder, folder)
    env = {name: value for name, value in cli.environment(folder / "unused", source.env).items() if value is not None}
    del env["TF_DATA_DIR"]  # tftest looks for .terraform in the root
    dummy = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "dummy", "AWS_EC2_METADATA_DISABLED": "true"}
    with pytest.MonkeyPatch.context() as patch:
        for name in _AMBIENT:
            patch.delenv(name, raising=False)
        patch.setattr(tempfile, "tempdir", str(folder))  # tftest leaves its plan files there
        yield Runner(str(found.path), {**env, **dummy})


@pytest.fixture(scope="session")
def make_root(tmp_path_factory: pytest.TempPathFactory, module_source: Path) -> Callable[[Mapping[str, str]], Path]:
    """Return a maker of roots: a temporary folder with a copy of the modules and the files given."""

    def make(files: Mapping[str, str]) -> Path:
        root = tmp_path_factory.mktemp("root")
        ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*")
        shutil.copytree(module_source, root / "modules", ignore=ignored)
        for name, text in files.items():
            (root / name).write_text(text, encoding="utf-8")
        return root

    return make


@pytest.fixture(scope="session")
def regenerate() -> bool:
    """Whether what is compared should be written instead."""
    return bool(os.environ.get("STEPLADDER_REGENERATE"))


@pytest.fixture(scope="session")
def regenerate_hint() -> str:
    return "if this is meant: STEPLADDER_REGENERATE=1 pytest tests/terraform, then read the difference and commit it"
