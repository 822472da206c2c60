"""A client of the OCI distribution API: authentication, retries, manifests, downloads.

Every request has a deadline and is retried with full jitter on 429, 5xx and cut connections, the manifest PUT too: it
is idempotent by digest, yet `docker push` gives up there at the first 500. Credentials live in headers only, go to
their own origin only, and never into an exception or a log. Specification:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import re
import ssl
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3

from stepladder import __version__
from stepladder.aws import is_loopback
from stepladder.images.model import INDEXES, MANIFESTS, digest_of
from stepladder.images.retry import ATTEMPTS, Again, RegistryError, attempts, guard

_CHUNK = 1 << 20
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_REDIRECTS = (301, 302, 303, 307, 308)
_TRANSIENT = (408, 429, 500, 502, 503, 504)
OK, CREATED, ACCEPTED, NO_CONTENT = 200, 201, 202, 204
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
NAME_UNKNOWN = "NAME_UNKNOWN"

Progress = Callable[[int], None]
"""Called with the number of bytes that have just gone over the wire; negative when they must be sent again."""


@dataclass(frozen=True)
class Answer:
    """An answer of the registry, read to its end."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    def code(self) -> str:
        """Return the distribution API's error code, for example TAG_INVALID."""
        try:
            return str(json.loads(self.data)["errors"][0]["code"])
        except (ValueError, LookupError, TypeError):
            return ""

    def said(self) -> str:
        """Return the error message in the answer, at most a line of it."""
        try:
            return str(json.loads(self.data)["errors"][0].get("message", ""))[:200]
        except (ValueError, LookupError, TypeError, AttributeError):
            return ""


