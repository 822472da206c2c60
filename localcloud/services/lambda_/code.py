"""Where a revision's code comes from: an image in ECR, or a zip from the request or from S3.

An image is resolved to its digest when the function is created or updated, and checked as Lambda checks it: one
manifest, no index, no attestation (https://docs.aws.amazon.com/lambda/latest/dg/images-create.html).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.model import Code, FunctionKey, invalid

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

_IMAGE = re.compile(
    r"(?P<registry>[^/\s]+)/(?P<repository>[a-z0-9][a-z0-9._/-]*)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_ECR_HOST = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
_ZIPPED = 50 * 1024**2  # bytes of a package in a request
_UNZIPPED = 250 * 1024**2
_LAYERS = (
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)
_ACCEPTED = [
    *MANIFESTS,
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
]


class CodeStore:
    """Resolves code. Keeps zips under `folder` by their hash."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self.folder = folder

    def resolve(self, key: FunctionKey, source: Mapping[str, Any], package: str) -> Code:
        """Return the code that a request names. Raises InvalidParameterValueException."""
        uri = source.get("ImageUri")
        if package == "Image":
            if not uri:
                raise invalid("Please provide ImageUri when updating a function with packageType Image.")
            return self.image(key, str(uri))
        if uri:
            raise invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
        data = source.get("ZipFile") or self._from_s3(key, source)
        if source.get("ZipFile") and len(data) > _ZIPPED:
            raise ServiceError(
                "RequestEntityTooLargeException", f"Zipped size must be smaller than {_ZIPPED} bytes", 413
            )
        return self.zip(data.encode() if isinstance(data, str) else bytes(data))

    def image(self, key: FunctionKey, uri: str) -> Code:
        """Resolve an image to its digest in the registry."""
        match = _IMAGE.fullmatch(uri)
        if not match:
            raise invalid(f"Source image {uri} is not valid. Provide a valid source image.")
        host = _ECR_HOST.fullmatch(match["registry"])
        account, region = (host["account"], host["region"]) if host else (key.account, key.region)
        if host and region != key.region:
            raise invalid(f"Source image {uri} is not valid. Provide a valid source image.")
        image_id = {"imageDigest": match["digest"]} if match["digest"] else {"imageTag": match["tag"] or "latest"}
        image = self._find_image(match["repository"], image_id, account, region)
        if image is None:
            raise invalid(f"Source image {uri} does not exist. Provide a valid source image.")
        manifest = json.loads(image["imageManifest"])
        kind = image.get("imageManifestMediaType") or manifest.get("mediaType") or MANIFESTS[0]
        layers = [layer.get("mediaType") for layer in manifest.get("layers", ())]
        config = manifest.get("config", {}).get("mediaType")
        if (
            kind not in MANIFESTS
            or config not in _CONFIGS
            or not layers
            or any(layer not in _LAYERS for layer in layers)
        ):
            raise invalid(
                f"The image manifest, config or layer media type for the source image {uri} is not supported."
            )
        digest = str(image["imageId"]["imageDigest"])
        return Code(
            sha256=digest.removeprefix("sha256:"),
            image_uri=uri,
            repository=match["repository"],
            digest=digest,
            resolved_uri=f"{match['registry']}/{match['repository']}@{digest}",
        )

    def image_exists(self, key: FunctionKey, code: Code) -> bool:
        """Say whether a resolved image is still in the registry."""
        host = _ECR_HOST.match(code.resolved_uri)
        account, region = (host["account"], host["region"]) if host else (key.account, key.region)
        return self._find_image(code.repository, {"imageDigest": code.digest}, account, region) is not None

    def zip(self, data: bytes) -> Code:
        """Keep a deployment package."""
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                unzipped = sum(member.file_size for member in archive.infolist())
        except zipfile.BadZipFile:
            raise invalid("Could not unzip uploaded file. Please check your file, then try to upload again.") from None
        if unzipped > _UNZIPPED:
            raise invalid(f"Unzipped size must be smaller than {_UNZIPPED} bytes")
        raw = hashlib.sha256(data).digest()
        path = self.folder / f"{raw.hex()}.zip"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".new")
            temporary.write_bytes(data)
            temporary.replace(path)
        return Code(sha256=base64.b64encode(raw).decode(), size=len(data), zip_path=path.name)

    def _find_image(
        self, repository: str, image_id: dict[str, str], account: str, region: str
    ) -> dict[str, Any] | None:
        params = {"repositoryName": repository, "imageIds": [image_id], "acceptedMediaTypes": _ACCEPTED}
        try:
            answer = self._cloud.call("ecr", "BatchGetImage", params, account=account, region=region)
        except ServiceError as error:
            if error.code in ("RepositoryNotFoundException", "ImageNotFoundException", "InvalidParameterException"):
                return None
            raise
        images = answer.get("images") or []
        return images[0] if images else None

    def _from_s3(self, key: FunctionKey, source: Mapping[str, Any]) -> bytes:
        bucket, name = source.get("S3Bucket"), source.get("S3Key")
        if not bucket or not name:
            raise invalid("Please provide a source for function code.")
        params = {"Bucket": bucket, "Key": name}
        if source.get("S3ObjectVersion"):
            params["VersionId"] = source["S3ObjectVersion"]
        try:
            body = self._cloud.call("s3", "GetObject", params, account=key.account, region=key.region)["Body"]
        except ServiceError as error:
            raise invalid(
                f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
            ) from None
        return body.read() if hasattr(body, "read") else bytes(body)
