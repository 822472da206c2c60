"""The Docker builder on a real engine: what it makes, and what it says when it can't."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cuttable
import debian
import docker
import docker_engine
import needs
import pytest
from fakes import image_project as project

from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.images import check
from stepladder.images.base.engine import BaseSource
from stepladder.images.docker import build as engine_build
from stepladder.images.docker import files as engine_files
from stepladder.images.docker.build import EngineImage
from stepladder.settings.load import Settings

PLAIN = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY app ${LAMBDA_TASK_ROOT}/app/
CMD ["app.handler.handler"]
"""
PACKAGES = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS packages
COPY requirements.txt wheels/ /build/
RUN python -m pip install --no-index --find-links /build --require-hashes --target /packages -r /build/requirements.txt
FROM ${BASE_IMAGE}
COPY --from=packages /packages ${LAMBDA_TASK_ROOT}/
COPY app ${LAMBDA_TASK_ROOT}/app/
CMD ["app.handler.handler"]
"""
ONLY_CODE = "*\n!app\n"
FOREIGN = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(44)  # for RISC-V


class Builder:
    """A project, and its builds in the engine."""

    def __init__(self, root: Path, architecture: str) -> None:
        self.root, self.architecture = root, architecture
        self.said: list[str] = []
        self.write()

    def write(self, dockerfile: str = PLAIN, files: dict[str, str] | None = None, **settings: Any) -> Settings:
        body = {"function/Dockerfile": dockerfile, **(files or {})}
        self.settings = project.make(self.root, body, **{"architecture": self.architecture, **settings})
        return self.settings

    def build(self, *, base: str = "", key: str = "the key", commit: str = "the commit", **options: Any) -> EngineImage:
        self.said = []
        name = base or f"public.ecr.aws/lambda/python:{docker_engine.PYTHON}"
        progress = options.pop("progress", self.said.append)
        return engine_build.build(
            self.settings, BaseSource(name, name, name), key=key, commit=commit, progress=progress, **options
        )


@pytest.fixture
def builder(docker_host: str, architecture: str, tmp_path: Path) -> Builder:
    return Builder(tmp_path / "project", architecture)


def test_an_image_is_checked_while_the_engine_adds_our_labels(
    builder: Builder, docker_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Any] = []
    monkeypatch.setattr(engine_files, "check_handler", lambda _engine, image, *_: checked.append(image))
    built = docker_client.images.get(builder.build().id)
    (image,) = checked
    assert image.id != built.id
    assert image.attrs["RootFS"] == built.attrs["RootFS"]


def test_an_image_has_the_labels_the_handler_and_the_platform(builder: Builder, docker_client: Any) -> None:
    built = builder.build()
    image = docker_client.images.get(built.id)
    assert image.labels == {
        "dev.stepladder.base": f"public.ecr.aws/lambda/python:{docker_engine.PYTHON}",
        "dev.stepladder.builder": "docker",
        "dev.stepladder.input-key": "the key",
        "org.opencontainers.image.revision": "the commit",
    }
    assert image.attrs["Config"]["Cmd"] == ["app.handler.handler"]
    assert image.attrs["Config"]["Entrypoint"] == ["/lambda-entrypoint.sh"]
    assert built.size == image.attrs["Size"] > 1_000_000
    assert builder.said[0].startswith("Step 1/")


def test_the_context_is_what_dockerignore_lets_in_and_anybody_may_read_it(builder: Builder, docker_client: Any) -> None:
    builder.write(
        PLAIN.replace("COPY app", "COPY . /all/\nCOPY app"),
        {"function/.dockerignore": "*\n!app\napp/secret.txt\n", "function/app/secret.txt": "", "function/app/.env": ""},
    )
    (builder.root / "function/app").chmod(0o700)
    (builder.root / "function/app/handler.py").chmod(0o600)
    members = _files(docker_client, builder.build().id, "/all")
    assert {name: oct(mode & 0o777) for name, mode in members.items()} == {
        "all": "0o755",
        "all/app": "0o755",
        "all/app/__init__.py": "0o644",
        "all/app/handler.py": "0o644",
    }


def test_packages_are_listed_and_in_a_layer_of_their_own_that_a_change_of_the_code_leaves_alone(
    builder: Builder, docker_client: Any
) -> None:
    lock = project.wheel(builder.root / "function/wheels", "fruit")
    files = {"function/requirements.txt": lock, "function/.dockerignore": "*\n!app\n!wheels\n!requirements.txt\n"}
    builder.write(PACKAGES, files)
    built = builder.build()
    assert [path for path in built.distributions if "fruit" in path] == ["var/task/fruit-1.0.dist-info"]
    first = docker_client.images.get(built.id).attrs["RootFS"]["Layers"]
    builder.write(PACKAGES, {**files, "function/app/handler.py": project.HANDLER + "# changed\n"})
    second = docker_client.images.get(builder.build(key="another", commit="another").id).attrs["RootFS"]["Layers"]
    assert len(first) == len(second)
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]


def test_the_same_inputs_are_not_built_twice(builder: Builder) -> None:
    first = builder.build()
    (builder.root / "function/app/handler.py").touch()
    assert builder.build().id == first.id


@pytest.mark.parametrize(
    ("dockerfile", "ignored", "steps"),
    [
        (PLAIN, ONLY_CODE, 1),
        (PLAIN + "# the end", ONLY_CODE, 1),
        (PLAIN, "*.md\n", 4),  # `.dockerignore` can be copied into the image, so that it stays as it is
        (PLAIN.rstrip() + " \\\n", ONLY_CODE, 4),
        ("# escape=`\n" + PLAIN, ONLY_CODE, 4),
    ],
)
def test_the_labels_are_one_step_where_the_dockerfile_takes_a_line(
    builder: Builder, docker_client: Any, dockerfile: str, ignored: str, steps: int
) -> None:
    builder.write(dockerfile.replace("CMD", "COPY . /all/\nCMD"), {"function/.dockerignore": ignored})
    image = docker_client.images.get(builder.build(key='a $HOME "key"', commit="c").id)
    assert image.labels["dev.stepladder.input-key"] == 'a $HOME "key"'
    assert len(image.labels) == 4
    assert len({line.partition(" :")[0] for line in builder.said if " : LABEL " in line}) == steps
    names = {name.removeprefix("all/") for name in _files(docker_client, image.id, "/all")}
    assert ".stepladder.Dockerfile" not in names
    assert ("Dockerfile" in names) == (".dockerignore" in names) == (ignored != ONLY_CODE)


def test_a_failing_build_shows_the_step_and_its_last_lines(builder: Builder) -> None:
    builder.write(PLAIN.replace("COPY", "RUN seq 1 50 >&2 && echo oh no >&2 && exit 3\nCOPY"))
    with pytest.raises(StepladderError, match=r"Step 3/\d+ : RUN seq 1 50") as caught:
        builder.build()
    text = str(caught.value)
    assert "non-zero code: 3" in text
    assert "\n    50" in text
    assert "\n    oh no" in text
    assert "\n    20\n" not in text


def test_an_engine_that_goes_away_in_the_middle_is_not_ready(
    builder: Builder, docker_host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.write(PLAIN.replace("COPY", "RUN sleep 2\nCOPY"))
    with cuttable.before(tmp_path, docker_host) as proxy:
        monkeypatch.setenv("DOCKER_HOST", proxy.host)
        with pytest.raises(NotReadyError, match="stopped answering"):
            builder.build(progress=lambda line: proxy.cut() if "RUN sleep" in line else None)


def test_a_base_that_cannot_be_had_is_named(builder: Builder) -> None:
    with pytest.raises(NotReadyError, match=r"the base image 127\.0\.0\.1:1/nowhere:1 can't be had"):
        builder.build(base="127.0.0.1:1/nowhere:1")
    builder.write(PLAIN.replace("FROM", "FROM 127.0.0.1:1/other:2 AS tools\nFROM"))
    with pytest.raises(NotReadyError, match=r"the base image 127\.0\.0\.1:1/other:2 can't be had"):
        builder.build()


def test_a_base_for_another_architecture_is_refused_with_the_ways_out(builder: Builder) -> None:
    other = {"arm64": "x86_64", "x86_64": "arm64"}[builder.architecture]
    builder.write(architecture=other)
    with pytest.raises(RefusedError, match=f"is made for {builder.architecture}.* is {other}") as caught:
        builder.build()
    assert "layers" in caught.value.hint


def test_a_step_for_another_processor_says_how_to_cross_build(builder: Builder) -> None:
    builder.write(PLAIN + 'RUN ["/var/task/app/tool"]\n')
    tool = builder.root / "function/app/tool"
    tool.write_bytes(FOREIGN)
    tool.chmod(0o755)
    with pytest.raises(RefusedError, match="another processor") as caught:
        builder.build()
    assert "binfmt" in caught.value.hint


def test_what_only_buildkit_knows_is_named(builder: Builder) -> None:
    builder.write(PLAIN.replace("COPY", "RUN --mount=type=cache,target=/x true\nCOPY"))
    with pytest.raises(BadInputError, match="needs BuildKit"):
        builder.build()


def test_a_dockerfile_without_cmd_is_refused_though_the_base_has_one(builder: Builder, docker_client: Any) -> None:
    docker_client.images.build(
        rm=True, fileobj=io.BytesIO(b'FROM scratch\nCMD ["app.handler.handler"]'), tag="with-cmd:1"
    )
    builder.write(PLAIN.replace('CMD ["app.handler.handler"]', ""))
    with pytest.raises(BadInputError, match="no CMD"):
        builder.build(base="with-cmd:1")
    builder.write(PLAIN.replace('CMD ["app.handler.handler"]', "CMD app.handler.handler"))
    with pytest.raises(BadInputError, match="not a list of one handler"):
        builder.build()


def test_a_handler_that_is_not_in_the_image_is_found_before_the_push(builder: Builder) -> None:
    builder.write(PLAIN.replace("app.handler.handler", "app.handlers.handler"))
    with pytest.raises(BadInputError, match=r"there is no app/handlers\.py in /var/task"):
        builder.build()
    builder.write(PLAIN, function={"handler": "app.handlers.handler"})
    with pytest.raises(BadInputError, match=r"the function \(`stepladder\.function\.handler`\): there is no") as caught:
        builder.build()
    assert caught.value.hint.startswith("did you mean `app.handler.handler`?")
    other = {"function/app/other.py": project.HANDLER}
    builder.write(PLAIN, other, functions={"other": {"function": {"handler": "app.other.handler"}}})
    assert builder.build()


def test_a_package_that_the_handler_imports_and_the_image_lacks_is_found_before_the_push(builder: Builder) -> None:
    files = {
        "function/app/handler.py": "import json\nfrom app import other\n" + project.HANDLER,
        "function/app/other.py": "try:\n    import optional\nexcept ImportError:\n    pass\nimport shared.deep.a\n",
        "function/optional.py": "",
        "function/shared/deep/a.py": "",
        "function/.dockerignore": "",
    }
    builder.write(PLAIN, files)
    with pytest.raises(BadInputError, match="what the handler imports: shared") as caught:
        builder.build()
    assert caught.value.hint == "add `COPY shared ${LAMBDA_TASK_ROOT}/shared/` to function/Dockerfile"
    builder.write(PLAIN.replace("CMD", "COPY shared ${LAMBDA_TASK_ROOT}/shared/\nCMD"), files)
    assert builder.build()


def test_an_image_over_lambdas_limit_is_refused(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LIMIT", 1_000_000)
    with pytest.raises(RefusedError, match="at most 10 GB"):
        builder.build()


@pytest.fixture
def full_engine(docker_host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An engine whose disk is too small, with a base of a few bytes."""
    if not shutil.which("dockerd", path=debian.search_path()):
        needs.missing("no dockerd is here, and another engine's disk can't be filled")
    folder = Path(tempfile.mkdtemp(prefix="stepladder-full-"))  # short: its sockets have 108 characters
    (folder / "data").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder / "data")], check=True, timeout=30)
    try:
        with docker_engine.started(folder) as host:
            monkeypatch.setenv("DOCKER_HOST", host)
            client = docker.DockerClient(base_url=host, timeout=60)
            client.images.build(rm=True, fileobj=io.BytesIO(b"FROM scratch\nENV X=1"), tag="tiny:1")
            client.close()
            yield host
    finally:
        subprocess.run(["umount", "--lazy", "--quiet", str(folder / "data")], check=False, timeout=30)
        shutil.rmtree(folder)


@pytest.mark.usefixtures("full_engine")
def test_a_full_disk_is_said_to_be_full(builder: Builder) -> None:
    (builder.root / "function/app/big.bin").write_bytes(bytes(60_000_000))
    with pytest.raises(NotReadyError, match="no room left"):
        builder.build(base="tiny:1")


def _files(client: Any, image: str, folder: str) -> dict[str, int]:
    """Return name and mode of all that an image holds below a folder."""
    container = client.containers.create(image)
    try:
        stream, _ = container.get_archive(folder)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            return {member.name: member.mode for member in tar}
    finally:
        container.remove()
