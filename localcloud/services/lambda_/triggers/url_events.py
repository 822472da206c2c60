"""What goes into a function through its URL: payload format 2.0.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html. What the page leaves open is as LocalStack's tests
recorded it on AWS (tests/aws/services/lambda_/test_lambda.snapshot.json, test_lambda_url_echo_http_fixture_default and
test_lambda_url_form_payload, 2025-11-24), and as published captures have it (middleapi/standard-server#93): the path
keeps its percent-encoding, also where that is broken. Repeated parameters and headers are joined by commas.
"""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from localcloud.access.callers import Caller
from localcloud.cloud import Environ
from localcloud.services.lambda_.model import Function

_TEXT = ("text/", "application/json", "application/javascript", "application/xml", "application/graphql")
SET_BY_CLOUD = (
    "x-amzn-tls-cipher-suite",
    "x-amzn-tls-version",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
)


def made(
    environ: Environ,
    function: Function,
    identity: str,
    *,
    host: str,
    path: str,
    query: str,
    body: bytes,
    caller: Caller | None,
) -> dict[str, Any]:
    """Make the event. `host` is the name under which the function is to see itself, with the port."""
    headers, cookies = headers_of(environ)
    address = str(environ.get("REMOTE_ADDR", "127.0.0.1"))
    name, _, port = host.partition(":")
    headers.setdefault("x-amzn-trace-id", f"Root=1-{int(time.time()):08x}-{uuid4().hex[:24]}")
    headers |= {
        "host": host,
        "x-forwarded-for": address,
        "x-forwarded-port": port or "80",
        "x-forwarded-proto": "http",
    }
    moment = datetime.now(UTC)
    context: dict[str, Any] = {
        "accountId": function.key.account if caller else "anonymous",
        "apiId": identity,
        "domainName": name,
        "domainPrefix": identity,
        "http": {
            "method": environ["REQUEST_METHOD"],
            "path": path,
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
        context["authorizer"] = {"iam": identity_of(caller)}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": dict(sorted(headers.items())),
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if parameters := parameters_of(query):
        event["queryStringParameters"] = parameters
    if body:
        event["body"], event["isBase64Encoded"] = _body(headers.get("content-type", "text/plain"), body)
    return event


def headers_of(environ: Environ) -> tuple[dict[str, str], list[str]]:
    """Return the request's headers in small letters, repeated ones joined by commas, and its cookies."""
    headers: dict[str, str] = {}
    for header, value in environ["stepladder.headers"]:
        name = header.lower()
        if name not in SET_BY_CLOUD:  # the cloud says these, whatever a client does
            between = "; " if name == "cookie" else ","
            headers[name] = f"{headers[name]}{between}{value}" if name in headers else value
    return headers, [cookie for part in headers.get("cookie", "").split(";") if (cookie := part.strip())]


def parameters_of(query: str) -> dict[str, str]:
    """Return the parameters, decoded, repeated ones joined by commas."""
    parameters: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        parameters[key] = f"{parameters[key]},{value}" if key in parameters else value
    return parameters


def _body(content_type: str, body: bytes) -> tuple[str, bool]:
    """Return the body as text, or in base64: forms and multipart bodies too, and what only claims to be text."""
    if content_type.lower().startswith(_TEXT):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def identity_of(caller: Caller) -> dict[str, Any]:
    """Return what an event says of who signed the request."""
    principal = caller.principal
    return {
        "accessKey": caller.key_id,
        "accountId": principal.account,
        "callerId": principal.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller.arn,
        "userId": principal.user_id,
    }
