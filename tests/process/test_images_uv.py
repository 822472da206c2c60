"""uv in a Dockerfile, as uv's guide for Lambda has it: the same files as the engine's, or a refusal with its line."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from fakes import image_project as project

from stepladder.core.errors import BadInputError
from stepladder.images.key import input_key
from stepladder.images.layers import build as layers
from stepladder.images.model import LocalImage
from stepladder.settings.load import Settings

PYPROJECT = """\
[project]
name = "fn"
version = "1"
requires-python = ">=3.13"
dependencies = ["dep"]
"""
LOCK = """\
version = 1
revision = 3
requires-python = ">=3.13"

[[package]]
name = "fn"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "dep" }]

[package.metadata]
requires-dist = [{ name = "dep" }]

[package.dev-dependencies]
dev = [{ name = "tool" }]

[package.metadata.requires-dev]
dev = [{ name = "tool" }]
"""
ENV = "ENV UV_COMPILE_BYTECODE=1 UV_NO_INSTALLER_METADATA=1\nENV UV_LINK_MODE=copy\n"
FLAGS = "--frozen --no-emit-workspace --no-dev --no-editable -o requirements.txt"
RUN = (
    "RUN --mount=from=uv,source=/uv,target=/bin/uv \\\n"
    "    --mount=type=cache,target=/root/.cache/uv \\\n"
    "    --mount=type=bind,source=uv.lock,target=uv.lock \\\n"
    "    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \\\n"
    f"    uv export {FLAGS} && \\\n"
    '    uv pip install -r requirements.txt --target "${LAMBDA_TASK_ROOT}"\n'
)
UV = "FROM ghcr.io/astral-sh/uv:0.9.2 AS uv\n"
BASE = "ARG BASE_IMAGE=x\n"
BUILDER = "FROM ${BASE_IMAGE} AS builder\n"
LAST = (
    "FROM ${BASE_IMAGE}\n"
    "COPY --from=builder ${LAMBDA_TASK_ROOT} ${LAMBDA_TASK_ROOT}\n"
    "COPY ./app ${LAMBDA_TASK_ROOT}/app\n"
    'CMD ["app.handler.handler"]\n'
)
GUIDE = BASE + UV + BUILDER + ENV + RUN + LAST
COPIED = "COPY --from=ghcr.io/astral-sh/uv:0.9.2 /uv /uvx /bin/\nCOPY pyproject.toml uv.lock ./\n"
INSTALL = (
    "RUN uv pip install --no-installer-metadata --no-compile-bytecode --no-cache --target packages "
    "--requirements requirements.txt\n"
)


def write(tmp_path: Path, dockerfile: str, **files: str) -> Settings:
    wheels = tmp_path / "wheels"
    locked = {name: project.wheel(wheels, name) for name in ("dep", "tool")}
    lock = LOCK
    for name, line in locked.items():
        digest = line.rpartition("--hash=")[2].strip()
        url = f"https://files.example.org/{name}-1.0-py3-none-any.whl"
        lock += (
            f'\n[[package]]\nname = "{name}"\nversion = "1.0"\nsource = {{ registry = "https://pypi.org/simple" }}\n'
        )
        lock += f'wheels = [{{ url = "{url}", hash = "{digest}", size = 1 }}]\n'
    contents = {
        "function/Dockerfile": dockerfile,
        "function/.dockerignore": "*\n!app\n!pyproject.toml\n!uv.lock\n!*.txt\n",
        "function/uv.lock": lock,
        "function/pyproject.toml": PYPROJECT,
        **files,
    }
    return project.make(tmp_path / "p", contents)


def build(tmp_path: Path, patch: pytest.MonkeyPatch, dockerfile: str, **files: str) -> LocalImage:
    settings = write(tmp_path, dockerfile, **files)
    patch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    patch.setenv("UV_NO_INDEX", "1")
    return layers.build(settings, project.base(), key=input_key(settings), commit="")


def content(image: LocalImage) -> dict[str, bytes]:
    """Return the files that were added to the base."""
    found: dict[str, bytes] = {}
    for layer in image.layers[1:]:
        assert layer.path
        with tarfile.open(layer.path) as tar:
            found |= {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}  # type: ignore[union-attr]
    return found


def refused(tmp_path: Path, patch: pytest.MonkeyPatch, dockerfile: str, **files: str) -> str:
    with pytest.raises(BadInputError) as caught:
        build(tmp_path, patch, dockerfile, **files)
    return " ".join([str(caught.value), *caught.value.problems])


ELSEWHERE = (
    f"{BASE}FROM ${{BASE_IMAGE}}\nCOPY app app\nCOPY pyproject.toml uv.lock ./\n"
    "RUN --mount=type=bind,from=astral/uv:latest,source=/uv,target=/usr/local/bin/uv "
    "uv export --frozen -q --output-file=/tmp/all.txt\n"
    "RUN --mount=from=ghcr.io/astral-sh/uv,source=/uv,target=/bin/uv "
    "uv pip install -r /tmp/all.txt -t /opt/python --link-mode=copy --compile-bytecode\n"
    'CMD ["app.handler.handler"]\n'
)
PACKAGES = ["METADATA", "RECORD", "WHEEL"]


def test_the_guide_makes_the_locked_packages_the_exported_file_and_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_NO_DEV", "0")
    found = content(build(tmp_path, monkeypatch, GUIDE))
    assert sorted(found) == [
        "var/task/app/__init__.py",
        "var/task/app/handler.py",
        *(f"var/task/dep-1.0.dist-info/{name}" for name in PACKAGES),
        "var/task/dep/__init__.py",
        "var/task/requirements.txt",
    ]
    lines = found["var/task/requirements.txt"].decode().splitlines()
    assert lines[1] == f"#    uv export {FLAGS}"
    assert lines[2].startswith("dep==1.0 ")


def test_the_same_inputs_make_the_same_image_in_two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    images = [build(tmp_path / name, monkeypatch, GUIDE) for name in "ab"]
    assert images[0].digest == images[1].digest


def test_what_uv_locks_decides_the_input_key(tmp_path: Path) -> None:
    settings = write(tmp_path, GUIDE)
    keys = {input_key(settings)}
    for name in ("uv.lock", "pyproject.toml"):
        path = settings.root / "function" / name
        path.write_text(path.read_text() + "# changed\n")
        keys.add(input_key(settings))
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("dockerfile", "there"),
    [
        (  # uv copied into a stage that is left behind, packages in a folder of their own
            f"{BASE}{BUILDER}{COPIED}RUN uv export {FLAGS}\n{INSTALL}"
            + LAST.replace("${LAMBDA_TASK_ROOT} ${", "${LAMBDA_TASK_ROOT}/packages ${"),
            ["var/task/dep/__init__.py"],
        ),
        (  # one stage, uv mounted right from its image, the file somewhere else
            ELSEWHERE,
            ["opt/python/dep/__init__.py", "opt/python/tool/__init__.py", "tmp/all.txt", "var/task/uv.lock"],
        ),
        (  # pip reads what uv exported
            f"{BASE}{BUILDER}{COPIED}RUN uv export {FLAGS} --no-header\nRUN pip install -r requirements.txt -t .\n"
            + LAST,
            ["var/task/dep/__init__.py", "var/task/uv.lock", "var/task/requirements.txt"],
        ),
    ],
)
def test_other_ways_to_use_uv_make_the_same_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dockerfile: str, there: list[str]
) -> None:
    found = content(build(tmp_path, monkeypatch, dockerfile))
    assert [name for name in there if name not in found] == []
    assert ("opt/python/tool/__init__.py" in found) == ("opt/python/tool/__init__.py" in there)
    if "tmp/all.txt" in found:
        assert found["tmp/all.txt"].splitlines()[1] == b"#    uv export --frozen --output-file=/tmp/all.txt"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("--frozen ", "", "6: RUN --mount=from=uv"),
        ("--frozen ", "", "uv export without --frozen may lock anew"),
        ("--no-dev ", "--no-dev --no-hashes ", "uv export's --no-hashes is not known"),
        ("--no-dev ", "--no-dev --directory /x ", "uv export's --directory is not known"),
        ("-o requirements.txt", "-o pylock.toml", "no -o with one file that ends with .txt"),
        ("--mount=type=bind,source=uv.lock,target=uv.lock", "--mount=type=cache,target=/c", "finds no uv.lock in"),
        ("astral-sh/uv:0.9.2", "astral-sh/uv:python3.13-alpine", "needs BuildKit"),
        ("target=/bin/uv", "target=/elsewhere/uv", "needs BuildKit"),
        ("UV_LINK_MODE=copy", "UV_INDEX_URL=https://x", "UV_INDEX_URL changes what uv does"),
        (
            "uv pip install -r",
            "uv pip install --torch-backend auto -r",
            "uv pip install's --torch-backend is not known",
        ),
        ("uv pip install -r", "uv pip install boto3 -r", "uv is to install boto3 besides"),
        (' --target "${LAMBDA_TASK_ROOT}"', "", "needs --target, or --system"),
        ("uv pip install -r requirements.txt", "uv sync", "uv sync --target"),
        ("COPY --from=builder ${LAMBDA_TASK_ROOT} ", "COPY --from=uv /uv ", "the image would hold /var/task/uv"),
    ],
)
def test_what_is_not_exactly_understood_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, why: str
) -> None:
    assert old in GUIDE
    assert why in refused(tmp_path, monkeypatch, GUIDE.replace(old, new))


def test_a_uv_that_stays_in_the_image_is_refused_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = f'{BASE}FROM ${{BASE_IMAGE}}\n{COPIED}COPY app app\nCMD ["app.handler.handler"]\n'
    assert "function/Dockerfile:3: the image would hold /bin/uv" in refused(tmp_path, monkeypatch, one)
    copied = f"{BASE}{BUILDER}COPY --from=ghcr.io/astral-sh/uv /uv /tools/uv\n" + LAST.replace(
        "COPY ./app", "COPY --from=builder /tools /tools\nCOPY ./app"
    )
    (tmp_path / "second").mkdir()
    assert "uv lies in /tools" in refused(tmp_path / "second", monkeypatch, copied)


def test_a_project_that_would_have_to_be_built_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = write(tmp_path, GUIDE.replace("--no-emit-workspace ", ""))
    lock = settings.root / "function/uv.lock"
    lock.write_text(lock.read_text().replace('{ virtual = "." }', '{ editable = "." }'))
    with pytest.raises(BadInputError) as caught:
        layers.build(settings, project.base(), key="k", commit="")
    assert "uv export names ., which would have to be built" in " ".join(caught.value.problems)
