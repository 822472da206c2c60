"""Dockerfiles as people publish them for Lambda: each by both builders, the same image or a refusal with a reason.

What may differ is the list of docs/reference/dockerfile.md: byte code, notes and caches of pip, launchers, times.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import docker_engine
import image_files
import pytest
import yaml
from fakes import image_project

from stepladder.core.errors import StepladderError
from stepladder.core.image_facts import ARCHITECTURE, OCI_LAYER
from stepladder.images.base.engine import BaseSource
from stepladder.images.base.registry import Base
from stepladder.images.docker import build
from stepladder.images.key import input_key
from stepladder.images.layers import build as layers
from stepladder.images.model import Blob, digest_of
from stepladder.images.requirements.dependencies import WheelTarget
from stepladder.settings.load import Settings, load

CORPUS = Path(__file__).parent / "corpus"
CASES = {case["name"]: case for path in sorted(CORPUS.glob("*.yaml")) for case in yaml.safe_load(path.read_text())}
FROM_AWS = {case["name"] for case in yaml.safe_load((CORPUS / "aws.yaml").read_text())}
PYTHON = docker_engine.PYTHON
BASE = "stepladder-corpus/base:1"
NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
HANDLER = 'def handler(event, context):\n    return {"statusCode": 200}\n'
CONFIGURED = (
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
)


@dataclass
class Outcome:
    """What both builders made of a Dockerfile, and what is wrong with that."""

    layers: str = ""
    engine: str = "not asked"
    wrong: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def cases(request: pytest.FixtureRequest) -> dict[str, Any]:
    """All of the corpus in the long form; else those of AWS's own pages, and every fifth of the others."""
    if request.config.getoption("long"):
        return CASES
    return {name: case for number, (name, case) in enumerate(CASES.items()) if name in FROM_AWS or number % 5 == 0}


@pytest.fixture(scope="module")
def outcomes(cases: dict[str, Any], engine_host: str, tmp_path_factory: Any) -> Any:
    """Build the corpus once."""
    folder = tmp_path_factory.mktemp("corpus")
    with (
        contextlib.closing(docker.DockerClient(base_url=engine_host, timeout=120)) as client,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("DOCKER_HOST", engine_host)
        patch.setenv("UV_FIND_LINKS", str(folder / "wheels"))
        patch.setenv("UV_NO_INDEX", "1")
        locked = wheels(folder / "wheels")
        base_with_wheels(client, docker_engine.base_image(engine_host), folder / "wheels")
        projects = {name: project(folder, case, locked) for name, case in cases.items()}
        try:
            yield build_all(client, projects, folder)
        finally:
            docker_engine.forget(client, "stepladder-corpus/")


def wheels(folder: Path) -> dict[str, str]:
    """Write the wheels and return their locked lines."""
    handler = {"dep/handler.py": HANDLER, "dep/data/table.txt": "1"}
    return {
        "dep": image_project.wheel(folder, "dep", more=handler),
        "tool": image_project.wheel(folder, "tool", scripts=True, more={"share/tool/notes.txt": "n"}),
    }


def base_with_wheels(client: Any, base: str, folder: Path) -> None:
    """Put the wheels and a pip.conf that names them into a base: no build of the corpus needs a network."""
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\nno-compile = true\n")
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY . /wheels/\nRUN mv /wheels/pip.conf /etc/pip.conf\n")
    network = {"network_mode": "host"} if not client.api.networks(names=["bridge"]) else {}
    client.images.build(path=str(folder), tag=BASE, rm=True, **network)


def project(folder: Path, case: dict[str, Any], locked: dict[str, str]) -> Settings:
    """Write a project with the files that all cases share, and those of its own."""
    root = folder / re.sub(r"\W+", "-", case["name"])
    files: dict[str, Any] = {
        "Dockerfile": case["dockerfile"].replace("BASE\n", f"{BASE}\n").replace("BASE AS", f"{BASE} AS"),
        "app/__init__.py": "",
        "app/handler.py": HANDLER,
        "config.json": "{}",
        "lambda_function.py": HANDLER + "# root\n",
        "lambda_requirements.txt": locked["tool"],
        "main.py": HANDLER + "# main\n",
        "models/a.bin": "a",
        "models/deep/b.bin": "b",
        "nested.txt": f"--require-hashes\n-r lambda_requirements.txt\n{locked['dep']}",
        "requirements.txt": locked["dep"],
        "run.sh": {"mode": 0o755, "text": "#!/bin/sh\n"},
        "shared/__init__.py": "",
        "shared/tools.py": "X = 1\n",
        "vendor/dep-1.0-py3-none-any.whl": {"bytes": (folder / "wheels/dep-1.0-py3-none-any.whl").read_bytes()},
        "vendor/tool-1.0-py3-none-any.whl": {"bytes": (folder / "wheels/tool-1.0-py3-none-any.whl").read_bytes()},
        **({".dockerignore": case["ignore"]} if "ignore" in case else {}),
        **case.get("files", {}),
    }
    (folder / "cache").mkdir(exist_ok=True)
    root.mkdir()
    (root / ".stepladder").symlink_to(folder / "cache")  # what is read of the base, and installed, once for all
    for name, content in files.items():
        write(root / "function" / name, content if isinstance(content, dict) else {"text": content})
    raw = {
        "project": "corpus",
        "rungs": ["staging"],
        "environments": {"staging": {"account": "123456789012", "region": "us-east-1"}},
        "architecture": ARCHITECTURE[docker_engine.MACHINE[docker_engine.platform.machine()]],
        "python": PYTHON,
        "image": {"base": BASE},
    }
    return load(raw, root)


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if "link" in content:
        path.symlink_to(content["link"])
    elif "gzip" in content:
        path.write_bytes(gzip.compress(content["gzip"].encode()))
    else:
        path.write_bytes(content.get("bytes") or content["text"].encode())
        path.chmod(content.get("mode", 0o644))


def build_all(client: Any, projects: dict[str, Settings], folder: Path) -> dict[str, Outcome]:
    found = {name: Outcome() for name in projects}
    asked = {n: s for n, s in projects.items() if "refused" not in CASES[n] or CASES[n].get("engine")}
    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(asked, pool.map(by_engine, asked.values()), strict=True))
    tags = {}
    for number, (name, result) in enumerate(done.items()):
        found[name].engine = result if isinstance(result, str) else "built"
        if not isinstance(result, str):
            tags[name] = f"stepladder-corpus/image:{number}"
            client.images.get(result.id).tag(tags[name])
    images, (below, config) = image_files.engine_images(client, BASE, list(tags.values()))
    layer = image_files.as_layer(below)
    for name, settings in projects.items():
        made = by_layers(settings, config, layer)
        judge(CASES[name], found[name], made, images.get(tags.get(name, "")), below)
    return found


