"""A small project to build images of, wheels to depend on, and a base that needs no network."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from stepladder.core.image_facts import OCI_LAYER
from stepladder.images.base.registry import Base
from stepladder.images.model import Blob, digest_of
from stepladder.images.requirements.dependencies import WheelTarget
from stepladder.settings.load import Settings, load

ACCOUNT, REGION = "123456789012", "us-east-1"
DOCKERFILE = """\
ARG BASE_IMAGE=public.ecr.aws/lambda/python:3.13
FROM ${BASE_IMAGE} AS packages
COPY requirements.txt /build/
RUN python -m pip install --require-hashes --target /packages -r /build/requirements.txt

FROM ${BASE_IMAGE}
COPY --from=packages /packages ${LAMBDA_TASK_ROOT}/
COPY app ${LAMBDA_TASK_ROOT}/app/
CMD ["app.handler.handler"]
"""
HANDLER = 'def handler(event, context):\n    return {"statusCode": 200}\n'


def make(root: Path, files: dict[str, str] | None = None, **settings: Any) -> Settings:
    """Write a project below `root` and return its settings; `files` are added, or replace what is there."""
    body = {
        "function/Dockerfile": DOCKERFILE,
        "function/.dockerignore": "*\n!app\n!requirements.txt\n",
        "function/requirements.txt": "",
        "function/app/__init__.py": "",
        "function/app/handler.py": HANDLER,
        **(files or {}),
    }
    for name, text in body.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    raw = {
        "project": "demo",
        "rungs": ["staging"],
        "environments": {"staging": {"account": ACCOUNT, "region": REGION}},
        "architecture": "x86_64",
        **settings,
    }
    return load(raw, root)


def wheel(
    folder: Path, name: str, *, tags: str = "py3-none-any", scripts: bool = False, more: dict[str, str] | None = None
) -> str:
    """Write a wheel of version 1.0 and return its locked line for requirements.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": f"NAME = {name!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tags}\n",
    }
    files |= more or {}
    if scripts:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {name}:main\n"
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    path = folder / f"{name}-1.0-{tags}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def requirements(folder: Path, *lines: str) -> str:
    """Return a requirements.txt that takes the wheels from `folder` and from nowhere else."""
    return f"--no-index\n--find-links {folder}\n" + "".join(lines)


def base_layer(python: str = "3.13", *more: str) -> bytes:
    """Return a layer with the folders of AWS's bases, pip among them; `more` are files."""
    data = io.BytesIO()
    site = f"var/lang/lib/python{python}/site-packages"
    with tarfile.open(fileobj=data, mode="w") as tar:
        for path in ("var/task", "opt", "etc", "usr/bin", f"{site}/pip"):
            info = tarfile.TarInfo(path)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for path in more:
            tar.addfile(tarfile.TarInfo(path))
    return gzip.compress(data.getvalue(), mtime=0)


def base(
    architecture: str = "amd64",
    python: str = "3.13",
    label: str = "example.org/base:1@sha256:00",
    more: tuple[str, ...] = (),
) -> Base:
    """Return a base of one small layer."""
    data = base_layer(python, *more)
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": "2024-05-05T00:00:00Z",
        "config": {
            "Env": ["LAMBDA_TASK_ROOT=/var/task"],
            "Entrypoint": ["/lambda-entrypoint.sh"],
            "Cmd": ["old"],
            "WorkingDir": "/var/task",
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]},
        "history": [{"created": "2024-05-05T00:00:00Z", "created_by": "base"}],
    }
    layer = Blob(digest_of(data), len(data), OCI_LAYER, data=data)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[architecture]
    return Base(label, config, (layer,), WheelTarget(python, f"{machine}-manylinux_2_34"))
