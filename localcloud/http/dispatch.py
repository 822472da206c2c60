"""The front of the local cloud: names each request, counts it, applies faults, and hands it on.

To a path route, to a plugin's handler, or to Moto, in this order.
"""

from __future__ import annotations

import functools
import importlib
import io
import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from localcloud.cloud import Cloud, Environ, Request
from localcloud.faults import CallHangs, Fault, Faults
from localcloud.http import origins
from localcloud.http.admin import Admin
from localcloud.http.gate import Gate
from localcloud.http.routing import identify, route_action
from localcloud.http.server import ConnectionCut
from localcloud.protocol import codec
from localcloud.protocol.codec import Response, ServiceError

# Moto isn't thread-safe: a conditional write must be atomic here as it is there. Services whose calls may wait or may
# call functions are left out.
SERIALISED = frozenset({"codedeploy", "dynamodb", "ecr", "iam", "lambda", "logs", "s3", "secretsmanager", "ssm"})
CALLS_KEPT = 200_000
# A function's own host name, here and on AWS; whatever its path, the request is the function's
FUNCTION_HOST = re.compile(r"([a-z0-9]{32})\.lambda-url\.(?:localhost|[a-z0-9-]+\.on\.aws)\.?(?::\d+)?")
FUNCTION_PATH = "/_url/"
NOT_OFFERED = "NotOfferedByLocalCloud"
BROKEN = "LocalCloudError"


