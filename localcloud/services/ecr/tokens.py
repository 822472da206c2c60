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

USER = "AWS"
LIFETIME = 43_200.0  # seconds: 12 hours, as on AWS


class Tokens:
    """Makes and reads tokens. One secret for each run of the cloud."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def password(self, account: str, region: str, *, now: float | None = None) -> str:
        """Return a password for the user `AWS`."""
        claims = {"account": account, "region": region, "expires": (now or time.time()) + LIFETIME}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
        return f"{body}.{self.sign(body)}"

    def read(self, authorization: str) -> tuple[str, str] | None:
        """Return account and region of an Authorization header, None when it opens nothing."""
        kind, _, value = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(value).decode().partition(":")
            body, _, signature = password.partition(".")
            claims = json.loads(base64.urlsafe_b64decode(body))
        except ValueError:
            return None
        is_ours = hmac.compare_digest(signature.encode(), self.sign(body).encode())
        if kind.lower() != "basic" or user != USER or not is_ours:
            return None
        return (claims["account"], claims["region"]) if time.time() < claims["expires"] else None

    def sign(self, text: str) -> str:
        """Return a signature, also for download links."""
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
