"""A client of the OCI distribution API: authentication, retries, manifests, downloads.

Every request has a deadline and is retried with full jitter on 429, 5xx and cut connections, the manifest PUT too: it
is idempotent by digest, yet `docker push` gives up there at the first 500. Credentials live in headers only, go to
their own origin only, and never into an exception or a log. Specification:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from stepladder import __version__
from stepladder.core.image_facts import INDEXES, MANIFESTS
from stepladder.core.retry import ATTEMPTS, TRANSIENT, Again, RegistryError, attempts, guard
from stepladder.images.model import digest_of
from stepladder.images.registry.auth import Keys
from stepladder.images.registry.transport import CHUNK, checked, pool, same_origin

_REDIRECTS = (301, 302, 303, 307, 308)
OK, CREATED, ACCEPTED, NO_CONTENT = 200, 201, 202, 204
UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
NAME_UNKNOWN = "NAME_UNKNOWN"

Progress = Callable[[int], None]
"""Called with the number of bytes that have just gone over the wire; negative when they must be sent again."""


@dataclass(frozen=True)
class RegistryResponse:
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

    def message(self) -> str:
        """Return the error message in the answer, at most a line of it."""
        try:
            return str(json.loads(self.data)["errors"][0].get("message", ""))[:200]
        except (ValueError, LookupError, TypeError, AttributeError):
            return ""


class RegistryClient:
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
        self.origin = checked(origin.rstrip("/"))
        self.host = urlsplit(origin).netloc
        self.attempts, self.deadline = attempts, deadline
        self._pool = pool(self.origin, connect_timeout)
        self._answered = False
        self._keys = Keys(self.host, login, self._pool)

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

    def put_manifest(self, repository: str, reference: str, media_type: str, data: bytes) -> RegistryResponse:
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
            target.touch()  # used today: see layers.tidy
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
                    for chunk in response.stream(CHUNK, decode_content=False):
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
    ) -> RegistryResponse:
        """Send one request with retries and return its answer; any other status is a `RegistryError`.

        `body` is bytes, so that each attempt can send it again.
        """
        what = f"{verb} {urlsplit(path).path}"
        for attempt in attempts(what, limit=self.attempts, deadline=self.deadline, answered=self._answered):
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
    ) -> RegistryResponse:
        """Send one request once, to be called under `guard`; `path` may be a whole URL (an upload's location).

        `body` is bytes or has `read` and `rewind`. Raises `Again` for passing failures.
        """
        response = self._open(verb, path, dict(headers or {}), body=body, expect=expect)
        try:
            data = response.read() if verb != "HEAD" else b""
        finally:
            response.release_conn()
        return RegistryResponse(response.status, {k.lower(): v for k, v in response.headers.items()}, data)

    def _open(self, verb: str, path: str, headers: dict[str, str], *, body: Any = None, expect: Any = (OK, 206)) -> Any:
        """Send a request once, following redirects and answering one challenge; the body is left to read."""
        renewed = False
        scope = _scope(path)
        url = checked(urljoin(self.origin, path))
        for _ in range(8):
            own = same_origin(url, self.origin)
            sent = {"User-Agent": f"stepladder/{__version__}", **headers, **(self._keys.header(scope) if own else {})}
            response = self._pool.request(
                verb, url, body=body, headers=sent, redirect=False, retries=False, preload_content=False
            )
            self._answered = True
            if response.status in _REDIRECTS and verb in {"GET", "HEAD"}:
                response.drain_conn()
                url = checked(urljoin(url, response.headers.get("location", "")))
            elif response.status == UNAUTHORIZED and own and not renewed:
                challenge = response.headers.get("www-authenticate", "")
                response.drain_conn()
                renewed = True
                self._keys.renew(scope, challenge, sent.get("Authorization", ""))
                if hasattr(body, "rewind"):
                    body.rewind()
            elif response.status in expect:
                return response
            else:
                self._refuse(verb, path, response)
        raise RegistryError(f"{self.host} redirects in a circle")

    def _refuse(self, verb: str, path: str, response: Any) -> None:
        answer = RegistryResponse(response.status, response.headers, response.read()[:4096])
        after = response.headers.get("retry-after", "")
        response.release_conn()
        detail = f": {answer.message()}" if answer.message() else ""
        message = f"{self.host} answered {answer.status} to {verb} {urlsplit(path).path}{detail}"
        if answer.status in TRANSIENT:
            raise Again(message, status=answer.status, after=float(after) if after.isdecimal() else 0.0)
        hint = ""
        if answer.status in {UNAUTHORIZED, FORBIDDEN}:
            hint = "the credentials may not do this: check the role's ecr:* permissions and the account"
        raise RegistryError(message, hint=hint, status=answer.status, code=answer.code())


def _silent(_count: int) -> None:
    pass


def _scope(path: str) -> str:
    match = re.match(r"/v2/(.+?)/(?:blobs|manifests|referrers|tags)/", path)
    return f"repository:{match[1]}:pull,push" if match else ""
