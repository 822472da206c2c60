"""A project under git, a registry of its own, and what the images of the one in the other need."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from pathlib import Path
from typing import Any

from fakes import image_project as project
from fakes.errors import error as aws_error
from fakes.registry import FaultyRegistry
from stepladder import images
from stepladder.core.image_facts import DOCKER_LAYER, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX
from stepladder.core.step import Step
from stepladder.images.model import BuiltImage, canonical
from stepladder.settings.load import Settings


class FakeAws:
    """The two ECR calls that images make, over the store of a faulty registry."""

    def __init__(self, registry: FaultyRegistry) -> None:
        self.registry = registry
        self.calls: list[str] = []
        self.missing = False

    def client(self, _service: str) -> FakeAws:
        return self

    def get_authorization_token(self) -> dict[str, Any]:
        self.calls.append("GetAuthorizationToken")
        token = base64.b64encode(":".join(self.registry.login()).encode()).decode()
        return {"authorizationData": [{"authorizationToken": token, "proxyEndpoint": self.registry.url}]}

    def batch_get_image(self, *, imageIds: list[dict[str, str]], **_names: str) -> dict[str, Any]:  # noqa: N803
        self.calls.append("BatchGetImage")
        if self.missing:
            raise aws_error("RepositoryNotFoundException")
        held = self.registry.store.index(self.registry.key()).images
        return {"images": [{"imageId": image} for image in imageIds if image["imageDigest"] in held]}


class ImageHarness:
    """A project under git, a registry that holds a base for two architectures, and prepare."""

    def __init__(self, root: Path, registry: FaultyRegistry) -> None:
        self.root, self.registry, self.aws = root, registry, FakeAws(registry)
        registry.repositories["base"] = "MUTABLE"
        self.base = f"{registry.url.removeprefix('http://')}/base:1"
        self.put_base("the base's layer")
        self.printed: list[str] = []
        self.options: dict[str, Any] = {}
        self.settings = self.write()
        self.step = Step("image")

    def write(self, files: dict[str, str] | None = None, **settings: Any) -> Settings:
        merged = {"image": {"base": self.base}, **self.options, **settings}
        self.settings = project.make(self.root, {"invoke.yaml": json.dumps(merged), **(files or {})}, **merged)
        return self.settings

    def put_base(self, content: str, media_type: str = DOCKER_LAYER, manifest_type: str = DOCKER_MANIFEST) -> None:
        """Push a base as AWS has it: an index of one Docker manifest per architecture, and an attestation."""
        entries = []
        for architecture in ("amd64", "arm64"):
            config = {
                "architecture": architecture,
                "os": "linux",
                "config": {
                    "Entrypoint": ["/lambda-entrypoint.sh"],
                    "Env": ["LAMBDA_TASK_ROOT=/var/task"],
                    "WorkingDir": "/var/task",
                },
                "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "2" * 64]},
            }
            manifest = self.put_image("base", config, f"{content} {architecture}", media_type, manifest_type)
            entries.append({"digest": manifest, "platform": {"os": "linux", "architecture": architecture}})
        entries.append({"digest": entries[0]["digest"], "platform": {"os": "unknown", "architecture": "unknown"}})
        self.put_manifest("base", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, "1")

    def put_image(
        self, repository: str, config: dict[str, Any], layer: str, media_type: str, manifest_type: str, tag: str = ""
    ) -> str:
        parts = []
        for data, kind in ((json.dumps(config).encode(), OCI_CONFIG), (layer.encode(), media_type)):
            upload = self.registry.store.begin()
            self.registry.store.append(upload, io.BytesIO(data))
            digest = self.registry.store.finish(self.registry.key(repository), upload, "")
            parts.append({"mediaType": kind, "digest": digest, "size": len(data)})
        document = {"schemaVersion": 2, "mediaType": manifest_type, "config": parts[0], "layers": parts[1:]}
        return self.put_manifest(repository, document, tag)

    def put_manifest(self, repository: str, document: dict[str, Any], tag: str) -> str:
        store, data = self.registry.store, canonical(document)
        return store.put(self.registry.key(repository), data, document["mediaType"], tag, immutable=lambda _tag: False)[
            0
        ]

    def prepare(self, **options: Any) -> BuiltImage:
        self.aws.calls.clear()
        self.registry.requests.clear()
        self.step = Step("image")
        return images.prepare(self.settings, self.aws, self.step, "staging", say=self.printed.append, **options)  # type: ignore[arg-type]

    def git(self, *arguments: str) -> str:
        argv = ["git", "-C", str(self.root), "-c", "user.name=n", "-c", "user.email=e", *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout.strip()

    def commit(self) -> str:
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-qm", "x", "--allow-empty")
        return self.git("rev-parse", "HEAD")

    @property
    def tags(self) -> dict[str, str]:
        return self.registry.store.index(self.registry.key()).tags
