"""The image's own checks: it is there by digest, Lambda can run it, and its scan is under the threshold."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from shared import aws
from shared.errors import RefusedError, ScanPendingError, TransientError

from stepladder.core.image_facts import HOST_BASE, INDEXES, LABEL_BASE, MANIFESTS, PLATFORM, SEVERITIES

_RUNNING = ("PENDING", "IN_PROGRESS")
_FINISHED = ("COMPLETE", "ACTIVE")  # ACTIVE is what enhanced scanning says


def check(repository: str, digest: str, architecture: str, threshold: str) -> None:
    """Check one image. Raises `RefusedError`, or `ScanPendingError` while there are no results of its scan."""
    manifest = _manifest(repository, digest)
    _check_machine(repository, digest, manifest, architecture)
    if threshold != "OFF":
        _check_scan(repository, digest, threshold)


def _manifest(repository: str, digest: str) -> dict[str, Any]:
    answer = aws.client("ecr").batch_get_image(
        repositoryName=repository, imageIds=[{"imageDigest": digest}], acceptedMediaTypes=[*MANIFESTS, *INDEXES]
    )
    if not answer.get("images"):
        raise RefusedError(f"image {digest} is not in {repository} (any more)")
    item = answer["images"][0]
    manifest: dict[str, Any] = json.loads(item["imageManifest"])
    kind = item.get("imageManifestMediaType") or manifest.get("mediaType", "")
    if kind in INDEXES or "manifests" in manifest:
        raise RefusedError(f"{digest} is an index of several images; Lambda runs a single manifest only")
    if kind not in MANIFESTS:
        raise RefusedError(f"{digest} has the media type {kind or 'none'}, which Lambda does not run")
    return manifest


def _check_machine(repository: str, digest: str, manifest: Mapping[str, Any], architecture: str) -> None:
    """Refuse an image that the function can't run.

    An image on the Python of the machine that built it has that machine's architecture, whatever the function's. Only
    the local cloud of that machine can run it.
    """
    config = _config(repository, manifest)
    labels = (config.get("config") or {}).get("Labels") or {}
    if labels.get(LABEL_BASE, "").startswith(HOST_BASE):
        if not aws.is_local():
            raise RefusedError(f"{digest} relies on the Python of the machine that built it, so it can't run on AWS")
        return
    machine = config.get("architecture", "")
    if machine != PLATFORM[architecture]:
        raise RefusedError(f"{digest} is built for {machine or 'an unknown machine'}, the function runs {architecture}")


def _config(repository: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    answer = aws.client("ecr").get_download_url_for_layer(
        repositoryName=repository, layerDigest=manifest["config"]["digest"]
    )
    try:
        with urllib.request.urlopen(answer["downloadUrl"], timeout=20) as body:  # noqa: S310 - a URL that ECR signed
            return dict(json.load(body))
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        raise TransientError(f"the image's configuration could not be read: {error}") from error


def _check_scan(repository: str, digest: str, threshold: str) -> None:
    try:
        answer = aws.client("ecr").describe_image_scan_findings(
            repositoryName=repository, imageId={"imageDigest": digest}, maxResults=1
        )
    except Exception as error:
        if aws.code(error) == "ScanNotFoundException":
            # A scan begins some time after a push or a copy; who waits in vain reads this.
            raise ScanPendingError(
                f"{digest} was never scanned; set promotion.scan_threshold to OFF to promote without a scan"
            ) from error
        raise
    status = answer["imageScanStatus"]["status"]
    if status in _RUNNING:
        raise ScanPendingError(f"ECR is still scanning {digest}")
    if status not in _FINISHED:
        why = answer["imageScanStatus"].get("description", "no reason given")
        raise RefusedError(
            f"the scan of {digest} ended {status} ({why}); promotion.scan_threshold OFF promotes without"
        )
    findings = answer.get("imageScanFindings", {})
    counts = findings.get("findingSeverityCounts")
    if counts is None and not findings.get("imageScanCompletedAt"):
        # Enhanced scanning says COMPLETE or ACTIVE before there are results: https://github.com/aws/aws-sdk/issues/289
        raise ScanPendingError(f"ECR has no results of the scan of {digest} yet (status {status})")
    counts = counts or {}
    over = SEVERITIES[: SEVERITIES.index(threshold) + 1]
    findings_over = [f"{counts[severity]} {severity}" for severity in over if counts.get(severity)]
    if findings_over:
        raise RefusedError(f"the scan of {digest} found {', '.join(findings_over)}; the threshold is {threshold}")
