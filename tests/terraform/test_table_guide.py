"""The guide "give the function a table", by its own text: one apply, and the function keeps an order."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import cloud_images
import pytest
import yaml

from localcloud.daemon import ACCOUNT
from localcloud.launchers import runtime_client
from stepladder import terraform
from stepladder.core import resources
from stepladder.core.aws import Aws
from stepladder.releases.smoke_case import Case, compare
from stepladder.settings import load

pytestmark = [pytest.mark.terraform, pytest.mark.cloud]

GUIDE = resources.folder("docs") / "guides" / "table.md"
TEMPLATE = resources.folder("template") / "{{cookiecutter.project_slug}}"
MODULES = resources.folder("terraform") / "modules"
REGION = "eu-west-1"


def written(folder: Path) -> Path:
    """Write the files that the guide shows, each under the last name that stands before it; settings are returned."""
    text = textwrap.dedent(GUIDE.read_text("utf-8"))
    for before, kind, code in re.findall(r"(.*?)```(\w+)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        if kind != "sh":
            path = folder / re.findall(r"`([\w./-]+\.\w+)`", before)[-1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(code))
    return folder


def test_its_code_passes_the_projects_own_lint(tmp_path: Path) -> None:
    project = written(tmp_path)
    config = (TEMPLATE / "pyproject.toml").read_text("utf-8")
    (project / "ruff.toml").write_text(
        re.sub(r"tool\.ruff\.?", "", config[config.index("[tool.ruff]") :]).replace("[]", "")
    )
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_its_test_passes(tmp_path: Path) -> None:
    project = written(tmp_path)
    env = {**os.environ, "PYTHONPATH": str(project / "function"), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(project), "tests"]
    done = subprocess.run(argv, cwd=project, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_the_first_apply_makes_table_permission_and_a_function_that_may_use_it(
    cloud_env: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = written(tmp_path)
    shutil.copytree(TEMPLATE / "terraform" / "service", root / "terraform" / "service", dirs_exist_ok=True)
    shutil.copytree(MODULES / "service", root / "terraform" / "modules" / "service")
    name = f"table-{os.getpid()}"
    given = yaml.safe_load((root / "invoke.yaml").read_text())["stepladder"]
    place = {"account": ACCOUNT, "region": REGION}
    raw = {"project": name, "architecture": "x86_64", "trigger": "none", "rungs": ["staging"], **given}
    settings = load.load({**raw, "environments": {"staging": place}}, root)
    aws, names = Aws(REGION), settings.names("staging")
    where = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
    aws.client("s3").create_bucket(Bucket=names.state_bucket, **where)
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName=name)
    source = (root / "function/app/handler.py").read_text()
    runtime = runtime_client.client(Path(sys.executable), cloud_images.PYTHON, tmp_path_factory.mktemp("runtime"))
    digest = cloud_images.push(ecr, name, runtime, source)
    image = f"{names.registry}/{names.repository}@{digest}"
    outcome = terraform.ensure(settings, "staging", "service", aws=aws, image_uri=image)

    assert outcome.outputs["role_name"] == f"{name}-staging-function"
    case = json.loads((root / "tests/smoke/answers.json").read_text())
    called = lambda_answer(aws, names.function, case["payload"])
    assert compare(Case(case["name"], case["payload"], case["expect"]), *called, 0.0) == []
    aws.client("iam").delete_role_policy(RoleName=outcome.outputs["role_name"], PolicyName="permissions")
    denied, error = lambda_answer(aws, names.function, case["payload"])
    assert error == "ClientError"
    assert "AccessDeniedException" in denied["errorMessage"]
    assert "dynamodb:PutItem" in denied["errorMessage"]
    (item,) = aws.client("dynamodb").scan(TableName=f"{name}-staging-orders")["Items"]
    assert item == {"id": {"S": "smoke"}, "item": {"S": "tea"}}


def lambda_answer(aws: Aws, function: str, payload: Any) -> tuple[Any, str | None]:
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(payload).encode())
    result = json.loads(answer["Payload"].read())
    return result, result.get("errorType") if answer.get("FunctionError") else None
