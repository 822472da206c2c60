"""What stepladder, the pipeline's functions and the local cloud know of images: media types, labels, platforms, scans.

The functions' packages carry this module, so it imports the standard library only.
"""

from __future__ import annotations

import os
from platform import machine as machine_name

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_INDEX)
LAYERS = (OCI_LAYER, DOCKER_LAYER)
"""Gzip and nothing else: Lambda answers UnsupportedImageLayerDetected to an uncompressed layer (rules_oci#777)."""

SBOM = "application/vnd.cyclonedx+json"
PROVENANCE = "application/vnd.in-toto+json"
SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json"
REFERRERS = {"sbom": SBOM, "provenance": PROVENANCE, "signature": SIGNATURE}
"""By the words of the settings: the artifact type of what refers to an image."""

LABEL_REVISION = "org.opencontainers.image.revision"
LABEL_BASE = "dev.stepladder.base"
LABEL_BUILDER = "dev.stepladder.builder"
LABEL_KEY = "dev.stepladder.input-key"
HOST_BASE = "host-python:"
"""How the label of a base begins that is not an image but this machine's own Python."""

# AWS says x86_64, OCI says amd64 (the GOARCH names)
PLATFORM = {"arm64": "arm64", "x86_64": "amd64"}
ARCHITECTURE = {platform: architecture for architecture, platform in PLATFORM.items()}

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
"""Of a finding of ECR's scan, the worst first."""


def machine() -> str:
    """Return this machine's architecture as OCI names it: amd64 or arm64."""
    return "arm64" if (machine_name() or os.uname().machine).lower() in {"arm64", "aarch64"} else "amd64"