def by_engine(settings: Settings) -> Any:
    try:
        return build.build(settings, BaseSource(BASE, BASE, BASE), key="k", commit="c")
    except StepladderError as error:
        return f"fails: {error}"


def by_layers(settings: Settings, config: dict[str, Any], layer: bytes) -> Any:
    """Build it on the base as it is, and on AWS's own, of which the builder knows the folders without reading it."""
    blob = Blob(digest_of(layer), len(layer), OCI_LAYER, data=layer)
    made = []
    for label in (BASE, f"public.ecr.aws/lambda/python:{PYTHON}"):
        machine = {"arm64": "aarch64"}.get(settings.architecture, settings.architecture)
        base = Base(label, config, (blob,), WheelTarget(PYTHON, f"{machine}-manylinux_2_34"))
        try:
            made.append(layers.build(settings, base, key=input_key(settings), commit="c"))
        except StepladderError as error:
            made.append(error)
    return made


def judge(case: dict[str, Any], outcome: Outcome, made: list[Any], image: Any, below: dict[str, Any]) -> None:
    """Note what is wrong."""
    if outcome.engine == "not asked" and "refused" not in case:
        outcome.wrong.append("the engine was not asked")
    expected = {"fails": True, "buildkit": True}.get(case.get("engine", ""), False)
    if outcome.engine != "not asked" and outcome.engine.startswith("fails") != expected:
        outcome.wrong.append(f"engine: {outcome.engine}")
    for builds in made:
        if isinstance(builds, StepladderError):
            said = " ".join([str(builds), *builds.problems])
            outcome.layers = f"refused: {said}"
            if "refused" not in case or builds.exit_code != 2 or not re.search(case["refused"], said):
                outcome.wrong.append(f"layers: {builds.exit_code} {said} ({builds.hint})")
            continue
        outcome.layers = "built"
        files, config = theirs(image) if image else (None, None)
        with contextlib.ExitStack() as stack:
            above = [stack.enter_context(blob.path.open("rb")) for blob in builds.layers if blob.path]
            ours = clean(image_files.listing(above, below))
        if "refused" in case:
            outcome.wrong.append("layers built what it should refuse")
        if files is not None:
            outcome.wrong += different("file", files, ours)
            outcome.wrong += different("configuration", config, configured(yaml.safe_load(builds.config.data)))
        for path, mode in case.get("files_expected", {}).items():
            if ours[path][1] != f"0o{mode}":
                outcome.wrong.append(f"{path} is {ours[path]}")


def theirs(image: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return clean(image[0]), configured(image[1])


def clean(files: dict[str, Any]) -> dict[str, Any]:
    """Leave out what docs/reference/dockerfile.md says may differ."""
    kept = {path: file for path, file in files.items() if not apart(path)}
    return {
        path: file
        for path, file in kept.items()
        if not path.endswith("/bin") or any(other.startswith(f"{path}/") for other in kept)
    }


def apart(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return (
        "__pycache__" in path
        or path.startswith("root/.cache")
        or path == "root"
        or (folder.endswith(".dist-info") and name in NOTES)
        or path in {"var/task/bin/tool", "var/lang/bin/tool", "opt/python/bin/tool"}
    )


def configured(config: dict[str, Any]) -> dict[str, Any]:
    running = config["config"]
    labels = {name: text for name, text in (running.get("Labels") or {}).items() if not name.startswith("dev.step")}
    return {"author": config.get("author") or None, "Labels": labels, **{k: running.get(k) or None for k in CONFIGURED}}


def different(what: str, engine: dict[str, Any], layers_: dict[str, Any]) -> list[str]:
    return [
        f"{what} {name}: engine {engine.get(name)}, layers {layers_.get(name)}"
        for name in sorted({*engine, *layers_})
        if engine.get(name) != layers_.get(name)
    ]


def test_each_dockerfile_of_the_corpus_is_the_engines_image_or_a_refusal(outcomes: dict[str, Outcome]) -> None:
    for name, outcome in outcomes.items():
        mark = "WRONG" if outcome.wrong else "ok"
        sys.stdout.write(f"{mark:5} {name:58.58} engine {outcome.engine[:40]:40} layers {outcome.layers[:90]}\n")
    wrong = {name: outcome.wrong for name, outcome in outcomes.items() if outcome.wrong}
    assert not wrong, "\n".join(f"{name}:\n    " + "\n    ".join(lines) for name, lines in wrong.items())


def test_the_corpus_is_large_and_most_of_it_is_built(outcomes: dict[str, Outcome]) -> None:
    assert len(CASES) >= 100
    assert len(outcomes) >= len(CASES) / 3
    assert sum(outcome.layers == "built" for outcome in outcomes.values()) >= len(outcomes) / 2
