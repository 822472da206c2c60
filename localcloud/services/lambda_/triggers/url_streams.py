"""What a function streams through its URL: the status and headers that it sends first, then bytes as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator

from localcloud.http.server import ConnectionCut
from localcloud.services.lambda_.execution.streams import ResponseStream
from localcloud.services.lambda_.triggers.url_responses import UrlResponse, broken, mapped

INTEGRATION = "application/vnd.awslambda.http-integration-response"
_SEPARATOR = b"\0" * 8
_PRELUDE_LIMIT = 16_384  # bytes, the separator among them
_BINARY = "application/octet-stream"


def streamed(stream: ResponseStream, content_type: str) -> UrlResponse:
    """Return the answer to a response that is being streamed.

    With the content type of an integration it begins with JSON (statusCode, headers, cookies) and eight NUL bytes.
    """
    pieces = stream.pieces()
    if content_type.partition(";")[0].strip().lower() != INTEGRATION:
        return UrlResponse(200, [("Content-Type", content_type or _BINARY)], chunks=_whole(stream, b"", pieces))
    head, rest, separator = _prelude(pieces)
    if not separator:
        stream.abandon()
        return broken("the stream has no eight NUL bytes in its first 16 KB, after the status and the headers")
    try:
        prelude = json.loads(head)
        answer = mapped(json.dumps({"statusCode": 200, **prelude, "body": None}).encode())
    except (TypeError, ValueError) as error:
        answer = broken(f"what stands before the eight NUL bytes is no JSON object: {error}")
    if answer.why:
        stream.abandon()
        return answer
    named = {name.lower() for name in prelude.get("headers") or {}}
    if "content-type" not in named:
        answer.headers = [(n, _BINARY if n == "Content-Type" else value) for n, value in answer.headers]
    answer.chunks = _whole(stream, rest, pieces)
    return answer


def _prelude(pieces: Iterator[bytes]) -> tuple[bytes, bytes, bytes]:
    """Return what comes before the separator, what came behind it already, and the separator if there is one."""
    read = b""
    for piece in pieces:
        read += piece
        if _SEPARATOR in read or len(read) > _PRELUDE_LIMIT:
            break
    head, separator, rest = read.partition(_SEPARATOR)
    return head, rest, separator


def _whole(stream: ResponseStream, first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the body; cut the connection when the function failed in the middle of it."""
    if first:
        yield first
    yield from pieces
    if stream.failure:
        raise ConnectionCut
