"""ECR's own actions on images and their scans."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from localcloud.cloud import AwsRequest, Cloud
from localcloud.protocol.codec import ServiceError
from localcloud.services.ecr.service import EcrService
from localcloud.services.ecr.store import RepositoryIndex, RepositoryKey, StoredImage, StoreError

FINDINGS_LABEL = "dev.stepladder.local.findings"
"""A label of an image's config that makes the local scan find something: JSON, severity -> count. No label: clean."""

_PAGE = 100
_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
Ids = Mapping[str, str]


def install(cloud: Cloud, ecr: EcrService) -> None:
    """Register the actions."""
    _reads(cloud, ecr)
    _writes(cloud, ecr)
    _scans(cloud, ecr)


def _reads(cloud: Cloud, ecr: EcrService) -> None:
    @cloud.action("ecr", "BatchGetImage")
    def get(request: AwsRequest) -> dict[str, Any]:
        key = ecr.key(request)
        index = ecr.store.index(key)
        images: list[dict[str, Any]] = []
        failures: list[dict[str, Any]] = []
        for image_id in request.params["imageIds"]:
            digest = _find(index, image_id)
            if digest is None:
                reason = "Requested image not found"
                failures.append({"imageId": dict(image_id), "failureCode": "ImageNotFound", "failureReason": reason})
                continue
            tag = {"imageTag": image_id["imageTag"]} if image_id.get("imageTag") else {}
            images.append(_image(ecr, key, digest, {"imageDigest": digest, **tag}))
        return {"images": images, "failures": failures}

    @cloud.action("ecr", "DescribeImages")
    def describe(request: AwsRequest) -> dict[str, Any]:
        key = ecr.key(request)
        index = ecr.store.index(key)
        ids = request.params.get("imageIds")
        digests = [_require(index, key, image_id) for image_id in ids] if ids else list(index.images)
        status = request.params.get("filter", {}).get("tagStatus", "ANY")
        details = [_detail(ecr, key, index, d) for d in dict.fromkeys(digests) if _has_status(index, d, status)]
        return _page(details, request.params, "imageDetails")

    @cloud.action("ecr", "ListImages")
    def listed(request: AwsRequest) -> dict[str, Any]:
        index = ecr.store.index(ecr.key(request))
        status = request.params.get("filter", {}).get("tagStatus", "ANY")
        ids: list[dict[str, str]] = []
        for digest in index.images:
            if _has_status(index, digest, status):
                tags = index.tags_of(digest)
                ids += [{"imageDigest": digest, "imageTag": tag} for tag in tags] or [{"imageDigest": digest}]
        return _page(ids, request.params, "imageIds")


def _writes(cloud: Cloud, ecr: EcrService) -> None:
    @cloud.action("ecr", "PutImage")
    def put(request: AwsRequest) -> dict[str, Any]:
        key, params = ecr.key(request), request.params
        data, tag = params["imageManifest"].encode(), params.get("imageTag", "")
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if params.get("imageDigest") not in {None, digest}:
            raise ServiceError("ImageDigestDoesNotMatchException", f"The image has the digest {digest}")
        where = f"in the repository with name '{key.name}' in registry with id '{key.account}'"
        try:
            _, changed = ecr.store.put(
                key,
                data,
                params.get("imageManifestMediaType", ""),
                tag,
                immutable=lambda t: ecr.immutable(key, t) and ecr.store.index(key).tags.get(t) != digest,
            )
        except StoreError as error:
            raise _put_error(error, tag, where) from None
        if not changed:
            raise ServiceError(
                "ImageAlreadyExistsException",
                f"Image with digest '{digest}' and tag '{tag}' already exists {where}",
            )
        return {"image": _image(ecr, key, digest, {"imageDigest": digest, **({"imageTag": tag} if tag else {})})}

    @cloud.action("ecr", "BatchDeleteImage")
    def delete(request: AwsRequest) -> dict[str, Any]:
        deleted: list[dict[str, str]] = []
        failures: list[dict[str, Any]] = []
        with ecr.store.change(ecr.key(request)) as index:
            for image_id in request.params["imageIds"]:
                digest = _find(index, image_id)
                if digest is None:
                    reason = "Requested image not found"
                    failures.append(
                        {"imageId": dict(image_id), "failureCode": "ImageNotFound", "failureReason": reason}
                    )
                    continue
                tags = index.tags_of(digest)
                gone = [image_id["imageTag"]] if image_id.get("imageTag") else tags
                deleted += [{"imageDigest": digest, "imageTag": tag} for tag in gone] or [{"imageDigest": digest}]
                for tag in gone:
                    del index.tags[tag]
                if len(gone) == len(tags):  # the last tag takes the image with it
                    del index.images[digest]
        return {"imageIds": deleted, "failures": failures}


