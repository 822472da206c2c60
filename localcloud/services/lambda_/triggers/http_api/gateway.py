"""The WSGI app of HTTP APIs: from a request to the route, the function and the answer."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import uuid4

from localcloud.access.callers import Caller
from localcloud.authorization.model import AccessRequest
from localcloud.callers import ServiceCaller
from localcloud.cloud import Cloud, Environ
from localcloud.http.function_addresses import API_PATH
from localcloud.launchers.runtime_api import REQUEST_LIMIT
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.triggers import url_events, urls
from localcloud.services.lambda_.triggers.deliveries import FunctionDeliveries
from localcloud.services.lambda_.triggers.http_api import answers, cors, payloads
from localcloud.services.lambda_.triggers.http_api.payloads import ApiRequest
from localcloud.services.lambda_.triggers.http_api.routes import DEFAULT, RouteMatch, select
from localcloud.services.lambda_.triggers.url_responses import UrlResponse
from stepladder.core.names import partition_of

SERVICE = "apigateway.amazonaws.com"
HOST = ".execute-api.localhost"
_BODY_LIMIT = 10 * 1024 * 1024
_WORKERS = 64
_THROTTLED = 429
_FUNCTION = re.compile(
    r"(?:arn:[\w-]+:apigateway:[^:]+:lambda:path/[\d-]+/functions/)?(arn:[\w-]+:lambda:[^/]+)(?:/.*)?"
)


class Gateway:
    """Answers requests to APIs."""

    def __init__(self, cloud: Cloud, deliveries: FunctionDeliveries) -> None:
        self._cloud = cloud
        self._deliveries = deliveries
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="http-api")

    def close(self) -> None:
        """Call nothing more."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request to a path below `/_api/<id>`."""
        path, _, query = environ["RAW_URI"].partition("?")
        identity, _, rest = path.removeprefix(API_PATH).partition("/")
        loopback = urls.is_loopback(environ)
        host = f"{identity}{HOST}:{environ['SERVER_PORT']}" if loopback else urls.requested_host(environ)
        answer = self._answer(environ, identity, host, "/" + rest, query)
        urls.keep_below(answer, f"{API_PATH}{identity}", host)
        return urls.send(answer, environ, start_response)

    def by_host(self, identity: str, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request to the API's own host name."""
        path, _, query = environ["RAW_URI"].partition("?")
        answer = self._answer(environ, identity, urls.requested_host(environ), path, query)
        return urls.send(answer, environ, start_response)

    def _answer(self, environ: Environ, identity: str, host: str, raw: str, query: str) -> UrlResponse:
        api, account, region = _find(identity)
        path = unquote_to_bytes(raw).decode("utf-8", "replace")
        stage, inner = _stage(api, path) if api is not None else (None, path)
        if stage is None:
            return answers.refusal(404, "Not Found")
        config = api.cors_configuration or {}
        match = select(list(api.routes.values()), environ["REQUEST_METHOD"], inner)
        refused = _refused(environ, match, config)
        if refused or match is None:
            return _with_cors(refused or answers.refusal(404, "Not Found"), config, environ)
        body = environ["wsgi.input"].read(_BODY_LIMIT + 1)
        if len(body) > _BODY_LIMIT:
            return _with_cors(answers.refusal(413, "Request Entity Too Large"), config, environ)
        request = ApiRequest(
            environ=environ,
            api=identity,
            account=account,
            stage=stage.name,
            stage_variables=dict(stage.stage_variables or {}),
            route_key=str(match.route.route_key),
            variables=match.variables,
            host=host,
            path=path,
            query=query,
            body=body,
            identity=None,
            request_id=str(uuid4()),
        )
        if _needs_signature(match):
            caller = self._permitted(request, region, inner)
            if caller is None:
                return _with_cors(answers.refusal(403, "Forbidden"), config, environ)
            request = replace(request, identity=url_events.identity_of(caller))
        answer = self._call(api, region, match, request)
        if answer.why:
            sys.stdout.write(f"the API {api.name} answered {answer.status} on {request.route_key}: {answer.why}\n")
            sys.stdout.flush()
        answer.headers.append(("Apigw-Requestid", request.request_id))
        return _with_cors(answer, config, environ)

    def _permitted(self, request: ApiRequest, region: str, path: str) -> Caller | None:
        """Return who signed a request, or None where the signature is wrong or the caller may not invoke the API."""
        access, method = self._cloud.access, request.environ["REQUEST_METHOD"]
        arn = f"{_execution(region, request)}/{request.stage}/{method}{path}"
        try:
            caller = access.authenticate_url(request.environ, request.body, request.account, region, "execute-api")
        except ServiceError:
            return None
        refused = access.refusal(AccessRequest("execute-api:Invoke", arn), caller, request.account)
        return None if refused else caller

    def _call(self, api: Any, region: str, match: RouteMatch, request: ApiRequest) -> UrlResponse:
        target = str(match.route.target or "").removeprefix("integrations/")
        integration = api.integrations.get(target)
        if integration is None:
            return answers.broken("its route has no integration")
        function = _FUNCTION.fullmatch(_filled(str(integration.integration_uri or ""), request))
        if integration.integration_type != "AWS_PROXY" or function is None:
            return answers.broken(f"the local cloud calls functions only, not {integration.integration_uri}")
        version = str(integration.payload_format_version or "1.0")
        event = payloads.version_two(request) if version == "2.0" else payloads.version_one(request)
        payload = json.dumps(event).encode()
        if len(payload) > REQUEST_LIMIT:
            return answers.refusal(413, "Request Entity Too Large")
        caller = _caller(region, request, str(integration.credentials_arn or ""))
        return self._invoke(caller, function[1], payload, int(integration.timeout_in_millis), version)

    def _invoke(self, caller: ServiceCaller, arn: str, payload: bytes, milliseconds: int, version: str) -> UrlResponse:
        call = self._workers.submit(self._deliveries.call, caller, arn, payload)
        try:
            done = call.result(milliseconds / 1000)
        except FutureTimeoutError:
            return answers.unavailable(f"it took longer than {milliseconds} ms")
        except ServiceError as error:
            throttled = error.status == _THROTTLED
            return answers.unavailable(str(error)) if throttled else answers.broken(str(error))
        if done.outcome.error:
            return answers.broken("the function failed")
        return answers.answered(done.outcome.payload, version)


def _caller(region: str, request: ApiRequest, role: str) -> ServiceCaller:
    """Name the caller of a function: the API's stage and the route's path by the request's method."""
    method, _, pattern = request.route_key.rpartition(" ")
    path = f"{request.environ['REQUEST_METHOD']}{pattern}" if method else DEFAULT
    return ServiceCaller(SERVICE, f"{_execution(region, request)}/{request.stage}/{path}", request.account, role)


def _execution(region: str, request: ApiRequest) -> str:
    return f"arn:{partition_of(region)}:execute-api:{region}:{request.account}:{request.api}"


def _find(identity: str) -> tuple[Any, str, str]:
    """Return Moto's API, its account and its region."""
    backends = getattr(sys.modules.get("moto.apigatewayv2.models"), "apigatewayv2_backends", {})
    for account, regions in list(backends.items()):
        for region, backend in list(regions.items()):
            api = backend.apis.get(identity)
            if api is not None and api.protocol_type == "HTTP" and not api.disable_execute_api_endpoint:
                return api, account, region
    return None, "", ""


def _stage(api: Any, path: str) -> tuple[Any, str]:
    """Return the stage that a path names, and the rest of the path."""
    name, _, rest = path.removeprefix("/").partition("/")
    stage = api.stages.get(name) if name != DEFAULT else None
    if stage is None:
        stage, rest = api.stages.get(DEFAULT), path.removeprefix("/")
    if stage is None or not (stage.auto_deploy or stage.config.get("deploymentId")):
        return None, path
    return stage, f"/{rest}"


def _filled(text: str, request: ApiRequest) -> str:
    """Fill stage variables into an integration's address."""
    return re.sub(r"\$\{stageVariables\.(\w+)\}", lambda name: request.stage_variables.get(name[1], ""), text)


def _needs_signature(match: RouteMatch) -> bool:
    return bool(match.route.authorization_type == "AWS_IAM")


def _refused(environ: Environ, match: RouteMatch | None, config: dict[str, Any]) -> UrlResponse | None:
    """Answer what reaches no function: what is not signed, and a browser's question where CORS is configured."""
    if match is not None and _needs_signature(match) and not _is_signed(environ):
        return answers.refusal(403, "Forbidden")
    return UrlResponse(204) if config and cors.is_preflight(environ) else None


def _is_signed(environ: Environ) -> bool:
    header = str(environ.get("HTTP_AUTHORIZATION", ""))
    return header.startswith("AWS4-HMAC-SHA256") or "X-Amz-Credential=" in environ["QUERY_STRING"]


def _with_cors(answer: UrlResponse, config: dict[str, Any], environ: Environ) -> UrlResponse:
    """Put API Gateway's own CORS headers in the place of a function's."""
    if config:
        kept = [pair for pair in answer.headers if not pair[0].lower().startswith("access-control-")]
        answer.headers = [*kept, *cors.headers(config, environ)]
    return answer
