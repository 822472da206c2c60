"""Functions for the local cloud's tests: a role, zips, tiny images pushed through ECR's own API."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import cloud_images
import roles
from asking import until

from localcloud.services.lambda_.service import SETTLE_SECONDS
from stepladder.core.image_facts import machine

HELLO = "def handler(event, context):\n    return {'hello': event, 'version': context.function_version}\n"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TRUST = roles.trust(services=["lambda.amazonaws.com"])


class Functions:
    """Makes functions in a cloud, and calls them."""

    def __init__(self, cloud: Any, runtime: Path) -> None:
        self.cloud = cloud
        self.client = cloud.client("lambda")
        self._runtime = runtime

    @functools.cached_property
    def role(self) -> str:
        return self.cloud.role

    def make_role(self, trust: str = TRUST) -> str:
        role = self.cloud.client("iam").create_role(RoleName=f"role-{uuid4().hex[:8]}", AssumeRolePolicyDocument=trust)
        return role["Role"]["Arn"]

    def name(self) -> str:
        return f"fn-{uuid4().hex[:10]}"

    def zip(self, source: str = HELLO, **files: str) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in {"app.py": source, **files}.items():
                archive.writestr(zipfile.ZipInfo(name.replace("__", "/")), text)  # no time: same source, same bytes
        return buffer.getvalue()

    def create(self, source: str = HELLO, *, wait: bool = True, **settings: Any) -> str:
        """Create a zip function; return its name."""
        name = settings.pop("FunctionName", None) or self.name()
        given = {
            "Runtime": f"python{PYTHON}",
            "Handler": "app.handler",
            "Role": self.role,
            "Code": {"ZipFile": self.zip(source)},
            **settings,
        }
        self.client.create_function(FunctionName=name, **given)
        if wait:
            self.wait(name)
        return name

    def create_image(self, uri: str, *, wait: bool = True, **settings: Any) -> str:
        name = self.name()
        self.client.create_function(
            FunctionName=name, PackageType="Image", Code={"ImageUri": uri}, **{"Role": self.role, **settings}
        )
        if wait:
            self.wait(name)
        return name

    def wait(self, name: str, qualifier: str = "") -> dict[str, Any]:
        """Wait until nothing is on its way; return the configuration."""
        extra = {"Qualifier": qualifier} if qualifier else {}
        return until(
            lambda: self.client.get_function_configuration(FunctionName=name, **extra),
            lambda config: config["State"] != "Pending" and config.get("LastUpdateStatus") != "InProgress",
        )

    def publish(self, name: str, **params: Any) -> str:
        version = self.client.publish_version(FunctionName=name, **params)["Version"]
        self.wait(name, version)
        return version

    def update(self, name: str, source: str) -> dict[str, Any]:
        self.client.update_function_code(FunctionName=name, ZipFile=self.zip(source))
        return self.wait(name)

    def invoke(self, name: str, event: Any = None, **params: Any) -> tuple[Any, dict[str, Any]]:
        """Invoke; return the parsed payload and the answer."""
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **params)
        text = answer["Payload"].read()
        return (json.loads(text) if text else None), answer

    def log(self, name: str) -> list[str]:
        """Return every line that a function has written, all streams; none before there is a log group."""
        self.order("flush")
        logs = self.cloud.client("logs")
        group = {"logGroupName": f"/aws/lambda/{name}"}
        try:
            streams = logs.describe_log_streams(**group)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [
            event["message"]
            for stream in streams
            for event in logs.get_log_events(**group, logStreamName=stream["logStreamName"])["events"]
        ]

    def tail(self, answer: Mapping[str, Any]) -> str:
        """Return the log that came with an invocation."""
        return base64.b64decode(answer["LogResult"]).decode()

    def order(self, page: str, **order: Any) -> dict[str, Any]:
        """Ask the Lambda service what AWS offers no way to ask."""
        return self.cloud.info.request(f"lambda/{page}", "POST", order)

    @contextlib.contextmanager
    def unsettled(self, seconds: float = 60.0) -> Iterator[None]:
        """Let what is created or updated meanwhile stay Pending or InProgress for so long; AWS takes its own time."""
        if not self.cloud.own:
            yield
            return
        self.order("settle", seconds=seconds)
        try:
            yield
        finally:
            self.order("settle", seconds=SETTLE_SECONDS)

    def repository(self) -> str:
        name = f"repo-{uuid4().hex[:8]}"
        self.cloud.client("ecr").create_repository(repositoryName=name)
        return name

    def image(
        self,
        repository: str,
        files: Mapping[str, str],
        *,
        tag: str = "",
        label: str = f"host-python:{PYTHON}",
        architecture: str = "",
        config: Mapping[str, Any] | None = None,
        runtime: bool = True,
        media_type: str = "application/vnd.oci.image.manifest.v1+json",
    ) -> str:
        """Push an image made of one layer of files, and the runtime client; return its URI by digest."""
        layers = [cloud_images.layer({path: text.encode() for path, text in files.items()})]
        if runtime:
            layers.insert(0, cloud_images.tree(self._runtime, "var/runtime"))
        settings = {
            "Entrypoint": ["/lambda-entrypoint.sh"],
            "Cmd": ["app.handler"],
            "WorkingDir": "/var/task",
            "Env": ["LAMBDA_TASK_ROOT=/var/task"],
            "Labels": {"dev.stepladder.base": label},
            **(config or {}),
        }
        text = json.dumps(
            {
                "architecture": architecture or machine(),
                "os": "linux",
                "config": settings,
                "rootfs": {"type": "layers"},
            }
        )
        descriptors = [self.blob(repository, data, "application/vnd.oci.image.layer.v1.tar+gzip") for data in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": self.blob(repository, text.encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": descriptors,
        }
        digest = self.put_manifest(repository, manifest, tag)
        return f"{self.cloud.account}.dkr.ecr.{self.cloud.region}.amazonaws.com/{repository}@{digest}"

    def put_manifest(self, repository: str, manifest: Mapping[str, Any], tag: str = "") -> str:
        params = {"imageTag": tag} if tag else {}
        ecr, text = self.cloud.client("ecr"), json.dumps(manifest)
        with contextlib.suppress(ecr.exceptions.ImageAlreadyExistsException):
            ecr.put_image(
                repositoryName=repository,
                imageManifest=text,
                imageManifestMediaType=manifest["mediaType"],
                **params,
            )
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def blob(self, repository: str, data: bytes, media_type: str) -> dict[str, Any]:
        return cloud_images.blob(self.cloud.client("ecr"), repository, data, media_type)
