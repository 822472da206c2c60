"""Function URLs: `<id>.lambda-url.localhost` and `/_url/<id>/...` on the cloud's own port, in payload format 2.0.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html, and for who may call
https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from localcloud.access.callers import ANONYMOUS, Caller
from localcloud.authorization.model import AccessRequest
from localcloud.cloud import AwsRequest, Environ
from localcloud.http.function_addresses import FUNCTION_HOST
from localcloud.http.function_addresses import FUNCTION_PATH as PREFIX
from localcloud.http.server import reason
from localcloud.launchers.runtime_api import REQUEST_LIMIT
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import Invoked, Invoker
from localcloud.services.lambda_.execution.streams import ResponseStream
from localcloud.services.lambda_.model import Function, FunctionKey, conflict, not_found, now
from localcloud.services.lambda_.service import LambdaService
from localcloud.services.lambda_.triggers import url_events as events
from localcloud.services.lambda_.triggers.url_responses import UrlResponse, broken, mapped, message
from localcloud.services.lambda_.triggers.url_streams import streamed

HOST = ".lambda-url.localhost"
_FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)


def install(service: LambdaService, invoker: Invoker) -> None:
    """Register the actions and the path."""
    configs = Configs(service)
    for verb in ("Create", "Get", "Update", "Delete"):
        service.cloud.action("lambda", f"{verb}FunctionUrlConfig")(getattr(configs, verb.lower()))
    service.cloud.action("lambda", "ListFunctionUrlConfigs")(configs.list)
    urls = Urls(service, invoker)
    service.cloud.route(PREFIX, urls)
    service.cloud.host(FUNCTION_HOST, urls.by_host)


def url_id(key: FunctionKey, qualifier: str) -> str:
    """Return the id of a function's URL: 32 lower-case letters and digits, the same each time."""
    digest = hashlib.sha256(f"{key.arn}:{qualifier}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:32]


class Configs:
    """The handlers of FunctionUrlConfig."""

    def __init__(self, service: LambdaService) -> None:
        self.service = service
        self.store = service.store

    def create(self, request: AwsRequest) -> dict[str, Any]:
        """CreateFunctionUrlConfig, of the function or of an alias."""
        with self.store.lock:
            function, qualifier = self.service.find(request)
            if qualifier and qualifier not in function.aliases:  # a version has no URL
                raise not_found("Function does not exist")
            if qualifier in function.urls:
                raise conflict(
                    f"Failed to create function url config for [functionArn = {function.key.arn}]. "
                    "Error message:  FunctionUrlConfig exists for this Lambda function"
                )
            config = {"CreationTime": now(), "InvokeMode": "BUFFERED"}
            function.urls[qualifier] = self._changed(config, request.params)
            return self._written(request, function, qualifier, mode="InvokeMode" in request.params)

    def get(self, request: AwsRequest) -> dict[str, Any]:
        """GetFunctionUrlConfig."""
        with self.store.lock:
            return self._written(request, *self._find(request))

    def update(self, request: AwsRequest) -> dict[str, Any]:
        """UpdateFunctionUrlConfig."""
        with self.store.lock:
            function, qualifier = self._find(request)
            function.urls[qualifier] = self._changed(function.urls[qualifier], request.params)
            return self._written(request, function, qualifier, mode="InvokeMode" in request.params)

    def delete(self, request: AwsRequest) -> None:
        """DeleteFunctionUrlConfig."""
        with self.store.lock:
            function, qualifier = self._find(request)
            del function.urls[qualifier]

    def list(self, request: AwsRequest) -> dict[str, Any]:
        """ListFunctionUrlConfigs."""
        with self.store.lock:
            function, _ = self.service.find(request)
            return {"FunctionUrlConfigs": [self._written(request, function, qualifier) for qualifier in function.urls]}

    def _find(self, request: AwsRequest) -> tuple[Function, str]:
        function, qualifier = self.service.find(request)
        if qualifier and qualifier not in function.aliases and request.action.startswith("Update"):
            raise not_found("Function does not exist")
        if qualifier not in function.urls:
            raise not_found("The resource you requested does not exist.")
        return function, qualifier

    def _changed(self, config: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        changes = {name: params[name] for name in ("AuthType", "Cors", "InvokeMode") if params.get(name)}
        changed = {**config, **changes, "LastModifiedTime": now()}
        if params.get("Cors") == {}:  # as Terraform leaves it
            changed.pop("Cors", None)
        return changed

    def _written(self, request: AwsRequest, function: Function, qualifier: str, *, mode: bool = True) -> dict[str, Any]:
        """Write a FunctionUrlConfig. Recorded on AWS: a change's answer shows no InvokeMode that it didn't name."""
        arn = f"{function.key.arn}:{qualifier}" if qualifier else function.key.arn
        url = f"{request.origin}{PREFIX}{url_id(function.key, qualifier)}/"
        shown = {name: value for name, value in function.urls[qualifier].items() if mode or name != "InvokeMode"}
        return {"FunctionUrl": url, "FunctionArn": arn, **shown}


class Urls:
    """The WSGI app behind the path, and behind host names of functions' own."""

    def __init__(self, service: LambdaService, invoker: Invoker) -> None:
        self.service = service
        self.invoker = invoker

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request to a path below `/_url/<id>`."""
        path, _, query = environ["RAW_URI"].partition("?")
        identity, _, rest = path.removeprefix(PREFIX).partition("/")
        host = f"{identity}{HOST}:{environ['SERVER_PORT']}" if is_loopback(environ) else requested_host(environ)
        answer = self._answer(environ, identity, host, "/" + rest, query)
        keep_below(answer, f"{PREFIX}{identity}", host)
        return send(answer, environ, start_response)

    def by_host(self, identity: str, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request to the function's own host name."""
        path, _, query = environ["RAW_URI"].partition("?")
        return send(self._answer(environ, identity, requested_host(environ), path, query), environ, start_response)

    def _answer(self, environ: Environ, identity: str, host: str, path: str, query: str) -> UrlResponse:
        target = self._find(identity)
        if target is None:  # as AWS answers (LocalStack's recording, test_lambda_url_non_existing_url)
            return message(403, None, x_amzn_ErrorType="AccessDeniedException")
        function, qualifier = target
        config = function.urls[qualifier]
        cors = cors_headers(config.get("Cors") or {}, environ)
        if environ["REQUEST_METHOD"] == "OPTIONS" and config.get("Cors") and "HTTP_ORIGIN" in environ:
            return UrlResponse(200, list(cors.items()))
        body = environ["wsgi.input"].read(REQUEST_LIMIT)
        if len(body) == REQUEST_LIMIT:
            return message(413, f"Request must be smaller than {REQUEST_LIMIT} bytes for the InvokeFunction operation")
        try:
            signer = self._permitted(function, qualifier, environ, body)
        except ServiceError as error:
            return message(error.status, error.message, x_amzn_ErrorType=error.code)
        event = events.made(environ, function, identity, host=host, path=path, query=query, body=body, caller=signer)
        request_id = event["requestContext"]["requestId"]
        try:
            stream = ResponseStream() if config.get("InvokeMode") == "RESPONSE_STREAM" else None
            answer = self._invoked(function.key, qualifier, json.dumps(event).encode(), request_id, stream)
            if stream and environ["REQUEST_METHOD"] == "HEAD":
                stream.abandon()
                answer.chunks = None
        except ServiceError as error:
            return message(error.status if error.status == 429 else 502, error.message)  # noqa: PLR2004 - HTTP's own
        if answer.why:
            print(f"the URL of {function.key.name} answered 502: {answer.why}", flush=True)  # noqa: T201 - the cloud's log
        replaced = {name.lower() for name in cors} | {"x-amzn-requestid"}
        answer.headers = [(name, value) for name, value in answer.headers if name.lower() not in replaced]
        answer.headers += [("x-amzn-RequestId", request_id), *cors.items()]
        return answer

    def _invoked(
        self, key: FunctionKey, qualifier: str, payload: bytes, request_id: str, stream: ResponseStream | None
    ) -> UrlResponse:
        """Call the function and return its answer: as it comes where it may stream, and does."""

        def invoke() -> Invoked:
            return self.invoker.invoke(key, qualifier, payload, request_id=request_id, stream=stream)

        content_type = stream.start(invoke) if stream else None
        if stream and content_type is not None:
            return streamed(stream, content_type)
        done = stream.invoked if stream else invoke()
        return broken() if done.outcome.error else mapped(done.outcome.payload)

    def _find(self, identity: str) -> tuple[Function, str] | None:
        with self.service.store.lock:
            for function in self.service.store.functions.values():
                for qualifier in function.urls:
                    if url_id(function.key, qualifier) == identity:
                        return function, qualifier
        return None

    def _permitted(self, function: Function, qualifier: str, environ: Environ, body: bytes) -> Caller | None:
        """Return who signed a request, None where nobody needs to. Raises `ServiceError` for whom no policy allows.

        Both actions must be allowed: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html.
        """
        key, access = function.key, self.service.cloud.access
        with self.service.store.lock:
            kind = str(function.urls[qualifier]["AuthType"])
        caller = ANONYMOUS
        if kind == "AWS_IAM":
            caller = access.authenticate_url(environ, body, key.account, key.region)
        arn = f"{key.arn}:{qualifier}" if qualifier else key.arn
        for action, context in (
            ("lambda:InvokeFunctionUrl", {"lambda:functionurlauthtype": (kind,)}),
            ("lambda:InvokeFunction", {"lambda:invokedviafunctionurl": ("true",)}),
        ):
            if access.refusal(AccessRequest(action, arn, context), caller, key.account):
                raise ServiceError("AccessDeniedException", _FORBIDDEN, 403)
        return caller if caller is not ANONYMOUS else None


def send(answer: UrlResponse, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send an answer."""
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    if answer.chunks is not None:
        start_response(f"{answer.status} {reason(answer.status)}", headers)
        return answer.chunks
    headers.append(("Content-Length", str(len(answer.body))))
    start_response(f"{answer.status} {reason(answer.status)}", headers)
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]


def keep_below(answer: UrlResponse, prefix: str, host: str) -> None:
    """Write redirects within the function as redirects below its path, as a proxy does."""
    for index, (name, value) in enumerate(answer.headers):
        if name.lower() == "location":
            inside = value.removeprefix(f"http://{host}")
            if inside.startswith("/") and not inside.startswith("//"):
                answer.headers[index] = (name, prefix + inside)


def requested_host(environ: Environ) -> str:
    """Return the host that the client named, with the port."""
    return str(environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}")


def is_loopback(environ: Environ) -> bool:
    """Say whether the client reached the cloud on this machine: names below localhost mean the same to it."""
    name = re.sub(r":\d+$", "", requested_host(environ)).strip("[]").lower()
    return name in ("localhost", "::1") or name.startswith("127.")


def cors_headers(config: Mapping[str, Any], environ: Environ) -> dict[str, str]:
    """Return the headers that an answer to a page gets by the URL's `Cors`."""
    origin = environ.get("HTTP_ORIGIN", "")
    allowed = config.get("AllowOrigins") or []
    if not origin or not ("*" in allowed or origin in allowed):
        return {}
    headers = {"Access-Control-Allow-Origin": origin if "*" not in allowed or config.get("AllowCredentials") else "*"}
    if config.get("AllowCredentials"):
        headers["Access-Control-Allow-Credentials"] = "true"
    if environ["REQUEST_METHOD"] == "OPTIONS":
        for header, name in (("Allow-Methods", "AllowMethods"), ("Allow-Headers", "AllowHeaders")):
            if config.get(name):
                headers[f"Access-Control-{header}"] = ",".join(config[name])
        if config.get("MaxAge"):
            headers["Access-Control-Max-Age"] = str(config["MaxAge"])
    if config.get("ExposeHeaders"):
        headers["Access-Control-Expose-Headers"] = ",".join(config["ExposeHeaders"])
    return headers
