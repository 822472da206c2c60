"""Function URLs: `/_url/<id>/...` on the cloud's own port, in payload format 2.0.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html, and for who may call
https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stepladder.local.cloud import Environ, Request, Response
from stepladder.local.plugins import lambda_url_events as events
from stepladder.local.plugins.lambda_invoker import Invoker
from stepladder.local.plugins.lambda_model import Function, Key, conflict, invalid, not_found, now
from stepladder.local.plugins.lambda_policy import allows
from stepladder.local.plugins.lambda_service import Service
from stepladder.local.runtime_api import PAYLOAD_LIMIT
from stepladder.local.wire import ServiceError

PREFIX = "/_url/"
_FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)


def install(service: Service, invoker: Invoker) -> None:
    """Register the actions and the path."""
    configs = Configs(service)
    for verb in ("Create", "Get", "Update", "Delete"):
        service.cloud.action("lambda", f"{verb}FunctionUrlConfig")(getattr(configs, verb.lower()))
    service.cloud.action("lambda", "ListFunctionUrlConfigs")(configs.list)
    service.cloud.route(PREFIX, Urls(service, invoker))


def url_id(key: Key, qualifier: str) -> str:
    """Return the id of a function's URL: 32 lower-case letters and digits, the same each time."""
    digest = hashlib.sha256(f"{key.arn}:{qualifier}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:32]


class Configs:
    """The handlers of FunctionUrlConfig."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.store = service.store

    def create(self, request: Request) -> dict[str, Any]:
        """CreateFunctionUrlConfig, of the function or of an alias."""
        with self.store.lock:
            function, qualifier = self.service.find(request)
            if qualifier and qualifier not in function.aliases:
                function.alias(qualifier)  # a version has no URL
            if qualifier in function.urls:
                raise conflict(
                    f"Failed to create function url config for [functionArn = {function.key.arn}]. "
                    "Error message:  FunctionUrlConfig exists for this Lambda function"
                )
            config = {"CreationTime": now(), "InvokeMode": "BUFFERED"}
            function.urls[qualifier] = self._changed(config, request.params)
            return self._written(function, qualifier)

    def get(self, request: Request) -> dict[str, Any]:
        """GetFunctionUrlConfig."""
        with self.store.lock:
            return self._written(*self._find(request))

    def update(self, request: Request) -> dict[str, Any]:
        """UpdateFunctionUrlConfig."""
        with self.store.lock:
            function, qualifier = self._find(request)
            function.urls[qualifier] = self._changed(function.urls[qualifier], request.params)
            return self._written(function, qualifier)

    def delete(self, request: Request) -> None:
        """DeleteFunctionUrlConfig."""
        with self.store.lock:
            function, qualifier = self._find(request)
            del function.urls[qualifier]

    def list(self, request: Request) -> dict[str, Any]:
        """ListFunctionUrlConfigs."""
        with self.store.lock:
            function, _ = self.service.find(request)
            return {"FunctionUrlConfigs": [self._written(function, qualifier) for qualifier in function.urls]}

    def _find(self, request: Request) -> tuple[Function, str]:
        function, qualifier = self.service.find(request)
        if qualifier not in function.urls:
            raise not_found("The resource you requested does not exist.")
        return function, qualifier

    def _changed(self, config: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        if params.get("InvokeMode") == "RESPONSE_STREAM":
            raise invalid("the local cloud answers BUFFERED only, not RESPONSE_STREAM")
        given = {name: params[name] for name in ("AuthType", "Cors", "InvokeMode") if params.get(name)}
        return {**config, **given, "LastModifiedTime": now()}

    def _written(self, function: Function, qualifier: str) -> dict[str, Any]:
        arn = f"{function.key.arn}:{qualifier}" if qualifier else function.key.arn
        url = f"{self.service.cloud.url}{PREFIX}{url_id(function.key, qualifier)}/"
        return {"FunctionUrl": url, "FunctionArn": arn, **function.urls[qualifier]}


class Urls:
    """The WSGI app behind the path."""

    def __init__(self, service: Service, invoker: Invoker) -> None:
        self.service = service
        self.invoker = invoker

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        cookies: list[str] = []
        response = self.answer(environ, cookies)
        headers = [(k, v) for k, v in response.headers.items() if k.lower() != "content-length"]
        headers += [("Set-Cookie", v) for v in cookies]
        headers.append(("Content-Length", str(len(response.body))))
        start_response(f"{response.status} -", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else response.body]

    def answer(self, environ: Environ, cookies: list[str]) -> Response:
        """Answer one request; cookies to be set go into the list."""
        path, _, query = environ["RAW_URI"].partition("?")
        identity, _, rest = path.removeprefix(PREFIX).partition("/")
        found = self._find(identity)
        if found is None:
            return _message(404, None)
        function, qualifier = found
        config = function.urls[qualifier]
        cors = _cors(config.get("Cors") or {}, environ)
        if environ["REQUEST_METHOD"] == "OPTIONS" and config.get("Cors") and "HTTP_ORIGIN" in environ:
            return Response(200, cors)
        signer = events.signer(environ)
        if not self._may(function, qualifier, signed=bool(signer)):
            return _message(403, _FORBIDDEN, {"x-amzn-ErrorType": "AccessDeniedException"})
        body = environ["wsgi.input"].read()
        if len(body) > PAYLOAD_LIMIT:
            return _message(413, "Request must be smaller than 6291456 bytes for the InvokeFunction operation")
        event = events.made(environ, function, identity, "/" + rest, query, body, signer)
        try:
            done = self.invoker.invoke(
                function.key, qualifier, json.dumps(event).encode(), request_id=event["requestContext"]["requestId"]
            )
        except ServiceError as error:
            return _message(error.status if error.status == 429 else 502, error.message)  # noqa: PLR2004 - HTTP's own
        if done.outcome.error:
            made = events.broken()
        else:
            made, new_cookies = events.mapped(done.outcome.payload)
            cookies += new_cookies
        made.headers.update({"x-amzn-RequestId": done.request_id, **cors})
        return made

    def _find(self, identity: str) -> tuple[Function, str] | None:
        with self.service.store.lock:
            for function in self.service.store.functions.values():
                for qualifier in function.urls:
                    if url_id(function.key, qualifier) == identity:
                        return function, qualifier
        return None

    def _may(self, function: Function, qualifier: str, *, signed: bool) -> bool:
        """Signed callers are taken for the account's own; everybody else needs both permissions in the policy."""
        with self.service.store.lock:
            if function.urls[qualifier]["AuthType"] == "AWS_IAM":
                return signed
            return allows(function, qualifier, "lambda:InvokeFunctionUrl", "*", via_url=True) and allows(
                function, qualifier, "lambda:InvokeFunction", "*", via_url=True
            )


def _cors(config: Mapping[str, Any], environ: Environ) -> dict[str, str]:
    origin = environ.get("HTTP_ORIGIN", "")
    allowed = config.get("AllowOrigins") or []
    if not origin or not ("*" in allowed or origin in allowed):
        return {}
    made = {"Access-Control-Allow-Origin": origin if "*" not in allowed or config.get("AllowCredentials") else "*"}
    if config.get("AllowCredentials"):
        made["Access-Control-Allow-Credentials"] = "true"
    if environ["REQUEST_METHOD"] == "OPTIONS":
        made["Access-Control-Allow-Methods"] = ",".join(config.get("AllowMethods") or [])
        made["Access-Control-Allow-Headers"] = ",".join(config.get("AllowHeaders") or [])
        made["Access-Control-Max-Age"] = str(config.get("MaxAge") or 0)
    if config.get("ExposeHeaders"):
        made["Access-Control-Expose-Headers"] = ",".join(config["ExposeHeaders"])
    return made


def _message(status: int, message: str | None, headers: dict[str, str] | None = None) -> Response:
    return Response(
        status, {"Content-Type": "application/json", **(headers or {})}, json.dumps({"Message": message}).encode()
    )
