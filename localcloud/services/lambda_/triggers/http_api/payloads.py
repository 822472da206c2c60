"""What goes into a function through an HTTP API: payload formats 2.0 and 1.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html. That the path
comes decoded, unlike a function URL's: middleapi/standard-server#93 and aws/aws-lambda-dotnet#1901. Which bodies come
as text: ministackorg/ministack#766.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from localcloud.cloud import Environ
from localcloud.services.lambda_.triggers import url_events
from stepladder.core import http_event


@dataclass(frozen=True)
class ApiRequest:
    """A request to an API. `path` is decoded and has the stage, `identity` is who signed, for `authorizer.iam`."""

    environ: Environ
    api: str
    account: str
    stage: str
    stage_variables: dict[str, str]
    route_key: str
    variables: dict[str, str]
    host: str
    path: str
    query: str
    body: bytes
    identity: dict[str, Any] | None
    request_id: str


def version_two(request: ApiRequest) -> dict[str, Any]:
    """Make an event of format 2.0."""
    headers, cookies = url_events.headers_of(request.environ)
    headers |= _own_headers(request)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": request.route_key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": dict(sorted(headers.items())),
        "requestContext": {
            **_context(request),
            "http": {
                "method": request.environ["REQUEST_METHOD"],
                "path": request.path,
                "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                "sourceIp": _address(request),
                "userAgent": headers.get("user-agent", ""),
            },
            "routeKey": request.route_key,
            "time": _time(),
            "timeEpoch": int(time.time() * 1000),
        },
        "isBase64Encoded": False,
    }
    if request.identity:
        event["requestContext"]["authorizer"] = {"iam": request.identity}
    optional = {
        "cookies": cookies,
        "queryStringParameters": http_event.parameters_of(request.query),
        "pathParameters": request.variables,
        "stageVariables": request.stage_variables,
    }
    event |= {name: value for name, value in optional.items() if value}
    if request.body:
        content_type = headers.get("content-type", "")
        event["body"], event["isBase64Encoded"] = http_event.body_of(content_type, request.body, is_api=True)
    return event


def version_one(request: ApiRequest) -> dict[str, Any]:
    """Make an event of format 1.0: names of headers as they came, lists of all values beside the last."""
    lists: dict[str, list[str]] = {}
    for name, value in request.environ["stepladder.headers"]:
        if name.lower() not in url_events.SET_BY_CLOUD:
            lists.setdefault(name, []).append(value)
    for name, value in _own_headers(request).items():
        known = next((each for each in lists if each.lower() == name), name.title())
        lists[known] = [value]
    queries = parse_qs(request.query, keep_blank_values=True)
    lower = {name.lower(): values[-1] for name, values in lists.items()}
    method, resource = request.environ["REQUEST_METHOD"], request.route_key.rpartition(" ")[2]
    body, encoded = None, False
    if request.body:
        body, encoded = http_event.body_of(lower.get("content-type", ""), request.body, is_api=True)
    return {
        "version": "1.0",
        "resource": resource,
        "path": request.path,
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in lists.items()},
        "multiValueHeaders": lists,
        "queryStringParameters": {name: values[-1] for name, values in queries.items()} or None,
        "multiValueQueryStringParameters": queries or None,
        "requestContext": {
            **_context(request),
            "authorizer": {"claims": None, "scopes": None},
            "extendedRequestId": request.request_id,
            "httpMethod": method,
            "identity": _identity(request, lower.get("user-agent", "")),
            "path": request.path,
            "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
            "requestTime": _time(),
            "requestTimeEpoch": int(time.time() * 1000),
            "resourceId": request.route_key,
            "resourcePath": resource,
        },
        "pathParameters": request.variables or None,
        "stageVariables": request.stage_variables or None,
        "body": body,
        "isBase64Encoded": encoded,
    }


def _context(request: ApiRequest) -> dict[str, Any]:
    name = request.host.partition(":")[0]
    return {
        "accountId": request.account,
        "apiId": request.api,
        "domainName": name,
        "domainPrefix": name.partition(".")[0],
        "requestId": request.request_id,
        "stage": request.stage,
    }


def _own_headers(request: ApiRequest) -> dict[str, str]:
    port = request.host.partition(":")[2]
    return {
        "host": request.host,
        "x-amzn-trace-id": http_event.trace_id(),
        "x-forwarded-for": _address(request),
        "x-forwarded-port": port or "80",
        "x-forwarded-proto": "http",
    }


def _identity(request: ApiRequest, agent: str) -> dict[str, Any]:
    signer = request.identity or {}
    empty = ("cognitoAuthenticationProvider", "cognitoAuthenticationType", "cognitoIdentityId", "cognitoIdentityPoolId")
    return {
        **dict.fromkeys(empty),
        "accessKey": signer.get("accessKey"),
        "accountId": signer.get("accountId"),
        "caller": signer.get("callerId"),
        "principalOrgId": None,
        "sourceIp": _address(request),
        "user": signer.get("userId"),
        "userAgent": agent,
        "userArn": signer.get("userArn"),
    }


def _address(request: ApiRequest) -> str:
    return str(request.environ.get("REMOTE_ADDR", "127.0.0.1"))


def _time() -> str:
    return datetime.now(UTC).strftime(http_event.TIME)
