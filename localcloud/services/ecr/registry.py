"""The OCI distribution API of the local ECR: what `docker push` and our own client speak.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md, with ECR's own answers where they differ: Basic
authentication, and TAG_INVALID for an immutable tag (moby/buildkit#3776).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

from localcloud.cloud import Environ
from localcloud.services.ecr import referrers
from localcloud.services.ecr.store import ImageStore, RepositoryKey, StoreError
from localcloud.services.ecr.tokens import Tokens


class Repositories(Protocol):
    """What the API asks of ECR's own side."""

    def repository(self, key: RepositoryKey) -> Any:
        """Return the repository, or None."""

    def immutable(self, key: RepositoryKey, tag: str) -> bool:
        """Say whether a tag, once set, stays."""

    def mounts(self, account: str) -> bool:
        """Say whether the account lets blobs be mounted."""


_ROUTES = (
    (r"(?P<name>.+)/blobs/uploads/?", "uploads"),
    (r"(?P<name>.+)/blobs/uploads/(?P<reference>[^/]+)", "upload"),
    (r"(?P<name>.+)/blobs/(?P<reference>[^/]+)", "blob"),
    (r"(?P<name>.+)/manifests/(?P<reference>[^/]+)", "manifest"),
    (r"(?P<name>.+)/tags/list", "tags"),
    (r"(?P<name>.+)/referrers/(?P<reference>[^/]+)", "referrers"),
)
_PERMISSIONS = {
    ("uploads", "POST"): "InitiateLayerUpload",
    ("upload", "GET"): "UploadLayerPart",
    ("upload", "PATCH"): "UploadLayerPart",
    ("upload", "PUT"): "CompleteLayerUpload",
    ("blob", "HEAD"): "BatchCheckLayerAvailability",
    ("blob", "GET"): "GetDownloadUrlForLayer",
    ("manifest", "HEAD"): "BatchGetImage",
    ("manifest", "GET"): "BatchGetImage",
    ("manifest", "PUT"): "PutImage",
    ("manifest", "DELETE"): "BatchDeleteImage",
    ("referrers", "GET"): "BatchGetImage",
    ("tags", "GET"): "ListImages",
}
"""What IAM calls the requests; its actions are those of ECR's own API."""
_STATUS = {
    "DENIED": 403,
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "MANIFEST_UNKNOWN": 404,
    "NAME_UNKNOWN": 404,
    "UNAUTHORIZED": 401,
    "RANGE_INVALID": 416,
    "UNSUPPORTED": 405,
}
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_CHUNK = 1 << 20
_MANIFEST_LIMIT = 4 << 20
Headers = dict[str, str]


Refusal = Callable[[str, RepositoryKey, Any], str]
"""Says why the holder of a token may not do something, by the action's name in IAM; an empty text when it may."""


def permission(method: str, path: str) -> str:
    """Return the action of IAM that a request needs, `ecr:PutImage` for example; empty when it needs none."""
    name = next((name for pattern, name in _ROUTES if re.fullmatch(f"/v2/{pattern}", path)), "")
    return _action(name, method)


def _action(name: str, method: str) -> str:
    action = _PERMISSIONS.get((name, method), "")
    return f"ecr:{action}" if action else ""


class Reply:
    """An answer under way: status, headers, and a body or a file with a span of it."""

    def __init__(self, status: int, headers: Headers | None = None, body: bytes = b"") -> None:
        self.status, self.headers, self.body = status, headers or {}, body
        self.file: Path | None = None
        self.span = (0, 0)


