"""ECR's authorization tokens: who may talk to the registry, and for which account and region.

The registry has one address for all accounts and regions, so the token says which one is meant, as the host name does
on AWS.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

USER = "AWS"
LIFETIME = 43_200.0  # seconds: 12 hours, as on AWS


class Tokens:
    """Makes and reads tokens. One secret for each run of the cloud."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._holders: dict[str, Any] = {}

    def password(self, account: str, region: str, *, now: float | None = None, holder: Any = None) -> str:
        """Return a password for the user `AWS`. It opens what its holder may, of whom nobody is the cloud itself."""
        name = "" if holder is None else f"{holder.arn} {holder.key_id}"
        if name:
            self._holders[name] = holder
        claims = {"account": account, "region": region, "holder": name, "expires": (now or time.time()) + LIFETIME}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
        return f"{body}.{self.sign(body)}"

    def read(self, authorization: str) -> tuple[str, str] | None:
        """Return account and region of an Authorization header, None when it opens nothing."""
        claims = self._claims(authorization)
        return (claims["account"], claims["region"]) if claims else None

    def holder(self, authorization: str) -> Any:
        """Return who got the token of an Authorization header, None for the cloud itself."""
        claims = self._claims(authorization)
        return self._holders.get(claims.get("holder", "")) if claims else None

    def _claims(self, authorization: str) -> dict[str, Any] | None:
        kind, _, value = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
            body, _, signature = password.partition(".")
            claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body))
        except ValueError:
            return None
        is_ours = hmac.compare_digest(signature.encode(), self.sign(body).encode())
        if kind.lower() != "basic" or user != USER or not is_ours:
            return None
        return claims if time.time() < claims["expires"] else None

    def sign(self, text: str) -> str:
        """Return a signature, also for download links."""
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
