"""`inv image.build` and `inv image.push` as a person runs them, against the local cloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from fakes import image_project as project

pytestmark = [pytest.mark.cloud, pytest.mark.e2e]
TASKS = "from stepladder.collections import namespace\n\nns = namespace()\n"


class Project:
    """A project on disk, and `inv` in it."""

    def __init__(self, root: Path, cloud: Any) -> None:
        self.root, self.cloud = root, cloud
        self.name = f"p{uuid.uuid4().hex[:8]}"
        settings = {
            "project": self.name,
            "architecture": "arm64",
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "rungs": ["staging"],
            "environments": {"staging": {"account": project.ACCOUNT, "region": project.REGION}},
        }
        dockerfile = project.DOCKERFILE.replace("3.13", str(settings["python"]))
        files = {"tasks.py": TASKS, "invoke.yaml": json.dumps({"stepladder": settings})}
        project.make(root, {**files, "function/Dockerfile": dockerfile})

    def inv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "invoke", *arguments]
        # No engine, whatever this machine has: these images run on its Python.
        env = {**os.environ, **self.cloud.env, "DOCKER_HOST": "tcp://127.0.0.1:1"}
        env.pop("CI", None)
        return subprocess.run(argv, cwd=self.root, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def here(cloud: Any, tmp_path: Path) -> Project:
    return Project(tmp_path / "project", cloud)


def test_an_image_is_built_pushed_and_not_pushed_twice(here: Project) -> None:
    built = here.inv("image.build", "--json")
    assert built.returncode == 0, built.stderr
    digest = json.loads(built.stdout)["digest"]
    told = "this machine's own Python"
    assert told in built.stderr

    refused = here.inv("image.push")
    assert refused.returncode == 6
    assert "no ECR repository" in refused.stderr

    here.cloud.client("ecr").create_repository(repositoryName=here.name, imageTagMutability="IMMUTABLE")
    pushed = here.inv("image.push", "--env", "staging")
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout == f"{project.ACCOUNT}.dkr.ecr.{project.REGION}.amazonaws.com/{here.name}@{digest}\n"
    assert told not in pushed.stderr  # a checkout is told once

    again = here.inv("image.push", "--json")
    found = json.loads(again.stdout)
    assert (found["digest"], found["pushed"]) == (digest, False)
    detail = here.cloud.client("ecr").describe_images(repositoryName=here.name)["imageDetails"]
    assert [image["imageDigest"] for image in detail if "subjectManifestDigest" not in image] == [digest]
    assert {image.get("subjectManifestDigest", digest) for image in detail} == {digest}, "its documents refer to it"


def test_an_image_on_this_machines_python_is_for_its_local_cloud_by_whatever_address(here: Project) -> None:
    """That it is not for AWS: tests/unit/test_images_check.py."""
    here.cloud.client("ecr").create_repository(repositoryName=here.name)
    assert here.inv("image.push").returncode == 0
    address = here.cloud.url.replace("127.0.0.1", "0.0.0.0")
    noted = here.root / ".stepladder/image.json"
    noted.write_text(noted.read_text().replace(here.cloud.url, address))
    here.cloud = type("Cloud", (), {"env": {**here.cloud.env, "AWS_ENDPOINT_URL": address}})()
    again = here.inv("image.push")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("image.push", "--env", "nowhere"), 2, "no environment 'nowhere'"),
        (("image.build",), 2, "would not hold the handler"),
    ],
)
def test_bad_input_ends_with_exit_code_2(here: Project, arguments: tuple[str, ...], code: int, said: str) -> None:
    (here.root / "function/app/handler.py").unlink()
    done = here.inv(*arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