class DistributionApi:
    """The WSGI app behind `/v2/`."""

    def __init__(
        self, store: ImageStore, tokens: Tokens, repositories: Repositories, refusal: Refusal = lambda *_: ""
    ) -> None:
        self._store, self._tokens, self._repositories, self._refusal = store, tokens, repositories, refusal
        self._routes = [(re.compile(f"/v2/{pattern}"), name) for pattern, name in _ROUTES]

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        try:
            reply = self._answer(environ)
        except StoreError as error:
            reply = _error(error.code, str(error))
            if error.code == "UNAUTHORIZED":
                reply.headers["WWW-Authenticate"] = 'Basic realm="local",service="ecr.amazonaws.com"'
        length = reply.span[1] - reply.span[0] if reply.file else len(reply.body)
        headers = {"Docker-Distribution-Api-Version": "registry/2.0", **reply.headers}
        headers.setdefault("Content-Length", str(length))
        start_response(f"{reply.status} X", list(headers.items()))
        if environ["REQUEST_METHOD"] == "HEAD":
            return [b""]
        return _stream(reply.file, *reply.span) if reply.file else [reply.body]

    def _answer(self, environ: Environ) -> Reply:
        who = self._tokens.read(environ.get("HTTP_AUTHORIZATION", ""))
        if who is None:
            raise StoreError("UNAUTHORIZED", "Your Authorization Token is missing, wrong or has expired")
        path, query = environ["PATH_INFO"], {k: v[0] for k, v in parse_qs(environ["QUERY_STRING"]).items()}
        if path.rstrip("/") == "/v2":
            return Reply(200, {"Content-Type": "application/json"}, b"{}")
        for pattern, name in self._routes:
            match = pattern.fullmatch(path)
            if match:
                groups = match.groupdict()
                key = RepositoryKey(*who, groups["name"])
                if self._repositories.repository(key) is None:
                    raise StoreError(
                        "NAME_UNKNOWN",
                        f"The repository with name '{key.name}' does not exist in the registry with id '{key.account}'",
                    )
                self._authorize(environ, name, key)
                reply: Reply = getattr(self, f"_{name}")(environ, key, groups.get("reference") or "", query)
                return reply
        raise StoreError("UNSUPPORTED", f"{path} is no path of the distribution API")

    def _authorize(self, environ: Environ, name: str, key: RepositoryKey) -> None:
        action = _action(name, environ["REQUEST_METHOD"])
        holder = self._tokens.holder(environ.get("HTTP_AUTHORIZATION", ""))
        if action and holder is not None and (why := self._refusal(action, key, holder)):
            raise StoreError("DENIED", why)

    def _uploads(self, environ: Environ, key: RepositoryKey, _reference: str, query: dict[str, str]) -> Reply:
        if environ["REQUEST_METHOD"] != "POST":
            raise StoreError("UNSUPPORTED", "uploads are begun with POST")
        digest, source = query.get("mount", ""), RepositoryKey(key.account, key.region, query.get("from", ""))
        if digest and self._mountable(source) and self._store.mount(key, source, digest):
            return _created(f"/v2/{key.name}/blobs/{digest}", digest)
        upload = self._store.begin()
        if query.get("digest"):
            self._store.append(upload, environ["wsgi.input"])
            return self._finished(key, upload, query["digest"])
        return self._under_way(202, key, upload, 0)

    def _mountable(self, source: RepositoryKey) -> bool:
        return self._repositories.mounts(source.account) and self._repositories.repository(source) is not None

    def _upload(self, environ: Environ, key: RepositoryKey, upload: str, query: dict[str, str]) -> Reply:
        method = environ["REQUEST_METHOD"]
        have = self._store.uploaded(upload)
        if method == "GET":
            return self._under_way(204, key, upload, have)
        if method == "DELETE":
            self._store.cancel(upload)
            return Reply(204)
        if method not in {"PATCH", "PUT"}:
            raise StoreError("UNSUPPORTED", f"an upload takes no {method}")
        match = re.fullmatch(r"(?:bytes[ =])?(\d+)-\d+(?:/.*)?", environ.get("HTTP_CONTENT_RANGE", ""))
        if match and int(match[1]) != have:
            reply = self._under_way(416, key, upload, have)
            reply.body = _error("RANGE_INVALID", f"the upload has {have} bytes").body
            return reply
        size = self._store.append(upload, environ["wsgi.input"])
        if method == "PATCH":
            return self._under_way(202, key, upload, size)
        if not query.get("digest"):
            raise StoreError("DIGEST_INVALID", "the upload is finished without a digest")
        return self._finished(key, upload, query["digest"])

    def _finished(self, key: RepositoryKey, upload: str, digest: str) -> Reply:
        self._store.path(digest)
        self._store.finish(key, upload, digest)
        return _created(f"/v2/{key.name}/blobs/{digest}", digest)

    @staticmethod
    def _under_way(status: int, key: RepositoryKey, upload: str, size: int) -> Reply:
        return Reply(
            status,
            {
                "Location": f"/v2/{key.name}/blobs/uploads/{upload}",
                "Range": f"0-{max(size - 1, 0)}",
                "Docker-Upload-UUID": upload,
            },
        )

    def _blob(self, environ: Environ, key: RepositoryKey, digest: str, _query: dict[str, str]) -> Reply:
        size = self._store.index(key).blobs.get(digest)
        if size is None:
            raise StoreError("BLOB_UNKNOWN", f"the repository does not hold {digest}")
        reply = Reply(
            200,
            {
                "Content-Type": "application/octet-stream",
                "Docker-Content-Digest": digest,
                "Accept-Ranges": "bytes",
                "ETag": f'"{digest}"',
            },
        )
        reply.file, reply.span = self._store.path(digest), (0, size)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", environ.get("HTTP_RANGE", ""))
        if match:
            start, end = int(match[1]), min(int(match[2] or size - 1), size - 1)
            if start >= size:
                raise StoreError("RANGE_INVALID", f"the blob has {size} bytes")
            reply.status, reply.span = 206, (start, end + 1)
            reply.headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        return reply

    def _manifest(self, environ: Environ, key: RepositoryKey, reference: str, _query: dict[str, str]) -> Reply:
        if environ["REQUEST_METHOD"] == "PUT":
            return self._put_manifest(environ, key, reference)
        if environ["REQUEST_METHOD"] == "DELETE":
            return self._delete_manifest(key, reference)
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            raise StoreError("UNSUPPORTED", "a manifest is got, put or deleted")
        index = self._store.index(key)
        digest = index.tags.get(reference, reference)
        if digest not in index.images:
            raise StoreError("MANIFEST_UNKNOWN", f"Requested image not found: {reference}")
        headers = {"Content-Type": index.images[digest].media_type, "Docker-Content-Digest": digest}
        return Reply(200, headers, self._store.path(digest).read_bytes())

    def _delete_manifest(self, key: RepositoryKey, reference: str) -> Reply:
        """Delete an image by its digest, as `oras manifest delete` does; what refers to it stays."""
        if not reference.startswith("sha256:"):
            raise StoreError("UNSUPPORTED", "an image is deleted by its digest")
        with self._store.change(key) as index:
            if index.images.pop(reference, None) is None:
                raise StoreError("MANIFEST_UNKNOWN", f"Requested image not found: {reference}")
            for tag in index.tags_of(reference):
                del index.tags[tag]
        return Reply(202)

    def _put_manifest(self, environ: Environ, key: RepositoryKey, reference: str) -> Reply:
        data = environ["wsgi.input"].read(_MANIFEST_LIMIT + 1)
        if len(data) > _MANIFEST_LIMIT:
            raise StoreError("MANIFEST_INVALID", "the manifest is larger than 4 MiB")
        by_digest = reference.startswith("sha256:")
        if by_digest and f"sha256:{hashlib.sha256(data).hexdigest()}" != reference:
            raise StoreError("DIGEST_INVALID", "the manifest does not have the digest in its path")
        if not by_digest and not _TAG.fullmatch(reference):
            raise StoreError("TAG_INVALID", f"{reference!r} is no tag")
        media_type = environ.get("CONTENT_TYPE", "").split(";")[0].strip()
        tag = "" if by_digest else reference
        try:
            digest, _ = self._store.put(
                key, data, media_type, tag, immutable=lambda t: self._repositories.immutable(key, t)
            )
        except StoreError as error:
            if error.code != "TAG_IMMUTABLE":
                raise
            raise StoreError(
                "TAG_INVALID",
                f"The image tag '{tag}' already exists in the '{key.name}' repository and cannot be overwritten "
                "because the repository is immutable.",
            ) from None
        reply = _created(f"/v2/{key.name}/manifests/{digest}", digest)
        subject = json.loads(data).get("subject")
        if subject:
            reply.headers["OCI-Subject"] = subject["digest"]
        return reply

    def _tags(self, _environ: Environ, key: RepositoryKey, _reference: str, query: dict[str, str]) -> Reply:
        tags = [tag for tag in sorted(self._store.index(key).tags) if tag > query.get("last", "")]
        count = int(query.get("n") or 1000)
        headers = {"Content-Type": "application/json"}
        if len(tags) > count > 0:
            headers["Link"] = f'</v2/{key.name}/tags/list?n={count}&last={tags[count - 1]}>; rel="next"'
        return Reply(200, headers, json.dumps({"name": key.name, "tags": tags[:count]}).encode())

    def _referrers(self, environ: Environ, key: RepositoryKey, digest: str, query: dict[str, str]) -> Reply:
        if environ["REQUEST_METHOD"] != "GET":
            raise StoreError("UNSUPPORTED", "referrers are got")
        self._store.path(digest)  # refuses what is no digest
        artifact_type = query.get("artifactType", "")
        entries = referrers.descriptors(self._store, key, digest, [artifact_type] if artifact_type else [])
        document = {"schemaVersion": 2, "mediaType": referrers.INDEX, "manifests": entries}
        headers = {
            "Content-Type": referrers.INDEX,
            **({"OCI-Filters-Applied": "artifactType"} if artifact_type else {}),
        }
        return Reply(200, headers, json.dumps(document).encode())


def _created(location: str, digest: str) -> Reply:
    return Reply(201, {"Location": location, "Docker-Content-Digest": digest})


def _error(code: str, message: str) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(_STATUS.get(code, 400), {"Content-Type": "application/json"}, body)


def _stream(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
