"""What comes out of a function through its URL: any value that it returns becomes an HTTP answer.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload. That a value without a
statusCode leaves as compact JSON, a text as it is, and that a statusCode may be a text: recorded on AWS by LocalStack's
tests (tests/aws/services/lambda_/test_lambda.py, TestLambdaURL, 2025-11-24). What no HTTP answer can be made of is
answered with 502, as a function's failure is.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from localcloud.http.server import is_header

_SPACE = re.compile(r"\s+")
_STATUSES = range(200, 600)  # a 1xx would be no answer yet
_JSON = "application/json"
_HEAD_LIMIT = 60_000  # bytes; with more, curl and Python's own client cut the answer off
_HEADERS_LIMIT = 90  # of Python's client's 100, some are the server's own


class _MalformedError(ValueError):
    """No HTTP answer can be made of what the function returned. The text says why."""


@dataclass
class UrlResponse:
    """An HTTP answer. `why` says for the cloud's log what was wrong with the function's.

    `chunks` stand for the body where the function still writes it.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    why: str = ""
    chunks: Iterator[bytes] | None = None


def message(status: int, text: str | None, **headers: str) -> UrlResponse:
    """Answer as Lambda itself does where no function is called."""
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return UrlResponse(status, [("Content-Type", _JSON), *pairs], _text({"Message": text}).encode())


def broken(why: str = "") -> UrlResponse:
    """Answer for a function that failed, or returned what no HTTP answer can be made of."""
    return UrlResponse(HTTPStatus.BAD_GATEWAY, [("Content-Type", "text/plain")], b"Internal Server Error", why)


def mapped(payload: bytes) -> UrlResponse:
    """Turn what the function returned into an HTTP answer. With no statusCode all of it is the body."""
    try:
        value = json.loads(payload or b"null", parse_constant=_no_constant)
        if not isinstance(value, dict) or "statusCode" not in value:
            return UrlResponse(HTTPStatus.OK, [("Content-Type", _JSON)], _text(value).encode())
        headers = _headers(value.get("headers"))
        if "content-type" not in {name.lower() for name, _ in headers}:
            headers.append(("Content-Type", _JSON))
        headers += [("Set-Cookie", _header("Set-Cookie", cookie)) for cookie in _cookies(value.get("cookies"))]
        if sum(len(name) + len(sent) for name, sent in headers) > _HEAD_LIMIT or len(headers) > _HEADERS_LIMIT:
            raise _MalformedError("its headers are more than clients take")
        return UrlResponse(_status(value["statusCode"]), headers, _body(value))
    except (ValueError, RecursionError) as error:
        return broken(str(error))


def _no_constant(name: str) -> Any:
    raise _MalformedError(f"{name} is no JSON")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _status(value: Any) -> int:
    whole = isinstance(value, int | str) and not isinstance(value, bool) and re.fullmatch(r"[0-9]{3}", str(value))
    if not whole or int(value) not in _STATUSES:
        raise _MalformedError(f"statusCode is {value!r}; allowed: {_STATUSES[0]} to {_STATUSES[-1]}")
    return int(value)


def _headers(value: Any) -> list[tuple[str, str]]:
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise _MalformedError("headers is no object")
    return [(str(name), _header(str(name), item)) for name, item in value.items() if item is not None]


def _header(name: str, value: Any) -> str:
    """Return a header's value in the bytes in which it leaves. Numbers and booleans as JSON writes them."""
    if isinstance(value, list | Mapping):
        raise _MalformedError(f"header {name!r} is no text")
    sent = _text(value).encode().decode("latin-1")
    if not is_header(name, sent):
        raise _MalformedError(f"header {name!r} can't be sent: {value!r}")
    return sent


def _cookies(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(cookie, str) for cookie in value):
        raise _MalformedError("cookies is no list of texts")
    return value


def _body(value: Mapping[str, Any]) -> bytes:
    raw = value.get("body")
    text = "" if raw is None else _text(raw)
    if value.get("isBase64Encoded") in (True, "true"):
        return base64.b64decode(_SPACE.sub("", text), validate=True)
    return text.encode()