def _scans(cloud: Cloud, ecr: EcrService) -> None:
    @cloud.action("ecr", "StartImageScan")
    def start(request: AwsRequest) -> dict[str, Any]:
        key = ecr.key(request)
        with ecr.store.change(key) as index:
            digest = _require(index, key, request.params["imageId"])
            index.images[digest].scanned_at = time.time()
        return {
            "registryId": key.account,
            "repositoryName": key.name,
            "imageId": {"imageDigest": digest},
            "imageScanStatus": {"status": "IN_PROGRESS"},
        }

    @cloud.action("ecr", "DescribeImageScanFindings")
    def findings(request: AwsRequest) -> dict[str, Any]:
        key = ecr.key(request)
        index = ecr.store.index(key)
        digest = _require(index, key, request.params["imageId"])
        scanned = _scanned(ecr, key, index.images[digest])
        if not scanned:
            raise ServiceError(
                "ScanNotFoundException",
                f"Image scan does not exist for the image with '{{imageDigest:'{digest}'}}' in the repository "
                f"with name '{key.name}' in the registry with id '{key.account}'",
            )
        counts = _findings(ecr, key, digest)
        return {
            "registryId": key.account,
            "repositoryName": key.name,
            "imageId": {"imageDigest": digest, **{k: v for k, v in request.params["imageId"].items() if v}},
            "imageScanStatus": {"status": "COMPLETE", "description": "The scan was completed successfully."},
            "imageScanFindings": {
                "imageScanCompletedAt": scanned,
                "vulnerabilitySourceUpdatedAt": scanned,
                "findings": [
                    {"name": f"CVE-0000-{severity}-{number}", "severity": severity, "uri": "", "attributes": []}
                    for severity, count in counts.items()
                    for number in range(count)
                ],
                "findingSeverityCounts": counts,
            },
        }


def _scanned(ecr: EcrService, key: RepositoryKey, image: StoredImage) -> datetime | None:
    """Return when an image was scanned: on push, when the repository says so, or when somebody asked."""
    configured = getattr(ecr.repository(key), "image_scanning_configuration", None) or {}
    at = image.scanned_at or (image.pushed_at if configured.get("scanOnPush") else 0.0)
    return datetime.fromtimestamp(at, UTC) if at else None


def _findings(ecr: EcrService, key: RepositoryKey, digest: str) -> dict[str, int]:
    try:
        _, config, _ = ecr.store.resolve(key.account, key.region, key.name, digest)
        label = (config.get("config") or {}).get("Labels") or {}
        return {str(severity): int(count) for severity, count in json.loads(label[FINDINGS_LABEL]).items()}
    except (KeyError, ValueError, AttributeError):
        return {}


def _find(index: RepositoryIndex, image_id: Ids) -> str | None:
    """Return the digest that an imageId means: by tag, by digest, or by both when they agree."""
    digest = image_id.get("imageDigest") or index.tags.get(image_id.get("imageTag", ""))
    if digest not in index.images or (image_id.get("imageTag") and index.tags.get(image_id["imageTag"]) != digest):
        return None
    return digest


def _require(index: RepositoryIndex, key: RepositoryKey, image_id: Ids) -> str:
    digest = _find(index, image_id)
    if digest is None:
        named = (
            f"{{imageDigest:'{image_id.get('imageDigest', 'null')}', imageTag:'{image_id.get('imageTag', 'null')}'}}"
        )
        raise ServiceError(
            "ImageNotFoundException",
            f"The image with imageId {named} does not exist within the repository with name '{key.name}' in the "
            f"registry with id '{key.account}'",
        )
    return digest


def _image(ecr: EcrService, key: RepositoryKey, digest: str, image_id: dict[str, str]) -> dict[str, Any]:
    return {
        "registryId": key.account,
        "repositoryName": key.name,
        "imageId": image_id,
        "imageManifest": ecr.store.path(digest).read_text(),
        "imageManifestMediaType": ecr.store.index(key).images[digest].media_type,
    }


def _detail(ecr: EcrService, key: RepositoryKey, index: RepositoryIndex, digest: str) -> dict[str, Any]:
    image = index.images[digest]
    default = _DOCKER_CONFIG if image.media_type == _DOCKER_MANIFEST else _OCI_CONFIG
    detail: dict[str, Any] = {
        "registryId": key.account,
        "repositoryName": key.name,
        "imageDigest": digest,
        "imageSizeInBytes": image.size,
        "imagePushedAt": datetime.fromtimestamp(image.pushed_at, UTC),
        "imageManifestMediaType": image.media_type,
        "artifactMediaType": image.artifact_type or default,
    }
    if tags := index.tags_of(digest):
        detail["imageTags"] = tags
    if image.subject:
        detail["subjectManifestDigest"] = image.subject
    if scanned := _scanned(ecr, key, image):
        detail["imageScanStatus"] = {"status": "COMPLETE", "description": "The scan was completed successfully."}
        detail["imageScanFindingsSummary"] = {
            "imageScanCompletedAt": scanned,
            "vulnerabilitySourceUpdatedAt": scanned,
            "findingSeverityCounts": _findings(ecr, key, digest),
        }
    return detail


def _has_status(index: RepositoryIndex, digest: str, status: str) -> bool:
    return status == "ANY" or (status == "TAGGED") == bool(index.tags_of(digest))


def _page(items: list[Any], params: Mapping[str, Any], name: str) -> dict[str, Any]:
    start, count = int(params.get("nextToken") or 0), int(params.get("maxResults") or _PAGE)
    if params.get("imageIds"):
        return {name: items}
    more = {"nextToken": str(start + count)} if len(items) > start + count else {}
    return {name: items[start : start + count], **more}


def _put_error(error: StoreError, tag: str, where: str) -> ServiceError:
    if error.code == "TAG_IMMUTABLE":
        return ServiceError(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists {where} and cannot be overwritten because the repository is "
            "immutable.",
        )
    code = "LayersNotFoundException" if error.code == "MANIFEST_BLOB_UNKNOWN" else "InvalidParameterException"
    return ServiceError(code, str(error))