class Registry:
    """One registry, spoken to by one set of credentials.

    `origin` is `https://host` or, on loopback, `http://host:port`. `login` returns (user, password) and is called
    again once when they stop working; without it the client is anonymous. `attempts`, `connect_timeout` (seconds) and
    `deadline` (seconds for one request with its retries) bound every call; safe to use from several threads.
    """

    def __init__(
        self,
        origin: str,
        *,
        login: Callable[[], tuple[str, str]] | None = None,
        attempts: int = ATTEMPTS,
        connect_timeout: float = 5.0,
        deadline: float = 600.0,
    ) -> None:
        self.origin = _checked(origin.rstrip("/"))
        self.host = urlsplit(origin).netloc
        self.attempts, self.deadline = attempts, deadline
        self._login = login
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()
        self._pool = _pool(self.origin, connect_timeout)

    def manifest(self, repository: str, reference: str, *, allow_index: bool = True) -> tuple[str, bytes] | None:
        """Return (media type, bytes) of a manifest by tag or digest, or None; the digest is verified."""
        accept = ", ".join((*MANIFESTS, *INDEXES) if allow_index else MANIFESTS)
        answer = self.request(
            "GET", f"/v2/{repository}/manifests/{reference}", {"Accept": accept}, expect=(OK, NOT_FOUND)
        )
        if answer.status == NOT_FOUND:
            if answer.code() == NAME_UNKNOWN:
                raise RegistryError(
                    f"{self.host} has no repository {repository}", status=answer.status, code=NAME_UNKNOWN
                )
            return None
        wanted = reference if reference.startswith("sha256:") else answer.headers.get("docker-content-digest", "")
        if wanted and digest_of(answer.data) != wanted:
            raise RegistryError(f"the manifest {reference} from {self.host} does not have the digest it claims")
        media_type = answer.headers.get("content-type", "").split(";")[0].strip()
        return media_type or str(json.loads(answer.data).get("mediaType", "")), answer.data

    def put_manifest(self, repository: str, reference: str, media_type: str, data: bytes) -> Answer:
        """Store a manifest by tag or digest; the caller judges a 4xx answer (a tag that may not move)."""
        return self.request(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            {"Content-Type": media_type},
            body=data,
            expect=(OK, CREATED, 400, 409, 412, 422),
        )

    def has_blob(self, repository: str, digest: str) -> bool:
        """Say whether the repository holds a blob."""
        answer = self.request("HEAD", f"/v2/{repository}/blobs/{digest}", expect=(OK, NOT_FOUND))
        return answer.status == OK

    def blob(self, repository: str, digest: str) -> bytes:
        """Return a small blob (an image's config), verified."""
        data = self.request("GET", f"/v2/{repository}/blobs/{digest}").data
        if digest_of(data) != digest:
            raise RegistryError(f"the blob {digest} from {self.host} arrived damaged")
        return data

    def download(self, repository: str, digest: str, into: Path, progress: Progress | None = None) -> Path:
        """Fetch a blob into the folder `into`, named by its digest; resumes, verifies, and moves it in when whole."""
        target = into / digest.replace(":", "-")
        if target.is_file():
            return target
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=into, prefix=".blob-") as file:
            self._fetch(f"/v2/{repository}/blobs/{digest}", file, digest, progress or _silent)
            file.flush()
            Path(file.name).chmod(0o644)
            with tempfile.TemporaryDirectory(dir=into) as scratch:
                link = Path(scratch) / "blob"
                link.hardlink_to(file.name)
                link.replace(target)
        return target

    def _fetch(self, path: str, file: Any, digest: str, progress: Progress) -> None:
        for attempt in attempts(f"downloading {digest[:19]}", limit=self.attempts, deadline=self.deadline):
            with guard(attempt, self.host):
                have = file.tell()
                headers = {"Range": f"bytes={have}-"} if have else {}
                response = self._open("GET", path, headers)
                try:
                    if response.status == OK and have:
                        progress(-have)
                        file.seek(0)
                        file.truncate()
                    for chunk in response.stream(_CHUNK, decode_content=False):
                        file.write(chunk)
                        progress(len(chunk))
                finally:
                    response.release_conn()
                file.seek(0)
                if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" != digest:
                    progress(-file.tell())
                    file.seek(0)
                    file.truncate()
                    raise Again(f"the blob {digest} from {self.host} arrived damaged")

    def request(
        self,
        verb: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        expect: tuple[int, ...] = (OK,),
    ) -> Answer:
        """Send one request with retries and return its answer; any other status is a `RegistryError`.

        `body` is bytes, so that each attempt can send it anew.
        """
        what = f"{verb} {urlsplit(path).path}"
        for attempt in attempts(what, limit=self.attempts, deadline=self.deadline):
            with guard(attempt, self.host):
                return self.send(verb, path, headers, body=body, expect=expect)
        raise AssertionError("attempts end by returning or raising")

    def send(
        self,
        verb: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        expect: tuple[int, ...] = (OK,),
    ) -> Answer:
        """Send one request once, to be called under `guard`; `path` may be a whole URL (an upload's location).

        `body` is bytes or has `read` and `rewind`. Raises `Again` for passing failures.
        """
        response = self._open(verb, path, dict(headers or {}), body=body, expect=expect)
        try:
            data = response.read() if verb != "HEAD" else b""
        finally:
            response.release_conn()
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, data)

    def _open(self, verb: str, path: str, headers: dict[str, str], *, body: Any = None, expect: Any = (OK, 206)) -> Any:
        """Send a request once, following redirects and answering one challenge; the body is left to read."""
        renewed = False
        scope = _scope(path)
        url = _checked(urljoin(self.origin, path))
        for _ in range(8):
            own = _same_origin(url, self.origin)
            sent = {"User-Agent": f"stepladder/{__version__}", **headers, **(self._authorization(scope) if own else {})}
            response = self._pool.request(
                verb, url, body=body, headers=sent, redirect=False, retries=False, preload_content=False
            )
            if response.status in _REDIRECTS and verb in {"GET", "HEAD"}:
                response.drain_conn()
                url = _checked(urljoin(url, response.headers.get("location", "")))
            elif response.status == UNAUTHORIZED and own and not renewed:
                challenge = response.headers.get("www-authenticate", "")
                response.drain_conn()
                renewed = True
                self._renew(scope, challenge)
                if hasattr(body, "rewind"):
                    body.rewind()
            elif response.status in expect:
                return response
            else:
                self._refuse(verb, path, response)
        raise RegistryError(f"{self.host} redirects in a circle")

    def _refuse(self, verb: str, path: str, response: Any) -> None:
        answer = Answer(response.status, response.headers, response.read()[:4096])
        after = response.headers.get("retry-after", "")
        response.release_conn()
        said = f": {answer.said()}" if answer.said() else ""
        message = f"{self.host} answered {answer.status} to {verb} {urlsplit(path).path}{said}"
        if answer.status in _TRANSIENT:
            raise Again(message, status=answer.status, after=float(after) if after.isdecimal() else 0.0)
        hint = ""
        if answer.status in {UNAUTHORIZED, FORBIDDEN}:
            hint = "the credentials may not do this: check the role's ecr:* permissions and the account"
        raise RegistryError(message, hint=hint, status=answer.status, code=answer.code())

    def _authorization(self, scope: str) -> dict[str, str]:
        with self._lock:
            token = self._tokens.get(scope) or self._tokens.get("")
            if not token and self._login:
                token = self._tokens[""] = _basic(*self._login())
        return {"Authorization": token} if token else {}

    def _renew(self, scope: str, challenge: str) -> None:
        """Answer a 401: a bearer token where one is asked for, else a fresh login."""
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "bearer":
            fields = dict(_CHALLENGE.findall(rest))
            token = self._bearer(fields.get("realm", ""), fields.get("service", ""), fields.get("scope") or scope)
            with self._lock:
                self._tokens[scope] = f"Bearer {token}"
            return
        if self._login is None:
            raise RegistryError(f"{self.host} asks for credentials", status=UNAUTHORIZED)
        with self._lock:
            self._tokens[""] = _basic(*self._login())

    def _bearer(self, realm: str, service: str, scope: str) -> str:
        """Fetch a token (https://distribution.github.io/distribution/spec/auth/token/)."""
        query = urlencode({key: value for key, value in (("service", service), ("scope", scope)) if value})
        url = _checked(f"{realm}{'&' if '?' in realm else '?'}{query}")
        headers = {"Authorization": _basic(*self._login())} if self._login else {}
        response = self._pool.request("GET", url, headers=headers, redirect=False, retries=False)
        if response.status in _TRANSIENT:
            raise Again(f"{urlsplit(url).netloc} answered {response.status} when asked for a token")
        document = json.loads(response.data) if response.status == OK else {}
        token = document.get("token") or document.get("access_token")
        if not token:
            raise RegistryError(f"{urlsplit(url).netloc} gave no token for {self.host}", status=response.status)
        return str(token)


