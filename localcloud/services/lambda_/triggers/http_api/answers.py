"""What comes out of a function through an HTTP API.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html: in format 2.0 a
value without a statusCode is the body, in format 1.0 it is an error. Without a Content-Type it is plain text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localcloud.services.lambda_.triggers.url_responses import UrlResponse, mapped

_PLAIN = "text/plain;charset=UTF-8"


def refusal(status: int, text: str) -> UrlResponse:
    """Answer as API Gateway itself does."""
    return UrlResponse(status, [("Content-Type", "application/json")], json.dumps({"message": text}).encode())


def broken(why: str) -> UrlResponse:
    """Answer for a function that failed or may not be called, or returned what no HTTP answer can be made of."""
    answer = refusal(500, "Internal Server Error")
    answer.why = why
    return answer


def unavailable(why: str) -> UrlResponse:
    """Answer for a function that took too long, or was throttled."""
    answer = refusal(503, "Service Unavailable")
    answer.why = why
    return answer


def answered(payload: bytes, version: str) -> UrlResponse:
    """Turn what a function returned into an HTTP answer."""
    try:
        value = json.loads(payload or b"null")
    except (ValueError, RecursionError) as error:
        return broken(f"its answer is no JSON: {error}")
    structured = isinstance(value, Mapping) and "statusCode" in value
    if not structured:
        return _checked(mapped(payload)) if version == "2.0" else broken("its answer has no statusCode")
    extra = _lists(value) if version == "1.0" else []
    given = {**value, "headers": dict(value.get("headers") or {})} if _has_headers(value) else dict(value)
    if isinstance(given.get("headers"), dict):
        for name, _ in extra:
            for known in [each for each in given["headers"] if each.lower() == name.lower()]:
                del given["headers"][known]
        names = {name.lower() for name in [*given["headers"], *(name for name, _ in extra)]}
        if "content-type" not in names:
            given["headers"]["Content-Type"] = _PLAIN
    answer = _checked(mapped(json.dumps(given).encode()))
    if not answer.why:
        typed = any(name.lower() == "content-type" for name, _ in extra)
        answer.headers = [pair for pair in answer.headers if not (typed and pair[0].lower() == "content-type")] + extra
    return answer


def _has_headers(value: Mapping[str, Any]) -> bool:
    return value.get("headers") is None or isinstance(value["headers"], Mapping)


def _lists(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    lists = value.get("multiValueHeaders")
    if not isinstance(lists, Mapping):
        return []
    return [(str(name), str(each)) for name, values in lists.items() if isinstance(values, list) for each in values]


def _checked(answer: UrlResponse) -> UrlResponse:
    return broken(answer.why) if answer.why else answer
