"""One project, two builders: what the function sees is the same, but for what docs/reference/dockerfile.md names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from stepladder import images
from stepladder.core.aws import Aws
from stepladder.core.step import Step
from stepladder.images.model import BuiltImage
from stepladder.scaffold.generate import generate
from stepladder.settings.load import load

REPOSITORY_ROOT = Path(__file__).parents[2]
PROBE = """\
import hashlib, os, sys
from importlib import metadata
from pathlib import Path

def handler(event, context):
    root = Path(os.environ["LAMBDA_TASK_ROOT"])
    files = {
        str(path.relative_to(root)): [oct(path.lstat().st_mode), hashlib.sha256(path.read_bytes()).hexdigest()]
        for path in root.rglob("*") if path.is_file()
    }
    folders = {str(path.relative_to(root)): oct(path.lstat().st_mode) for path in root.rglob("*") if path.is_dir()}
    return {
        "files": files,
        "folders": folders,
        "environment": dict(os.environ),
        "python": sys.version,
        "path": sys.path,
        "folder": os.getcwd(),
        "packages": sorted(f"{found.name}=={found.version}" for found in metadata.distributions(path=[str(root)])),
    }
"""
OWN = (  # of one function, one environment, one invocation
    "AWS_ACCESS_KEY_ID",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "_X_AMZN_TRACE_ID",
)
INSTALLERS = ("RECORD", "INSTALLER", "REQUESTED", "uv_cache.json")  # who installed, not what


@dataclass
class Seen:
    """An image, what its probe saw, and what the handler answered."""

    image: BuiltImage
    probe: dict[str, Any]
    answer: Any

    @property
    def files(self) -> dict[str, Any]:
        return {path: seen for path, seen in self.probe["files"].items() if not _of_the_installer(path)}

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in self.probe["environment"].items() if name not in OWN}


def _of_the_installer(path: str) -> bool:
    """Byte code, launchers of command lines, and notes of the installer about itself: documented differences."""
    name = path.rpartition("/")[2]
    return path.endswith(".pyc") or path.startswith("bin/") or (".dist-info/" in path and name in INSTALLERS)


@pytest.fixture(scope="module")
def both(functions: Any, engine_host: str, architecture: str, tmp_path_factory: Any) -> dict[str, Seen]:
    answers = {
        "project_name": "Parity",
        "aws_account": "123456789012",
        "aws_region": "us-east-1",
        "architecture": architecture,
        "trigger": "url",
    }
    folder = generate(REPOSITORY_ROOT / "template", tmp_path_factory.mktemp("parity"), answers).folder
    (folder / "function/app/probe.py").write_text(PROBE)
    functions.cloud.client("ecr").create_repository(repositoryName="parity", imageTagMutability="IMMUTABLE")
    event = json.loads((folder / "tests/events/event.json").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine_host)
        for name, value in functions.cloud.env.items():
            patch.setenv(name, value)
        return {builder: _see(functions, folder, builder, event) for builder in ("docker", "layers")}


def _see(functions: Any, folder: Path, builder: str, event: Any) -> Seen:
    raw = yaml.safe_load((folder / "invoke.yaml").read_text())["stepladder"]
    raw["image"] = {"builder": builder, "base": functions.base}
    settings = load(raw, folder)
    image = images.prepare(settings, Aws("us-east-1"), Step("image"), "staging", allow_dirty=True)
    variables = {"Variables": dict(settings.function.environment)}
    options = {"Environment": variables, "MemorySize": 512, "Timeout": 60}
    probe = functions.create_image(image.reference, ImageConfig={"Command": ["app.probe.handler"]}, **options)
    handler = functions.create_image(image.reference, **options)
    seen, failed = functions.invoke(probe)
    assert "FunctionError" not in failed, seen
    return Seen(image, seen, functions.invoke(handler, event)[0])


def test_both_images_come_from_their_builder_and_stand_on_the_same_base(both: dict[str, Seen]) -> None:
    assert {builder: seen.image.builder for builder, seen in both.items()} == {"docker": "docker", "layers": "layers"}
    assert both["docker"].image.base == both["layers"].image.base
    assert "@sha256:" in both["docker"].image.base


def test_the_handler_answers_the_same(both: dict[str, Seen]) -> None:
    assert both["docker"].answer == both["layers"].answer
    assert both["docker"].answer["statusCode"] == 200


def test_python_its_path_and_the_working_folder_are_the_same(both: dict[str, Seen]) -> None:
    for what in ("python", "path", "folder", "packages"):
        assert both["docker"].probe[what] == both["layers"].probe[what]
    assert any("powertools==" in package for package in both["docker"].probe["packages"])


def test_the_environment_is_the_same(both: dict[str, Seen]) -> None:
    assert both["docker"].environment == both["layers"].environment


def test_the_files_are_the_same_but_for_the_installers_own(both: dict[str, Seen]) -> None:
    docker, layers = both["docker"].files, both["layers"].files
    assert set(docker) == set(layers)
    assert {path: docker[path][1] for path in docker} == {path: layers[path][1] for path in layers}
    assert "app/handler.py" in docker


def test_everybody_may_read_every_file_and_enter_every_folder(both: dict[str, Seen]) -> None:
    for seen in both.values():
        assert all(int(mode, 8) & 0o004 for mode, _ in seen.probe["files"].values())
        assert all(int(mode, 8) & 0o005 == 0o005 for mode in seen.probe["folders"].values())
