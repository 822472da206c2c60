"""Credentials of a build's role, served as CodeBuild serves them: by an address that SDKs ask."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from localcloud.cloud import Environ, json_response

if TYPE_CHECKING:
    from localcloud.access.callers import IssuedKey
    from localcloud.cloud import Cloud
    from localcloud.services.codebuild.model import Build

PAGE = "/_stepladder/codebuild/credentials/"
_SECONDS = 3600.0
_RENEWED = 900.0  # seconds before their end
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class BuildCredentials:
    """The page, and which builds it knows."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._builds: dict[str, Build] = {}
        self._keys: dict[str, IssuedKey] = {}
        self._lock = threading.Lock()
        cloud.route(PAGE, self._page)

    @contextmanager
    def of(self, build: Build) -> Iterator[dict[str, str]]:
        """Serve a build's credentials, and return the variables that lead SDKs there and to this cloud."""
        token = secrets.token_urlsafe(24)
        common = {"AWS_ENDPOINT_URL": self._cloud.url, "AWS_EC2_METADATA_DISABLED": "true"}
        self._builds[token] = build
        try:
            if urlsplit(self._cloud.url).hostname in _LOOPBACK:
                yield {**common, "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self._cloud.url.rstrip('/')}{PAGE}{token}"}
            else:  # SDKs ask no other address without TLS
                key = self._key(token, build)
                keys = {"AWS_ACCESS_KEY_ID": key.key_id, "AWS_SECRET_ACCESS_KEY": key.secret}
                yield {**common, **keys, "AWS_SESSION_TOKEN": key.token}
        finally:
            self._builds.pop(token, None)
            self._keys.pop(token, None)

    def _key(self, token: str, build: Build) -> IssuedKey:
        with self._lock:
            key = self._keys.get(token)
            if key is None or key.expires - time.time() < _RENEWED:
                name = f"AWSCodeBuild-{build.id.rpartition(':')[2]}"
                key = self._cloud.access.keys.issue(build.role, build.account, seconds=_SECONDS, session_name=name)
                self._keys[token] = key
            return key

    def _page(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        token = environ["PATH_INFO"].removeprefix(PAGE)
        build = self._builds.get(token)
        if build is None:
            response = json_response({"message": "no build has these credentials"}, 404)
        else:
            key = self._key(token, build)
            response = json_response(
                {
                    "AccessKeyId": key.key_id,
                    "SecretAccessKey": key.secret,
                    "Token": key.token,
                    "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(key.expires)),
                    "RoleArn": build.role,
                }
            )
        start_response(f"{response.status} -", [*response.headers.items(), ("Content-Length", str(len(response.body)))])
        return [response.body]
