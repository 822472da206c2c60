"""Credentials of a registry: Basic (ECR), or a bearer token fetched for what is to be done (public registries).

https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

import urllib3

from stepladder.core.retry import TRANSIENT, Again, RegistryError
from stepladder.images.registry.transport import checked

_CHALLENGE = r'(\w+)="([^"]*)"'
_OK, _UNAUTHORIZED = 200, 401
Login = Callable[[], tuple[str, str]]
"""Returns user and password; called again when they no longer open the registry."""


class Keys:
    """The Authorization headers of one registry, renewed once when it says 401; safe to use from several threads."""

    def __init__(self, host: str, login: Login | None, pool: urllib3.PoolManager) -> None:
        self._host, self._login, self._pool = host, login, pool
        self._headers: dict[str, str] = {}
        self._lock = threading.Lock()

    def header(self, scope: str) -> dict[str, str]:
        """Return the header for a scope (`repository:<name>:pull,push`); none for an anonymous first try."""
        with self._lock:
            value = self._headers.get(scope) or self._headers.get("")
            if not value and self._login:
                value = self._headers[""] = _basic(*self._login())
        return {"Authorization": value} if value else {}

    def renew(self, scope: str, challenge: str, failed: str) -> None:
        """Answer a 401: a bearer token where one is asked for, else a fresh login.

        `failed` is the header that was refused: when another thread has replaced it already, that one's is tried.
        """
        kind, _, rest = challenge.partition(" ")
        with self._lock:
            current = self._headers.get(scope) or self._headers.get("", "")
            if current and current != failed:
                return
            if kind.lower() == "bearer":
                fields = dict(re.findall(_CHALLENGE, rest))
                token = self._bearer(fields.get("realm", ""), fields.get("service", ""), fields.get("scope") or scope)
                self._headers[scope] = f"Bearer {token}"
            elif self._login:
                self._headers[""] = _basic(*self._login())
            else:
                raise RegistryError(f"{self._host} asks for credentials", status=_UNAUTHORIZED)

    def _bearer(self, realm: str, service: str, scope: str) -> str:
        query = urlencode({key: value for key, value in (("service", service), ("scope", scope)) if value})
        url = checked(f"{realm}{'&' if '?' in realm else '?'}{query}")
        headers = {"Authorization": _basic(*self._login())} if self._login else {}
        response = self._pool.request("GET", url, headers=headers, redirect=False, retries=False)
        if response.status in TRANSIENT:
            raise Again(f"{urlsplit(url).netloc} answered {response.status} when asked for a token")
        document = json.loads(response.data) if response.status == _OK else {}
        token = document.get("token") or document.get("access_token")
        if not token:
            raise RegistryError(f"{urlsplit(url).netloc} gave no token for {self._host}", status=response.status)
        return str(token)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
