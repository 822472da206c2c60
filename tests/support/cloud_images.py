"""Images for the local cloud: one handler beside the runtime client of the host's Python, pushed through ECR's API."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud.launchers import runtime_client

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def push(ecr: Any, repository: str, runtime: Path, source: str, labels: dict[str, str] | None = None) -> str:
    """Push an image of one handler; return its digest. `ecr` is the client, `runtime` the folder of `runtime()`."""
    layers = [tree(runtime, "var/runtime"), layer({"var/task/app.py": source.encode()})]
    config = {
        "Entrypoint": ["/lambda-entrypoint.sh"],
        "Cmd": ["app.handler"],
        "WorkingDir": "/var/task",
        "Env": ["LAMBDA_TASK_ROOT=/var/task"],
        "Labels": {"dev.stepladder.base": f"host-python:{PYTHON}", **(labels or {})},
    }
    image = {"architecture": "amd64", "os": "linux", "config": config, "rootfs": {"type": "layers"}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(ecr, repository, json.dumps(image).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(ecr, repository, data, "application/vnd.oci.image.layer.v1.tar+gzip") for data in layers],
    }
    answer = ecr.put_image(
        repositoryName=repository,
        imageManifest=json.dumps(manifest),
        imageManifestMediaType=manifest["mediaType"],
    )
    return str(answer["image"]["imageId"]["imageDigest"])


def blob(ecr: Any, repository: str, data: bytes, media_type: str) -> dict[str, Any]:
    """Push a blob unless the repository has it; return its descriptor."""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    have = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest])["layers"]
    if not have or have[0]["layerAvailability"] != "AVAILABLE":
        upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload,
            partFirstByte=0,
            partLastByte=len(data) - 1,
            layerPartBlob=data,
        )
        ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=[digest])
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


@functools.cache
def tree(folder: Path, prefix: str) -> bytes:
    """Make a layer of a folder's files, below a prefix."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return layer({f"{prefix}/{path.relative_to(folder)}": path.read_bytes() for path in files})


def layer(files: Mapping[str, bytes]) -> bytes:
    """Make a layer: a compressed tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), 1, mtime=0)


def runtime(folder: Path) -> Path:
    """Make the runtime client that an image on the host's Python carries."""
    return runtime_client.client(Path(sys.executable), PYTHON, folder)