class Front:
    """The WSGI app. `calls` lists `service:Action` of every request that came over HTTP."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        cloud.front = self
        self.faults = Faults()
        self.calls: deque[str] = deque(maxlen=CALLS_KEPT)
        self._locks = {name: threading.RLock() for name in SERIALISED}
        self._moto: Any = None
        self._moto_lock = threading.Lock()
        self.admin = Admin(self)
        self.gate = Gate()
        self.served = 0
        self.busy = 0
        cloud.route("/_stepladder/", self.admin)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        if self.cloud.hosts and (named := FUNCTION_HOST.fullmatch(environ.get("HTTP_HOST", "").lower())):
            answer: Iterable[bytes] = self.cloud.hosts(named[1], environ, start_response)
            return answer
        path = environ["PATH_INFO"]
        if not path.startswith(FUNCTION_PATH) and (why := origins.refusal(environ, self.cloud.names)):
            return _forbidden(why, start_response)
        signed = environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4-HMAC")
        for prefix, app in self.cloud.routes:
            if path.startswith(prefix) and (prefix.startswith("/_") or not signed):
                chunks: Iterable[bytes] = app(environ, start_response)
                return chunks
        self.busy += 1
        try:
            response = self.answer(identify(environ, environ["wsgi.input"].read(), self.cloud))
        finally:
            self.busy -= 1
            self.served += 1
        headers = [(k, v) for k, v in response.headers.items() if k.lower() != "content-length"]
        if not (environ["REQUEST_METHOD"] == "HEAD" and "Content-Length" in response.headers):
            headers.append(("Content-Length", str(len(response.body))))
        else:
            headers.append(("Content-Length", response.headers["Content-Length"]))
        start_response(f"{response.status} {reason(response.status)}", headers)
        return [response.body]

    def answer(self, request: Request) -> Response:
        """Count a request, apply a fault, and answer it."""
        self.calls.append(f"{request.service}:{request.action or '?'}")
        fault = self.faults.pick(request)
        try:
            if fault:
                return self._with_fault(request, fault)
            return self._answer(request)
        except ServiceError as error:
            return codec.serialize_error(request.service, request.protocol, error)

    def call(self, service: str, action: str, params: Mapping[str, Any], region: str, account: str) -> dict[str, Any]:
        """Call an action from inside; see `Cloud.call`."""
        request = self._compose(service, action, params, region, account)
        result = self._dispatch(request)
        if isinstance(result, Response):
            return codec.parse_response(request.operation, result, request.protocol)
        return dict(result or {})

    def request(
        self, service: str, action: str, params: Mapping[str, Any], region: str, account: str
    ) -> dict[str, Any]:
        """Call an action from inside as if from outside; see `Cloud.request`."""
        request = self._compose(service, action, params, region, account)
        self.calls.append(f"{service}:{action}")
        self.served += 1
        fault = self.faults.pick(request)
        if fault and fault.kind == "timeout":
            raise CallHangs
        response = self._with_fault(request, fault) if fault else self._answer(request)
        if fault and fault.kind == "malformed":
            raise ConnectionCut  # to an SDK, an answer that can't be read is no answer
        return codec.parse_response(request.operation, response, request.protocol)

    def warm(self, service: str) -> None:
        """Import a service's part of Moto and botocore's model of it."""
        codec.service_model(service)
        self._moto = self._moto or _moto_app()
        module = {"lambda": "awslambda"}.get(service, service)
        importlib.import_module(f"moto.{module}.responses")

    def lock_of(self, service: str) -> AbstractContextManager[Any]:
        """Return the lock under which a service's calls reach Moto; one that locks nothing where order is no matter."""
        return self._locks.get(service, nullcontext())

    def _with_fault(self, request: Request, fault: Fault) -> Response:
        if fault.kind in ("delay_before", "timeout"):
            time.sleep(fault.seconds)
        if fault.kind in ("cut", "timeout"):
            raise ConnectionCut
        if fault.kind in ("throttle", "error", "access_denied"):
            raise fault.error(request.service)
        response = self._answer(request)
        if fault.kind == "delay":
            time.sleep(fault.seconds)
        if fault.kind == "malformed":
            return Response(response.status, response.headers, response.body[: len(response.body) // 2] + b"\x00")
        if fault.kind == "cut_after":
            raise ConnectionCut
        if fault.kind == "crash":
            sys.stderr.write(f"crash: a fault ends the process after {request.service}:{request.action}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return response

    def _answer(self, request: Request) -> Response:
        try:
            result = self._dispatch(request)
            if isinstance(result, Response):
                return result
            return codec.serialize_result(request.operation, request.protocol, result or {})
        except ServiceError as error:
            return codec.serialize_error(request.service, request.protocol, error)

    def _dispatch(self, request: Request) -> Mapping[str, Any] | Response | None:
        handler = self.cloud.handlers.get((request.service, request.action))
        try:
            with self.gate.passing(request.service, request.action):
                return handler(request) if handler else self.to_moto(request, None)
        except (ServiceError, ConnectionCut):
            raise
        except Exception as error:
            raise _broken(request, error) from error

    def to_moto(self, request: Request, params: Mapping[str, Any] | None) -> Response:
        """Return Moto's answer; what Moto doesn't offer, or breaks on, is a 4xx that no client retries."""
        if params is not None:
            request = self._compose(request.service, request.action, params, request.region, request.account)
        environ = dict(request.environ)
        environ["wsgi.input"] = io.BytesIO(request.body)
        environ["CONTENT_LENGTH"] = str(len(request.body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        try:
            with self.lock_of(request.service):
                response = self._run_moto(environ)
        except NotImplementedError:
            raise _not_offered(request) from None
        except ServiceError:
            raise
        except Exception as error:
            raise _broken(request, error) from error
        if response.status == HTTPStatus.NOT_FOUND and _is_unrouted(request, response):
            raise _not_offered(request)
        if response.status == HTTPStatus.NOT_IMPLEMENTED:
            raise _not_offered(request)
        return response

    def _run_moto(self, environ: Environ) -> Response:
        if self._moto is None:
            with self._moto_lock:
                self._moto = self._moto or _moto_app()
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
            started[:] = [int(status.split(" ", 1)[0]), headers]

        chunks = self._moto(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        return Response(started[0], dict(started[1]), body)

    def _compose(self, service: str, action: str, params: Mapping[str, Any], region: str, account: str) -> Request:
        """Make the request that botocore would send."""
        operation = codec.operation_model(service, action)
        made = codec.serialize_request(operation, params)
        body = made["body"]
        if isinstance(body, Mapping):
            body = urlencode(body)
        body = body.read() if hasattr(body, "read") else body
        body = body.encode() if isinstance(body, str) else bytes(body)
        url = urlsplit(made["url_path"])
        query = urlencode(made["query_string"]) if isinstance(made["query_string"], Mapping) else made["query_string"]
        query = "&".join(q for q in (url.query, query) if q)
        model = codec.service_model(service)
        scope = f"Credential={account}/20260101/{region}/{model.signing_name}/aws4_request"
        host = urlsplit(self.cloud.url).netloc
        environ: Environ = {
            "REQUEST_METHOD": made["method"],
            "SCRIPT_NAME": "",
            "PATH_INFO": url.path,
            "QUERY_STRING": query,
            "RAW_URI": f"{url.path}?{query}" if query else url.path,
            "SERVER_NAME": host.partition(":")[0],
            "SERVER_PORT": host.partition(":")[2],
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": host,
            "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
            "HTTP_X_MOTO_ACCOUNT_ID": account,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
        }
        for name, value in made["headers"].items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        if operation.service_model.resolved_protocol == "query":
            environ.setdefault("CONTENT_TYPE", "application/x-www-form-urlencoded; charset=utf-8")
        uri_params = route_action(service, environ)[1] if model.protocol.startswith("rest") else {}
        return Request(
            service=service,
            action=action,
            protocol=str(model.resolved_protocol),
            region=region,
            account=account,
            method=made["method"],
            path=url.path,
            query={},
            headers={k.lower(): str(v) for k, v in made["headers"].items()},
            body=body,
            environ=environ,
            uri_params=uri_params,
            cloud=self.cloud,
        )


def _moto_app() -> Any:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    def create(service: Any) -> Any:
        if service is None:
            raise NotImplementedError
        return create_backend_app(service)

    application: Any = DomainDispatcherApplication(create)
    # Moto lists its own folder and tries a hundred patterns to find out, for each request, which service a host is
    application.get_backend_for_host = functools.lru_cache(1024)(application.get_backend_for_host)
    return application


def _forbidden(why: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = json.dumps({"message": why}).encode()
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", "AccessDeniedException")]
    start_response("403 Forbidden", [*headers, ("Content-Length", str(len(body)))])
    return [body]


def reason(status: int) -> str:
    """Return the words for a status that HTTP knows."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _is_unrouted(request: Request, response: Response) -> bool:
    """Say whether a 404 came from Moto's router and not from the service."""
    if not request.action:
        return request.service != "s3"
    return b"<title>404 Not Found</title>" in response.body


def _not_offered(request: Request) -> ServiceError:
    name = f"{request.service}:{request.action or f'{request.method} {request.path}'}"
    return ServiceError(NOT_OFFERED, f"the local cloud does not offer {name}", HTTPStatus.BAD_REQUEST)


def _broken(request: Request, error: Exception) -> ServiceError:
    """Make the error for a fault of the emulator: no retry heals it, so it isn't a 5xx; the log has the traceback."""
    name = f"{request.service}:{request.action}"
    sys.stderr.write(f"{name} broke\n{''.join(traceback.format_exception(error))}")
    sys.stderr.flush()
    return ServiceError(
        BROKEN, f"the local cloud broke on {name}: {type(error).__name__}: {error}", HTTPStatus.BAD_REQUEST
    )
