"""What an action sees of its pipeline while it runs."""

from __future__ import annotations

import io
import secrets
import string
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.callers import ServiceCaller
from localcloud.cloud import ServiceError
from localcloud.services.codepipeline.model import ActionExecution, Pipeline, PipelineExecution

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

_ALPHABET = string.ascii_letters + string.digits
REVISION = "codepipeline-revision"
"""The metadata of an artifact that says of which commit it is."""


class FailedAction(Exception):  # noqa: N818 - how an action ends
    """An action that failed. `code` is of CodePipeline's kind."""

    def __init__(self, message: str, code: str = "JobFailed") -> None:
        super().__init__(message)
        self.code = code


class ActionAbandoned(Exception):  # noqa: N818 - how an action ends
    """Nobody waits for the action any more: the execution was stopped, or the cloud ends."""


@dataclass
class ActionContext:
    """One execution of an action. Calls are made with the pipeline's role."""

    cloud: Cloud
    pipeline: Pipeline
    execution: PipelineExecution
    action: ActionExecution
    caller: ServiceCaller

    @property
    def region(self) -> str:
        """The pipeline's region."""
        return self.pipeline.arn.split(":")[3]

    @property
    def account(self) -> str:
        """The pipeline's account."""
        return self.pipeline.arn.split(":")[4]

    @property
    def store(self) -> dict[str, Any]:
        """The artifact store."""
        declaration = self.execution.declaration
        store: dict[str, Any] = declaration.get("artifactStore") or declaration["artifactStores"][self.region]
        return store

    @property
    def key_id(self) -> str:
        """The key that encrypts artifacts, or an empty text for S3's own."""
        return str((self.store.get("encryptionKey") or {}).get("id") or "")

    def call(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Call AWS with the pipeline's role. Raises `ServiceError`."""
        return self.cloud.call_as(self.caller, service, action, params, region=self.region, account=self.account)

    def location(self, artifact: str) -> tuple[str, str]:
        """Return bucket and key for a new artifact."""
        unique = "".join(secrets.choice(_ALPHABET) for _ in range(7))
        return str(self.store["location"]), f"{self.pipeline.name[:20]}/{artifact[:10]}/{unique}"

    def put(self, artifact: str, body: bytes, commit: str) -> None:
        """Store an artifact. Raises `FailedAction`."""
        bucket, key = self.location(artifact)
        params: dict[str, Any] = {"Bucket": bucket, "Key": key, "Body": body, "ServerSideEncryption": "aws:kms"}
        params |= {"Metadata": {REVISION: commit}, **({"SSEKMSKeyId": self.key_id} if self.key_id else {})}
        try:
            self.call("s3", "PutObject", params)
        except ServiceError as error:
            message = f"Upload to S3 with the following error: {error.message} (Error Code: {error.code})"
            raise FailedAction(message, "PermissionError" if "AccessDenied" in error.code else "JobFailed") from None
        self.action.outputs[artifact] = (bucket, key)

    def file(self, artifact: str, name: str) -> str:
        """Return a file of an artifact. Raises `FailedAction`."""
        bucket, key = self.action.inputs[artifact]
        try:
            body = self.call("s3", "GetObject", {"Bucket": bucket, "Key": key})["Body"].read()
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                return archive.read(name).decode()
        except ServiceError as error:
            raise FailedAction(f"The artifact {artifact} can't be read: {error.message}", "PermissionError") from None
        except (zipfile.BadZipFile, KeyError, UnicodeDecodeError):
            raise FailedAction(f"The artifact {artifact} has no file {name}", "ConfigurationError") from None

    def wait(self, seconds: float) -> None:
        """Wait, in real time. Raises `ActionAbandoned`."""
        self.cloud.stopping.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise `ActionAbandoned` when nobody waits for the action any more."""
        if self.execution.abandon or self.cloud.stopping.is_set():
            raise ActionAbandoned
