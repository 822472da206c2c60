"""Functions whose code runs in containers: the same calls as `Functions`, over images on the stand-in base.

A function's image is the base's layers and one more, put together through ECR's own API: no build for each test.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import docker
from cloud_images import layer
from functions import HELLO, Functions

LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CONFIG = "application/vnd.docker.container.image.v1+json"
REPOSITORY = "containers"
TAG = "base"


class ContainerFunctions(Functions):
    """Makes Image functions on the base, which is pushed once; `base` is its reference in the cloud's registry."""

    def __init__(self, cloud: Any, image: str) -> None:
        super().__init__(cloud, runtime=None)  # type: ignore[arg-type]
        ecr = cloud.client("ecr")
        ecr.create_repository(repositoryName=REPOSITORY)
        ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")  # else each repository gets the base anew
        target = f"{urlsplit(cloud.url).netloc}/{REPOSITORY}"
        self.base = f"{target}:{TAG}"
        with contextlib.closing(docker.from_env(timeout=300)) as engine:
            engine.images.get(image).tag(target, TAG)
            for event in engine.api.push(
                target, TAG, auth_config={"username": "AWS", "password": self.password()}, stream=True, decode=True
            ):
                assert "error" not in event, event
            engine.images.remove(self.base)
        tagged = ecr.batch_get_image(repositoryName=REPOSITORY, imageIds=[{"imageTag": TAG}])["images"][0]
        self._manifest = json.loads(tagged["imageManifest"])
        self._config = self._blob(self._manifest["config"]["digest"])

    def password(self) -> str:
        import base64

        token = self.cloud.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
        return base64.b64decode(token).decode().partition(":")[2]

    def _blob(self, digest: str) -> dict[str, Any]:
        import urllib.request

        url = self.cloud.client("ecr").get_download_url_for_layer(repositoryName=REPOSITORY, layerDigest=digest)
        with urllib.request.urlopen(url["downloadUrl"], timeout=30) as answer:
            return json.load(answer)

    def repository(self) -> str:
        return REPOSITORY

    def image(
        self,
        repository: str,
        files: Mapping[str, str],
        *,
        tag: str = "",
        config: Mapping[str, Any] | None = None,
        **_unused: Any,
    ) -> str:
        data = layer({path: text.encode() for path, text in files.items()})
        own = self._config["config"]
        given = dict(config or {})
        given["Env"] = [*own["Env"], *given.get("Env", ())]
        diff = "sha256:" + hashlib.sha256(gzip.decompress(data)).hexdigest()
        document = {
            "architecture": self._config["architecture"],
            "os": "linux",
            "config": {**own, "Cmd": ["app.handler"], **given},
            "rootfs": {"type": "layers", "diff_ids": [*self._config["rootfs"]["diff_ids"], diff]},
        }
        parts = [*self._manifest["layers"], self.blob(repository, data, LAYER)]
        blob = self.blob(repository, json.dumps(document).encode(), CONFIG)
        digest = self.put_manifest(repository, {**self._manifest, "config": blob, "layers": parts}, tag)
        return f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{repository}@{digest}"

    def create(self, source: str = HELLO, *, wait: bool = True, **settings: Any) -> str:
        settings.pop("Runtime", None)
        if handler := settings.pop("Handler", None):
            settings["ImageConfig"] = {"Command": [handler]}
        uri = self.image(REPOSITORY, {"var/task/app.py": source})
        return self.create_image(uri, wait=wait, **settings)

    def update(self, name: str, source: str) -> dict[str, Any]:
        uri = self.image(REPOSITORY, {"var/task/app.py": source})
        self.client.update_function_code(FunctionName=name, ImageUri=uri)
        return self.wait(name)
