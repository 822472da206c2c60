"""The event that a function gets for an HTTP request: payload format 2.0, of a function URL and of an HTTP API alike.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-request-payload and
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html. The path keeps
its percent-encoding. Repeated parameters and headers are joined by commas.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

HTTP_API, URL, URL_IAM = "http-api", "url", "url-iam"
KINDS = (URL, URL_IAM, HTTP_API)
"""The trigger kinds that give the function an HTTP request."""
API_ID = "abcdefghijklmnopqrstuvwxyz234567"
"""Stands for the id of a URL or an API in an event that none of them made."""
CALLER = "AKIAIOSFODNN7EXAMPLE"
"""Stands for the key of whoever signed a request: AWS's own example."""
DEFAULT_ROUTE = "$default"
TIME = "%d/%b/%Y:%H:%M:%S +0000"
"""How the time of a request is written, in UTC."""
_TEXT, _GRAPHQL = ("text/", "application/json", "application/javascript", "application/xml"), "application/graphql"
_SET_BY_AWS = frozenset({"host", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"})


@dataclass(frozen=True)
class HttpRequest:
    """A request as it was sent: the path as it stands in the request line, the query behind its `?`."""

    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    protocol: str = "HTTP/1.1"


@dataclass(frozen=True)
class HttpAddress:
    """Where the request was sent to and came from. An empty `caller` is anybody; else an access key's id.

    `is_api`: an HTTP API, whose events always name its account.
    """

    account: str
    host: str
    port: str = "443"
    scheme: str = "https"
    api_id: str = API_ID
    source_ip: str = "127.0.0.1"
    caller: str = ""
    is_api: bool = False

    @property
    def authority(self) -> str:
        """The value of the header `host`."""
        return self.host if self.port in {"80", "443"} else f"{self.host}:{self.port}"


def on_aws(kind: str, account: str, region: str, *, signed: bool = False) -> HttpAddress:
    """Return an address as AWS gives it to a trigger of this kind."""
    caller = CALLER if signed else ""
    if kind == HTTP_API:
        host = f"a1b2c3d4e5.execute-api.{region}.amazonaws.com"
        return HttpAddress(account, host, api_id="a1b2c3d4e5", caller=caller, is_api=True)
    return HttpAddress(account, f"{API_ID}.lambda-url.{region}.on.aws", caller=caller)


def event(
    request: HttpRequest,
    address: HttpAddress,
    request_id: str = "",
    route_key: str = DEFAULT_ROUTE,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the event. An HTTP API gives the path decoded, and the `variables` of its route."""
    headers = _headers(request, address)
    path = unquote(request.path) if address.is_api else request.path
    moment = datetime.now(UTC)
    context: dict[str, Any] = {
        "accountId": address.account if address.caller or address.is_api else "anonymous",
        "apiId": address.api_id,
        "domainName": address.host,
        "domainPrefix": address.host.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.protocol,
            "sourceIp": address.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request_id or str(uuid4()),
        "routeKey": route_key,
        "stage": "$default",
        "time": moment.strftime(TIME),
        "timeEpoch": int(moment.timestamp() * 1000),
    }
    if address.caller:
        context["authorizer"] = {"iam": _identity(address)}
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": dict(sorted(headers.items())),
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies := cookies_of(headers):
        made["cookies"] = cookies
    if parameters := parameters_of(request.query):
        made["queryStringParameters"] = parameters
    if variables:
        made["pathParameters"] = dict(variables)
    if request.body:
        content_type = headers.get("content-type", "" if address.is_api else "text/plain")
        made["body"], made["isBase64Encoded"] = body_of(content_type, request.body, is_api=address.is_api)
    return made


def body_of(content_type: str, body: bytes, *, is_api: bool) -> tuple[str, bool]:
    """Return a body as text, or in base64: forms and multipart bodies too, and what only claims to be text."""
    if content_type.lower().startswith(_TEXT if is_api else (*_TEXT, _GRAPHQL)):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def joined(given: Iterable[tuple[str, str]], without: Collection[str]) -> dict[str, str]:
    """Return headers in small letters, repeated ones joined, but for the names in `without`."""
    headers: dict[str, str] = {}
    for header, value in given:
        name = header.lower()
        if name not in without:
            between = "; " if name == "cookie" else ","
            headers[name] = f"{headers[name]}{between}{value}" if name in headers else value
    return headers


def cookies_of(headers: Mapping[str, str]) -> list[str]:
    """Return the cookies of joined headers."""
    return [cookie for part in headers.get("cookie", "").split(";") if (cookie := part.strip())]


def trace_id() -> str:
    """Make up the trace that AWS begins with a request."""
    return f"Root=1-{int(time.time()):08x}-{uuid4().hex[:24]}"


def _headers(request: HttpRequest, address: HttpAddress) -> dict[str, str]:
    """Return the request's headers with those that AWS adds."""
    headers = joined(request.headers, _SET_BY_AWS)
    headers.setdefault("x-amzn-trace-id", trace_id())
    return headers | {
        "host": address.authority,
        "x-forwarded-for": address.source_ip,
        "x-forwarded-port": address.port,
        "x-forwarded-proto": address.scheme,
    }


def parameters_of(query: str) -> dict[str, str]:
    """Return the parameters, decoded, repeated ones joined by commas."""
    parameters: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        parameters[key] = f"{parameters[key]},{value}" if key in parameters else value
    return parameters


def _identity(address: HttpAddress) -> dict[str, Any]:
    return {
        "accessKey": address.caller,
        "accountId": address.account,
        "callerId": address.account,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": f"arn:aws:iam::{address.account}:root",
        "userId": address.account,
    }
