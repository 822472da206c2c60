"""Bring a build's sources to its folder: artifacts of a pipeline, zips in S3, or nothing."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud import repositories
from localcloud.authorization.model import AccessRequest
from localcloud.callers import ServiceCaller
from localcloud.services.codebuild.environment import Reads
from localcloud.services.codebuild.model import Build

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

REVISION = "codepipeline-revision"
"""The metadata of a pipeline's artifact that says of which commit it is."""


class SourceError(Exception):
    """A source that can't be had. `code` is of CodeBuild's kind."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def fetch(cloud: Cloud, build: Build, caller: ServiceCaller, read: Reads, source: dict[str, Any], to: Path) -> str:
    """Put a source into a new folder and return its commit, if it has one. Raises `SourceError`, `ServiceError`."""
    kind, location = str(source["type"]), str(source.get("location") or "")
    if kind == "NO_SOURCE":
        to.mkdir(parents=True)
        return ""
    if kind not in ("CODEPIPELINE", "S3"):
        raise SourceError(
            "CLIENT_ERROR", f"the local cloud builds no source of type {kind}: CODEPIPELINE, S3, NO_SOURCE"
        )
    bucket, _, key = location.removeprefix("arn:aws:s3:::").partition("/")
    answer = read("s3", "GetObject", {"Bucket": bucket, "Key": key})
    body = answer["Body"].read()
    if zipfile.is_zipfile(io.BytesIO(body)):
        unpack(body, to)
        return str((answer.get("Metadata") or {}).get(REVISION, ""))
    return _clone(cloud, build, caller, body, to)


def unpack(body: bytes, to: Path) -> None:
    """Unpack a zip with the modes of its files. Symbolic links are left out, as CodePipeline leaves them out."""
    to.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            if stat.S_ISLNK(mode):
                continue
            path = Path(archive.extract(entry, to))
            if mode and not entry.is_dir():
                path.chmod(0o600 | stat.S_IMODE(mode) & 0o777)


def _clone(cloud: Cloud, build: Build, caller: ServiceCaller, body: bytes, to: Path) -> str:
    """Clone what a reference of CODEBUILD_CLONE_REF names, with the build's own right to the connection."""
    try:
        reference = json.loads(body)
        connection, repository = str(reference["connection"]), str(reference["repository"])
        commit, branch = str(reference["commit"]), str(reference["branch"])
    except (ValueError, KeyError, TypeError):
        raise SourceError("CLIENT_ERROR", "The source artifact is neither a zip nor a reference to a clone") from None
    service = connection.split(":")[2]
    context = {f"{service}:fullrepositoryid": (repository,), f"{service}:branchname": (branch,)}
    needed = AccessRequest(f"{service}:UseConnection", connection, context)
    if cloud.access.trusts(caller) or cloud.access.refusal(needed, cloud.access.named(caller), build.account):
        message = f"authorization failed for primary source: {build.role} may not use {connection}"
        raise SourceError("CLIENT_ERROR", message)
    host = f"https://{service}.{build.region}.amazonaws.com/git-http/{build.account}/{build.region}"
    url = f"{host}/{connection.rpartition('/')[2]}/{repository}.git"
    try:
        repositories.clone(cloud.repositories.folder(connection, repository), commit, to, url)
    except repositories.RepositoryError as error:
        raise SourceError("GIT_CLONE_FAILED", f"{repository}: {error}") from None
    return commit
