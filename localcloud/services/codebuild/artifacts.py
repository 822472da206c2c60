"""Make a build's artifacts: zips for a pipeline and for S3."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from localcloud.services.codebuild.buildspec import Buildspec, SpecArtifacts
from localcloud.services.codebuild.environment import Reads
from localcloud.services.codebuild.model import Build

_EPOCH = (1980, 1, 1, 0, 0, 0)


class ArtifactError(Exception):
    """What the buildspec names makes no artifact."""


def upload(build: Build, spec: Buildspec, source: Path, write: Reads) -> None:
    """Upload what the build is to leave. Raises `ArtifactError`, `ServiceError`."""
    target = build.settings["artifacts"]
    if target["type"] == "NO_ARTIFACTS":
        return
    if spec.artifacts is not None and (target["type"] == "S3" or target.get("path")):
        build.artifact = {"location": _put(build, target, zipped(spec.artifacts, source), write)}
    for each in build.settings.get("secondaryArtifacts") or ():
        made = spec.secondary.get(str(each.get("artifactIdentifier")))
        if made is not None:
            _put(build, each, zipped(made, source), write)


def _put(build: Build, target: dict[str, Any], body: bytes, write: Reads) -> str:
    bucket, key = str(target["location"]), str(target.get("path") or "")
    if target["type"] == "S3":
        unique = build.id.rpartition(":")[2] if target.get("namespaceType") == "BUILD_ID" else ""
        key = "/".join(part.strip("/") for part in (key, unique, str(target.get("name") or build.project)) if part)
    params = {"Bucket": bucket, "Key": key, "Body": body, "ServerSideEncryption": "aws:kms"}
    if not str(build.settings["encryptionKey"]).endswith(":alias/aws/s3"):
        params["SSEKMSKeyId"] = build.settings["encryptionKey"]
    write("s3", "PutObject", params)
    return f"arn:aws:s3:::{bucket}/{key}"


def zipped(artifacts: SpecArtifacts, source: Path) -> bytes:
    """Return a zip of the files that an artifact names. Raises `ArtifactError` when there are none."""
    base = (source / artifacts.base).resolve()
    files = sorted(_matching(artifacts, base))
    if not files:
        raise ArtifactError("no matching artifact paths found")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            name = path.name if artifacts.discards_paths else path.relative_to(base).as_posix()
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = path.stat().st_mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def _matching(artifacts: SpecArtifacts, base: Path) -> Iterator[Path]:
    for path in base.rglob("*") if base.is_dir() else ():
        name = path.relative_to(base).as_posix()
        if not path.is_file() or any(_matches(name, pattern) for pattern in artifacts.excluded):
            continue
        if any(_matches(name, pattern) for pattern in artifacts.files):
            yield path


def _matches(name: str, pattern: str) -> bool:
    """Compare a path with a pattern: `**/*` is every file, a `*` alone stays in its folder."""
    return _parts_match(name.split("/"), pattern.removeprefix("./").rstrip("/").split("/"))


def _parts_match(name: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "**":
        return _parts_match(name, pattern[1:]) or (bool(name) and _parts_match(name[1:], pattern))
    return bool(name) and fnmatchcase(name[0], pattern[0]) and _parts_match(name[1:], pattern[1:])
