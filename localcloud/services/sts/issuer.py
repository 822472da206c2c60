"""The issuer of identity tokens for CI jobs: one key pair, which lives with the cloud's state, for every issuer's name.

A forge gives its jobs tokens that its own issuer signed. Here no forge is reached, so this issuer speaks for all of
them, and STS trusts no other key. https://openid.net/specs/openid-connect-core-1_0.html#IDToken
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

ALGORITHM = "RS256"
_BITS = 2048
_SECONDS, _EARLIER = 300, 600  # GitHub's: valid for five minutes, and from ten minutes ago
_REQUIRED = ("iss", "aud", "sub")


class MalformedTokenError(ValueError):
    """A text is no signed token with claims."""


class UnknownKeyError(ValueError):
    """A token's header names a key that is none of the issuer's."""


class BadSignatureError(ValueError):
    """A token's signature isn't made by the issuer's key, or by another algorithm than the issuer's."""


@dataclass(frozen=True)
class UnverifiedToken:
    """What a token says, before its signature is verified."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def unverified(text: str) -> UnverifiedToken:
    """Read a token's header and claims. Raises MalformedTokenError."""
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        parts = jws.extract_compact(text.encode())
        header, claims = parts.headers(), json.loads(parts.payload)
    except (JoseError, ValueError) as error:
        raise MalformedTokenError(str(error)) from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise MalformedTokenError("header and claims must be objects")
    return UnverifiedToken(text, header, claims)


class TokenIssuer:
    """Signs claims, and verifies what it signed. Thread-safe. The key pair is made when one is first needed."""

    def __init__(self, cloud: Cloud) -> None:
        self._pem = ""
        self._key: Any = None
        self._lock = threading.Lock()
        cloud.on_save("oidc-key", lambda: self._pem)
        cloud.on_load("oidc-key", self._restore)

    def _restore(self, pem: str) -> None:
        self._pem, self._key = pem, None

    def issue(self, claims: Mapping[str, Any]) -> str:
        """Return a token with the claims, and with those that every token has. A claim that is None is left out.

        Raises ValueError where one is missing that isn't None either.
        """
        if missing := [name for name in _REQUIRED if name not in claims]:
            raise ValueError(f"missing: {', '.join(missing)}; null leaves a claim out")
        now = int(time.time())
        usual = {"exp": now + _SECONDS, "iat": now, "jti": str(uuid4()), "nbf": now - _EARLIER}
        return self.sign({name: value for name, value in {**usual, **claims}.items() if value is not None})

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a token with exactly these claims."""
        from joserfc import jws

        key = self._pair()
        header = {"alg": ALGORITHM, "kid": key.thumbprint(), "typ": "JWT"}
        return jws.serialize_compact(header, json.dumps(claims), key)

    def public_keys(self) -> dict[str, Any]:
        """Return the key set (JWKS) by which the tokens are verified."""
        key = self._pair()
        own = {"alg": ALGORITHM, "kid": key.thumbprint(), "use": "sig"}
        return {"keys": [{**key.as_dict(private=False), **own}]}

    def verify(self, token: UnverifiedToken) -> None:
        """Raise UnknownKeyError or BadSignatureError for a token that this issuer hasn't signed."""
        from joserfc import jws
        from joserfc.errors import JoseError

        key = self._pair()
        if token.header.get("kid") != key.thumbprint():
            raise UnknownKeyError(str(token.header.get("kid")))
        try:
            jws.deserialize_compact(token.text, key, algorithms=[ALGORITHM])
        except (JoseError, ValueError) as error:
            raise BadSignatureError(str(error)) from None

    def _pair(self) -> Any:
        from joserfc.jwk import RSAKey

        with self._lock:
            if self._key is None:
                self._key = RSAKey.import_key(self._pem) if self._pem else RSAKey.generate_key(_BITS)
                self._pem = self._key.as_pem(private=True).decode()
            return self._key
