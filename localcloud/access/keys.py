"""The keys that the local cloud issued.

Those of users are Moto's (`iam:CreateAccessKey`). Those of sessions are kept here, with the state.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.access.callers import IssuedKey

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_REMEMBERED = 3600.0  # seconds after its end in which a key is known to have expired
_PURGE_EVERY = 256  # keys


class IssuedKeys:
    """Keys of sessions by their ids. Thread-safe."""

    def __init__(self, cloud: Cloud) -> None:
        self._keys: dict[str, IssuedKey] = {}
        self._lock = threading.Lock()
        cloud.on_save("issued-keys", lambda: dict(self._keys))
        cloud.on_load("issued-keys", self._keys.update)

    def issue(
        self,
        identity: str,
        account: str,
        *,
        seconds: float,
        session_name: str = "",
        federated_user: bool = False,
        policies: tuple[str, ...] | None = None,
        tags: Mapping[str, str] | None = None,
        context: Mapping[str, tuple[str, ...]] | None = None,
    ) -> IssuedKey:
        """Make credentials of a session. `identity` is the ARN of the role, of the user or of the root."""
        now = time.time()
        key = IssuedKey(
            key_id="ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16)),
            secret=secrets.token_urlsafe(30),
            token="IQoJb3JpZ2luX2Vj" + secrets.token_urlsafe(96),
            account=account,
            partition=identity.split(":")[1],
            issued=now,
            expires=now + seconds,
            identity=identity,
            session_name=session_name,
            federated_user=federated_user,
            policies=policies,
            tags=dict(tags or {}),
            context={**(context or {}), "aws:tokenissuetime": (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),)},
        )
        with self._lock:
            if len(self._keys) % _PURGE_EVERY == _PURGE_EVERY - 1:
                self._purge(now)
            self._keys[key.key_id] = key
        return key

    def get(self, key_id: str) -> IssuedKey | None:
        """Return a key, expired or not, or None."""
        return self._keys.get(key_id)

    def _purge(self, now: float) -> None:
        for key_id, key in list(self._keys.items()):
            if key.expires + _REMEMBERED < now:
                del self._keys[key_id]


def user_key(key_id: str) -> tuple[str, str, Any] | None:
    """Return account, partition and Moto's access key of a user, or None."""
    from moto.iam.models import iam_backends

    for account, partitions in list(iam_backends.items()):
        for partition, backend in list(partitions.items()):
            key = backend.access_keys.get(key_id)
            if key is not None and key.user_name:
                return account, partition, key
    return None
