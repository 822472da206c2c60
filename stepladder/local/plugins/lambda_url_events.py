"""What goes into a function through its URL, and what comes out: payload format 2.0.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from stepladder.local.cloud import Environ, Response
from stepladder.local.plugins.lambda_model import Function

_TEXT = ("text/", "application/json", "application/javascript", "application/xml", "application/graphql")


def made(
    environ: Environ, function: Function, identity: str, path: str, query: str, body: bytes, caller: str
) -> dict[str, Any]:
    """Make the event of payload format 2.0."""
    headers = {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")}
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").lower()] = environ[key]
    address = str(environ.get("REMOTE_ADDR", "127.0.0.1"))
    headers.update({"x-forwarded-for": address, "x-forwarded-proto": "http"})
    cookies = [c for c in headers.pop("cookie", "").split("; ") if c]
    parameters: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        parameters[key] = f"{parameters[key]},{value}" if key in parameters else value
    moment = datetime.now(UTC)
    context: dict[str, Any] = {
        "accountId": function.key.account if caller else "anonymous",
        "apiId": identity,
        "domainName": f"{identity}.lambda-url.{function.key.region}.on.aws",
        "domainPrefix": identity,
        "http": {
            "method": environ["REQUEST_METHOD"],
            "path": unquote(path),
            "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
            "sourceIp": address,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": str(uuid4()),
        "routeKey": "$default",
        "stage": "$default",
        "time": moment.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(time.time() * 1000),
    }
    if caller:
        arn = f"arn:aws:iam::{function.key.account}:root"
        context["authorizer"] = {"iam": {"accessKey": caller, "accountId": function.key.account, "userArn": arn}}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(path),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
        headers["cookie"] = "; ".join(cookies)
    if parameters:
        event["queryStringParameters"] = parameters
    if body:
        text = headers.get("content-type", "text/plain").startswith(_TEXT)
        event["body"] = body.decode(errors="replace") if text else base64.b64encode(body).decode()
        event["isBase64Encoded"] = not text
    return event


def broken() -> Response:
    """Answer for a function that failed, or returned what no HTTP answer can be made of."""
    return Response(502, {"Content-Type": "text/plain"}, b"Internal Server Error")


def mapped(payload: bytes) -> tuple[Response, list[str]]:
    """Turn what the function returned into an HTTP answer and cookies; with no statusCode all of it is the body."""
    try:
        value = json.loads(payload)
    except ValueError:
        return broken(), []
    if not isinstance(value, dict) or "statusCode" not in value:
        return Response(200, {"Content-Type": "application/json"}, payload), []
    try:
        status = int(value["statusCode"])
        raw = value.get("body")
        text = raw if isinstance(raw, str) else "" if raw is None else json.dumps(raw)
        body = base64.b64decode(text) if value.get("isBase64Encoded") else text.encode()
        headers = {str(k): str(v) for k, v in (value.get("headers") or {}).items()}
        cookies = [str(v) for v in value.get("cookies") or ()]
    except (TypeError, ValueError, AttributeError):
        return broken(), []
    if "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/json"
    return Response(status, headers, body), cookies


def signer(environ: Environ) -> str:
    """Return the access key id of a SigV4 request; signatures are not checked."""
    text = environ.get("HTTP_AUTHORIZATION", "")
    if not text.startswith("AWS4-HMAC-SHA256"):
        text = "&".join(v for v in environ["QUERY_STRING"].split("&") if v.startswith("X-Amz-Credential="))
    _, _, credential = unquote(text).partition("Credential=")
    return credential.partition("/")[0]
