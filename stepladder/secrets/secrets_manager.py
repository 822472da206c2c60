"""Secrets Manager. Metadata comes of DescribeSecret, which names one secret and returns no value."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from stepladder.core.aws import error_code
from stepladder.core.clock import Clock, retrying, stamp
from stepladder.core.errors import BadInputError
from stepladder.secrets.store import DELETED, MISSING, SET, SecretState, SecretWrite, check_owner, refused
from stepladder.settings.secrets import Secret

_CURRENT = "AWSCURRENT"
_EXISTS, _GONE = "ResourceExistsException", "ResourceNotFoundException"
_SECONDS = 20.0


class SecretsManager:
    """A `store.SecretStore`."""

    largest = 65536

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def read(self, secrets: Sequence[Secret]) -> list[SecretState]:
        """See `SecretStore`."""
        with ThreadPoolExecutor(4, thread_name_prefix="secrets") as pool:
            return list(pool.map(self._read, secrets))

    def _read(self, secret: Secret) -> SecretState:
        try:
            described = self._client.describe_secret(SecretId=secret.id)
        except Exception as error:
            if error_code(error) != _GONE:
                raise
            return SecretState(secret, MISSING)
        versions: dict[str, list[str]] = described.get("VersionIdsToStages") or {}
        current = next((version for version, stages in versions.items() if _CURRENT in stages), "")
        changed = described.get("LastChangedDate") or described.get("CreatedDate")
        return SecretState(
            secret,
            DELETED if described.get("DeletedDate") else SET if current else MISSING,
            version=current,
            changed=stamp(changed.timestamp()) if changed else "",
            owner=next((tag["Value"] for tag in described.get("Tags", ()) if tag["Key"] == "project"), ""),
            key=described.get("KmsKeyId", ""),
            exists=True,
        )

    def owner(self, state: SecretState) -> str:
        """See `SecretStore`."""
        return state.owner

    def tags(self, state: SecretState) -> dict[str, str]:
        """See `SecretStore`."""
        try:
            described = self._client.describe_secret(SecretId=state.secret.id)
        except Exception as error:
            if error_code(error) != _GONE:
                raise
            return {}
        return {tag["Key"]: tag["Value"] for tag in described.get("Tags", ())}

    def delete(self, secret: Secret) -> bool:
        """See `SecretStore`. One in its recovery window would keep the name for weeks, so there is none."""
        try:
            self._client.delete_secret(SecretId=secret.id, ForceDeleteWithoutRecovery=True)
        except Exception as error:
            if error_code(error) != _GONE:
                raise
            return False
        return True

    def check(self, write: SecretWrite) -> None:
        """See `SecretStore`."""
        if len(write.value.data) > self.largest:
            raise BadInputError(
                f"the value of {write.secret.name} is larger than Secrets Manager's limit of {self.largest} bytes",
                kind="secret-value",
                hint="keep a file of that size in S3, encrypted, and its key under `stepladder.function.secrets`",
            )
        if write.state.state == DELETED:
            raise refused(
                f"{write.secret.reference} is to be deleted, and takes no value until then",
                f"restore it: `aws secretsmanager restore-secret --secret-id {write.secret.id}`",
            )

    def write(self, write: SecretWrite) -> str:
        """See `SecretStore`. The token makes a call whose answer was lost the same one when it is sent again."""
        text, token = write.value.text, str(uuid4())
        value: dict[str, Any] = {"SecretBinary": write.value.data} if text is None else {"SecretString": text}
        value["ClientRequestToken"] = token
        key = {"KmsKeyId": write.key} if write.key else {}
        if not write.state.exists:
            tags = [{"Key": name, "Value": each} for name, each in write.tags.items()]
            try:
                return self._call(self._client.create_secret, {"Name": write.secret.id, **value, **key, "Tags": tags})
            except Exception as error:
                if error_code(error) != _EXISTS:  # another command was quicker, or an answer of ours was lost
                    raise
            check_owner(write.secret, self._read(write.secret).owner, write.tags["project"])
        request = {"SecretId": write.secret.id, **value}
        if write.key and write.state.exists and write.key != write.state.key:
            return self._call(self._client.update_secret, {**request, **key})
        return self._call(self._client.put_secret_value, request)

    def _call(self, action: Any, request: dict[str, Any]) -> str:
        return retrying(lambda: str(action(**request)["VersionId"]), self._clock, timeout=_SECONDS)
