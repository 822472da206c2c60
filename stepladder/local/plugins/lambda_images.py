"""How the launchers get at images: manifests and blobs from the cloud's own registry, as files."""

from __future__ import annotations

import base64
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepladder.local.launchers import ImageCode
from stepladder.local.plugins.lambda_code import MANIFESTS
from stepladder.local.wire import ServiceError

if TYPE_CHECKING:
    from stepladder.local.cloud import Cloud

_DEADLINE = 60.0


class Registry:
    """Reads through the public APIs, ECR's and the OCI distribution's: any store behind them will do."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self._lock = threading.Lock()
        self._manifests: dict[str, dict[str, Any]] = {}

    def manifest(self, repository: str, digest: str) -> dict[str, Any]:
        """Return an image manifest, parsed. Raises `KeyError` when there is none."""
        if digest not in self._manifests:
            params = {
                "repositoryName": repository,
                "imageIds": [{"imageDigest": digest}],
                "acceptedMediaTypes": list(MANIFESTS),
            }
            try:
                images = self._cloud.call("ecr", "BatchGetImage", params).get("images")
            except ServiceError as error:
                raise KeyError(digest) from error
            if not images:
                raise KeyError(digest)
            self._manifests[digest] = json.loads(images[0]["imageManifest"])
        return self._manifests[digest]

    def blob(self, repository: str, digest: str) -> Path:
        """Return the file that holds a blob. Raises `KeyError` when there is none."""
        import urllib3

        path = self._folder / digest.replace(":", "-")
        with self._lock:
            if path.exists():
                return path
            user, _, password = self._token().partition(":")
            headers = urllib3.make_headers(basic_auth=f"{user}:{password}")
            url = f"{self._cloud.url}/v2/{repository}/blobs/{digest}"
            answer = urllib3.request("GET", url, headers=headers, timeout=_DEADLINE, retries=2)
            if answer.status != 200:  # noqa: PLR2004 - HTTP's own
                raise KeyError(digest)
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".new")
            temporary.write_bytes(answer.data)
            temporary.replace(path)
        return path

    def login(self, _code: ImageCode) -> dict[str, str]:
        """Return user and password for an engine that pulls."""
        user, _, password = self._token().partition(":")
        return {"username": user, "password": password}

    def _token(self) -> str:
        data = self._cloud.call("ecr", "GetAuthorizationToken")["authorizationData"][0]
        return base64.b64decode(data["authorizationToken"]).decode()
