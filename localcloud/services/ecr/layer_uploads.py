"""ECR's own actions on layers. The same store as the registry's."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from typing import Any

from localcloud.cloud import AwsRequest, Cloud
from localcloud.protocol.codec import Response, ServiceError
from localcloud.services.ecr.service import EcrService
from localcloud.services.ecr.store import StoreError

_PART = 10 << 20  # bytes: what ECR advises
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LINKS = "/_ecr/layers/"


def install(cloud: Cloud, ecr: EcrService) -> None:
    """Register the actions and the download links."""
    cloud.route(_LINKS, lambda environ, start: _download(ecr, environ, start))
    _check(cloud, ecr)
    _upload(cloud, ecr)


def _check(cloud: Cloud, ecr: EcrService) -> None:
    @cloud.action("ecr", "BatchCheckLayerAvailability")
    def check(request: AwsRequest) -> dict[str, Any]:
        held = ecr.store.index(ecr.key(request)).blobs
        layers: list[dict[str, Any]] = []
        failures: list[dict[str, Any]] = []
        for digest in request.params["layerDigests"]:
            if digest in held:
                layer = {"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": held[digest]}
                layers.append({**layer, "mediaType": _LAYER})
                continue
            valid = _DIGEST.fullmatch(digest)
            failures.append(
                {
                    "layerDigest": digest,
                    "failureCode": "MissingLayerDigest" if valid else "InvalidLayerDigest",
                    "failureReason": f"Layer digest '{digest}' could not be found" if valid else "Invalid layer digest",
                }
            )
        return {"layers": layers, "failures": failures}

    @cloud.action("ecr", "GetDownloadUrlForLayer")
    def link(request: AwsRequest) -> dict[str, Any]:
        key, digest = ecr.key(request), request.params["layerDigest"]
        if digest not in ecr.store.index(key).blobs:
            raise ServiceError(
                "LayersNotFoundException",
                f"The layer with digest '{digest}' does not exist in the repository with name '{key.name}'",
            )
        url = f"{request.origin}{_LINKS}{digest}?signature={ecr.tokens.sign(digest)}"
        return {"downloadUrl": url, "layerDigest": digest}


def _upload(cloud: Cloud, ecr: EcrService) -> None:
    @cloud.action("ecr", "InitiateLayerUpload")
    def begin(request: AwsRequest) -> dict[str, Any]:
        ecr.key(request)
        return {"uploadId": ecr.store.begin(), "partSize": _PART}

    @cloud.action("ecr", "UploadLayerPart")
    def part(request: AwsRequest) -> dict[str, Any]:
        key, params = ecr.key(request), request.params
        upload = params["uploadId"]
        have = _known(ecr, upload)
        if params["partFirstByte"] != have:
            raise ServiceError(
                "InvalidLayerPartException",
                f"Invalid layer part upload for upload with id '{upload}'",
                registryId=key.account,
                repositoryName=key.name,
                uploadId=upload,
                lastValidByteReceived=have - 1,
            )
        size = ecr.store.append(upload, io.BytesIO(params["layerPartBlob"]))
        return {
            "registryId": key.account,
            "repositoryName": key.name,
            "uploadId": upload,
            "lastByteReceived": size - 1,
        }

    @cloud.action("ecr", "CompleteLayerUpload")
    def complete(request: AwsRequest) -> dict[str, Any]:
        key, params = ecr.key(request), request.params
        upload = params["uploadId"]
        if not _known(ecr, upload):
            raise ServiceError("EmptyUploadException", "The upload has no layer parts")
        try:
            digest = ecr.store.finish(key, upload, params["layerDigests"][0])
        except StoreError as error:
            raise ServiceError("InvalidLayerException", str(error)) from None
        return {"registryId": key.account, "repositoryName": key.name, "uploadId": upload, "layerDigest": digest}


def _known(ecr: EcrService, upload: str) -> int:
    try:
        return ecr.store.uploaded(upload)
    except StoreError:
        raise ServiceError("UploadNotFoundException", f"Upload with id '{upload}' could not be found") from None


def _download(ecr: EcrService, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Serve a download link: the signature is all it takes, as with S3's presigned URLs on AWS."""
    digest = environ["PATH_INFO"].removeprefix(_LINKS)
    signature = re.search(r"signature=([0-9a-f]+)", environ["QUERY_STRING"])
    try:
        path = ecr.store.blob("", digest)
    except (KeyError, StoreError):
        path = None
    if path is None or not signature or signature[1] != ecr.tokens.sign(digest):
        reply = Response(403, {"Content-Type": "text/plain", "Content-Length": "0"})
        start(f"{reply.status} X", list(reply.headers.items()))
        return [b""]
    start("200 X", [("Content-Type", "application/octet-stream"), ("Content-Length", str(path.stat().st_size))])
    return _chunks(path)


def _chunks(path: Any) -> Iterable[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
