"""What refers to an image, as the distribution API and ECR's own list it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from localcloud.cloud import AwsRequest, Cloud
from localcloud.services.ecr.service import EcrService
from localcloud.services.ecr.store import ImageStore, RepositoryKey

INDEX = "application/vnd.oci.image.index.v1+json"
_PAGE, _LARGEST_PAGE = 20, 50


def descriptors(
    store: ImageStore, key: RepositoryKey, subject: str, artifact_types: Collection[str]
) -> list[dict[str, Any]]:
    """Return the descriptors of what refers to a digest, oldest first; of some types only, if any are given."""
    entries = []
    for digest, image in store.index(key).images.items():
        if image.subject != subject or (artifact_types and image.artifact_type not in artifact_types):
            continue
        data = store.path(digest).read_bytes()
        notes = json.loads(data).get("annotations")
        entry = {
            "mediaType": image.media_type,
            "digest": digest,
            "size": len(data),
            "artifactType": image.artifact_type,
        }
        entries.append({**entry, "annotations": notes} if isinstance(notes, Mapping) and notes else entry)
    return entries


def install(cloud: Cloud, ecr: EcrService) -> None:
    """Register ECR's action."""

    @cloud.action("ecr", "ListImageReferrers")
    def listed(request: AwsRequest) -> dict[str, Any]:
        key, params = ecr.key(request), request.params
        wanted = params.get("filter") or {}
        entries = descriptors(ecr.store, key, params["subjectId"]["imageDigest"], wanted.get("artifactTypes") or ())
        if wanted.get("artifactStatus", "ACTIVE") not in {"ACTIVE", "ANY"}:
            entries = []
        start, count = int(params.get("nextToken") or 0), min(int(params.get("maxResults") or _PAGE), _LARGEST_PAGE)
        more = {"nextToken": str(start + count)} if len(entries) > start + count else {}
        page = [{**entry, "artifactStatus": "ACTIVE"} for entry in entries[start : start + count]]
        return {"referrers": page, **more}