def _silent(_count: int) -> None:
    pass


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _scope(path: str) -> str:
    match = re.match(r"/v2/(.+?)/(?:blobs|manifests|tags)/", path)
    return f"repository:{match[1]}:pull,push" if match else ""


def _same_origin(url: str, origin: str) -> bool:
    return urlsplit(url)[:2] == urlsplit(origin)[:2]


def _checked(url: str) -> str:
    """Refuse plain HTTP to anything but this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)):
        return url
    raise RegistryError(
        f"{parts.scheme or 'no scheme'}://{parts.hostname} is not spoken to: registries are reached over HTTPS",
        hint="plain HTTP is for a registry on this machine only",
    )


def _pool(origin: str, connect_timeout: float) -> urllib3.PoolManager:
    options: dict[str, Any] = {
        "timeout": urllib3.Timeout(connect=connect_timeout, read=60),
        "maxsize": 16,
        "block": False,
        "blocksize": _CHUNK,
    }
    if origin.startswith("https"):
        options["ssl_context"] = _tls()
    proxy = urllib.request.getproxies().get(urlsplit(origin).scheme, "")
    if proxy and not is_loopback(origin) and not urllib.request.proxy_bypass(urlsplit(origin).hostname or ""):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


@functools.cache
def _tls() -> ssl.SSLContext:
    """Trust what the AWS SDK trusts, so that one variable serves a company's own authority."""
    bundle = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE")
    return ssl.create_default_context(cafile=bundle if bundle and Path(bundle).is_file() else None)
