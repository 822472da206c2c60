"""Verify a request's signature, with botocore's own canonical request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from localcloud.cloud import Environ

_PART = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")
_HASH = re.compile(r"[0-9a-f]{64}")
_UNSIGNED = "UNSIGNED-PAYLOAD"
_DATE = "%Y%m%dT%H%M%SZ"
_WEEK = 604_800.0
SKEW = 300.0  # seconds between the caller's clock and AWS's; S3 allows three times as much


@dataclass(frozen=True)
class Signature:
    """What a signed request says of its signature. `expires` is 0 unless it is presigned."""

    key_id: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    date: str
    token: str
    expires: float = 0.0
    presigned: bool = False


class MalformedSignatureError(ValueError):
    """An Authorization header, or the query of a presigned URL, lacks something."""


def signature_of(environ: Environ) -> Signature | None:
    """Read a request's signature, or return None for an unsigned one. Raises `MalformedSignatureError`."""
    text = str(environ.get("HTTP_AUTHORIZATION", ""))
    if text.startswith("AWS4-HMAC-SHA256"):
        parts = dict(_PART.findall(text))
        date = str(environ.get("HTTP_X_AMZ_DATE", "")) or _from_date(str(environ.get("HTTP_DATE", "")))
        return _signature(parts, date, str(environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")))
    if "X-Amz-Signature=" not in environ["QUERY_STRING"]:
        return None
    query = dict(_query(environ["QUERY_STRING"]))
    parts = {name: query.get(f"X-Amz-{name}", "") for name in ("Credential", "SignedHeaders", "Signature")}
    try:
        expires = float(query.get("X-Amz-Expires", ""))
    except ValueError:
        raise MalformedSignatureError("X-Amz-Expires") from None
    if not expires <= _WEEK:  # nor is NaN
        raise MalformedSignatureError("X-Amz-Expires")
    read = _signature(parts, query.get("X-Amz-Date", ""), query.get("X-Amz-Security-Token", ""))
    return Signature(**{**vars(read), "expires": expires, "presigned": True})


def presigned_v2(environ: Environ) -> Signature | None:
    """Read the signature of a URL that was presigned in S3's older way, which boto3 still takes in some regions."""
    query = dict(_query(environ["QUERY_STRING"])) if "AWSAccessKeyId=" in environ["QUERY_STRING"] else {}
    key_id, signature, expires = (query.get(name, "") for name in ("AWSAccessKeyId", "Signature", "Expires"))
    if not key_id or not signature or not expires.isdigit():
        return None
    token = query.get("x-amz-security-token", "")
    return Signature(key_id, "", "s3", (), signature, "", token, float(expires), presigned=True)


def is_valid_v2(signature: Signature, secret: str, environ: Environ) -> bool:
    """Say whether a URL was presigned with a secret.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html
    """
    from botocore.auth import HmacV1QueryAuth
    from botocore.compat import HTTPHeaders
    from botocore.credentials import Credentials

    class UrlVerifier(HmacV1QueryAuth):
        """Take the end that the URL names."""

        def _get_date(self) -> str:
            return str(int(signature.expires))

    headers = HTTPHeaders()
    query = dict(_query(environ["QUERY_STRING"]))
    for name in ("content-md5", "content-type"):
        if name in query:
            headers[name] = query[name]
    verifier = UrlVerifier(Credentials("", secret, signature.token or None))
    expected = verifier.get_signature(environ["REQUEST_METHOD"], urlsplit(str(environ["RAW_URI"])), headers)
    return hmac.compare_digest(expected, signature.signature)


def _signature(parts: Mapping[str, str], date: str, token: str) -> Signature:
    scope = parts.get("Credential", "").split("/")
    if len(scope) < 5 or scope[-1] != "aws4_request":  # noqa: PLR2004 - key, date, region, service, aws4_request
        raise MalformedSignatureError("Credential")
    for name in ("SignedHeaders", "Signature"):
        if not parts.get(name):
            raise MalformedSignatureError(name)
    if not _is_date(date):
        raise MalformedSignatureError("X-Amz-Date")
    headers = tuple(parts["SignedHeaders"].lower().split(";"))
    return Signature("/".join(scope[:-4]), scope[-3], scope[-2], headers, parts["Signature"], date, token)


def _is_date(text: str) -> bool:
    try:
        time.strptime(text, _DATE)
    except ValueError:
        return False
    return bool(re.fullmatch(r"\d{8}T\d{6}Z", text))


def moment_of(signature: Signature) -> float:
    """Return when a request was signed, in epoch seconds."""
    return float(timegm(time.strptime(signature.date, _DATE)))


def is_valid(signature: Signature, secret: str, environ: Environ, body: bytes) -> bool:
    """Say whether a request was signed with a secret, and its body is the one that was signed."""
    payload = _payload(signature, environ, body)
    if payload is None:
        return False
    path, _, query = str(environ["RAW_URI"]).partition("?")
    verifier = _verifier(signature.service)
    request = SimpleNamespace(
        method=environ["REQUEST_METHOD"],
        url=f"http://local{path if path.startswith('/') else '/' + path}",
        params=[(name, value) for name, value in _query(query) if name != "X-Amz-Signature"],
        headers=(),
        signed=_headers(signature, environ),
        hashed=payload,
    )
    canonical = verifier.canonical_request(request)
    day = signature.date[:8]
    scope = f"{day}/{signature.region}/{signature.service}/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", signature.date, scope, hashlib.sha256(canonical.encode("utf-8")).hexdigest()))
    key = _signing_key(secret, day, signature.region, signature.service)
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature.signature)


def _payload(signature: Signature, environ: Environ, body: bytes) -> str | None:
    """Return the body's hash as it was signed, or None when the body is another one."""
    declared = str(environ.get("HTTP_X_AMZ_CONTENT_SHA256", ""))
    if declared:
        if _HASH.fullmatch(declared) and hashlib.sha256(body).hexdigest() != declared:
            return None
        return declared  # UNSIGNED-PAYLOAD, or STREAMING-... of a body in signed chunks
    if signature.presigned and signature.service == "s3":
        return _UNSIGNED
    return hashlib.sha256(body).hexdigest()


class _Headers(dict[str, list[str]]):
    """Signed headers with all their values."""

    get_all = dict.get


def _headers(signature: Signature, environ: Environ) -> _Headers:
    headers = _Headers()
    for header, value in environ["stepladder.headers"]:
        name = header.lower()
        if name in signature.signed_headers:
            headers.setdefault(name, []).append(value)
    return headers


@lru_cache(maxsize=64)
def _verifier(service: str) -> Any:
    from botocore.auth import S3SigV4Auth, SigV4Auth

    of_s3 = service in ("s3", "s3-object-lambda", "s3express")  # the path is signed as it is sent

    class RequestVerifier(S3SigV4Auth if of_s3 else SigV4Auth):  # type: ignore[misc]
        """Make the canonical request of one that was received."""

        def headers_to_sign(self, request: Any) -> Any:
            return request.signed

        def payload(self, request: Any) -> Any:
            return request.hashed

    return RequestVerifier(None, service, "")


@lru_cache(maxsize=256)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _query(text: str) -> list[tuple[str, str]]:
    """Split a query without reading its values' plus signs as blanks: AWS signs them as they are."""
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


def _from_date(text: str) -> str:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).strftime(_DATE) if text else ""
    except ValueError:
        return ""
