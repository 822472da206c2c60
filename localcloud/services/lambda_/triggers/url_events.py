"""What goes into a function through its URL: payload format 2.0.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html. What the page leaves open is as LocalStack's tests
recorded it on AWS (tests/aws/services/lambda_/test_lambda.snapshot.json, test_lambda_url_echo_http_fixture_default and
test_lambda_url_form_payload, 2025-11-24), and as published captures have it (middleapi/standard-server#93): the path
keeps its percent-encoding, also where that is broken. Repeated parameters and headers are joined by commas.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from localcloud.access.callers import Caller
from localcloud.cloud import Environ
from localcloud.services.lambda_.model import Function
from stepladder.core import http_event

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
    headers.setdefault("x-amzn-trace-id", http_event.trace_id())
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
        "time": moment.strftime(http_event.TIME),
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
    if parameters := http_event.parameters_of(query):
        event["queryStringParameters"] = parameters
    if body:
        content_type = headers.get("content-type", "text/plain")
        event["body"], event["isBase64Encoded"] = http_event.body_of(content_type, body, is_api=False)
    return event


def headers_of(environ: Environ) -> tuple[dict[str, str], list[str]]:
    """Return the request's headers in small letters, repeated ones joined by commas, and its cookies."""
    # the cloud says those that it sets, whatever a client does
    headers = http_event.joined(environ["stepladder.headers"], SET_BY_CLOUD)
    return headers, http_event.cookies_of(headers)


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
