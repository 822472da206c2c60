"""Every request's way through the local cloud: it is named, counted, met by faults, and handed on.

The first of these answers it: a path route, a service's handler, Moto.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from typing import Any

from localcloud.access.callers import Caller, root_of
from localcloud.callers import ServiceCaller
from localcloud.cloud import AwsRequest, Cloud, Environ
from localcloud.faults import CallHangs, Fault, Faults
from localcloud.http import origins, registry_faults
from localcloud.http.admin import Admin
from localcloud.http.call_gate import CallGate
from localcloud.http.compose import compose
from localcloud.http.function_addresses import API_PATH, FUNCTION_PATH
from localcloud.http.moto import Moto, broken
from localcloud.http.routing import identify
from localcloud.http.server import ConnectionCut, reason
from localcloud.protocol import codec
from localcloud.protocol.codec import Response, ServiceError

CALLS_KEPT = 200_000


class Dispatcher:
    """The WSGI app. `calls` lists `service:Action` of every request that came over HTTP."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        cloud.dispatcher = self
        self.faults = Faults()
        self.calls: deque[str] = deque(maxlen=CALLS_KEPT)
        self.moto = Moto(cloud)
        self.admin = Admin(cloud, self.calls, self.faults)
        self.gate = CallGate()
        self.served = 0
        self.busy = 0
        cloud.route("/_stepladder/", self.admin)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        host = environ.get("HTTP_HOST", "").lower()
        for pattern, app_of in self.cloud.hosts:
            if named := pattern.fullmatch(host):
                return app_of(named[1], environ, start_response)
        path = environ["PATH_INFO"]
        if not path.startswith((API_PATH, FUNCTION_PATH)) and (why := origins.refusal(environ, self.cloud.names)):
            return _forbidden(why, start_response)
        signed = environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4-HMAC")
        for prefix, app in self.cloud.routes:
            if path.startswith(prefix) and (prefix.startswith("/_") or not signed):
                if prefix == registry_faults.PREFIX:
                    app = registry_faults.meeting(self.faults, app)  # noqa: PLW2901
                chunks: Iterable[bytes] = app(environ, start_response)
                return chunks
        self.busy += 1
        try:
            response = self.answer(identify(environ, environ["wsgi.input"].read(), self.cloud))
        finally:
            self.busy -= 1
            self.served += 1
        headers = [(k, v) for k, v in response.headers.items() if k.lower() != "content-length"]
        if response.chunks is not None:
            start_response(f"{response.status} {reason(response.status)}", headers)
            return response.chunks
        if not (environ["REQUEST_METHOD"] == "HEAD" and "Content-Length" in response.headers):
            headers.append(("Content-Length", str(len(response.body))))
        else:
            headers.append(("Content-Length", response.headers["Content-Length"]))
        if not any(name.lower() == "date" for name, _ in headers):  # SDKs read the time from it, as on AWS
            headers.append(("Date", formatdate(usegmt=True)))
        start_response(f"{response.status} {reason(response.status)}", headers)
        return [response.body]

    def answer(self, request: AwsRequest) -> Response:
        """Count a request, apply a fault, and answer it."""
        self.calls.append(f"{request.service}:{request.action or '?'}")
        fault = self.faults.pick(request)
        try:
            if fault:
                return self._with_fault(request, fault)
            return self._answer(request)
        except ServiceError as error:
            return codec.serialize_error(request.service, request.protocol, error)

    def call(
        self,
        service: str,
        action: str,
        params: Mapping[str, Any],
        region: str,
        account: str,
        caller: Caller | ServiceCaller | None = None,
    ) -> dict[str, Any]:
        """Call an action from inside. See `Cloud.call`."""
        request = compose(self.cloud, service, action, params, region, account)
        if caller is not None:
            request.caller = caller
            self.cloud.access.check(request, caller)
        result = self._dispatch(request)
        if isinstance(result, Response):
            return codec.parse_response(request.operation, result, request.protocol)
        return dict(result or {})

    def request(
        self,
        service: str,
        action: str,
        params: Mapping[str, Any],
        region: str,
        account: str,
        caller: Caller | ServiceCaller | None = None,
    ) -> dict[str, Any]:
        """Call an action from inside as if from outside. See `Cloud.request`."""
        request = compose(self.cloud, service, action, params, region, account)
        request.caller = caller or root_of(account, region)
        self.calls.append(f"{service}:{action}")
        self.served += 1
        fault = self.faults.pick(request)
        if fault and fault.kind == "timeout":
            raise CallHangs
        response = self._with_fault(request, fault) if fault else self._answer(request)
        if fault and fault.kind == "malformed":
            raise ConnectionCut  # to an SDK, an answer that can't be read is no answer
        return codec.parse_response(request.operation, response, request.protocol)

    def _with_fault(self, request: AwsRequest, fault: Fault) -> Response:
        if fault.kind in ("delay_before", "timeout"):
            self.faults.delay(fault)
        if fault.kind in ("cut", "timeout"):
            raise ConnectionCut
        if fault.kind in ("throttle", "error", "access_denied"):
            raise fault.error(request.service)
        response = self._answer(request)
        if fault.kind == "delay":
            self.faults.delay(fault)
        if fault.kind == "malformed":
            return Response(response.status, response.headers, response.body[: len(response.body) // 2] + b"\x00")
        if fault.kind == "cut_after":
            raise ConnectionCut
        if fault.kind == "crash":
            sys.stderr.write(f"crash: a fault ends the process after {request.service}:{request.action}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return response

    def _answer(self, request: AwsRequest) -> Response:
        try:
            if request.caller is None:
                request.caller = self.cloud.access.authenticate(request)
            self.cloud.access.check(request, request.caller)
            result = self._dispatch(request)
            if isinstance(result, Response):
                return result
            return codec.serialize_result(request.operation, request.protocol, result or {})
        except ServiceError as error:
            return codec.serialize_error(request.service, request.protocol, error)

    def _dispatch(self, request: AwsRequest) -> Mapping[str, Any] | Response | None:
        handler = self.cloud.handlers.get((request.service, request.action))
        try:
            with self.gate.passing(request.service, request.action):
                return handler(request) if handler else self.moto.answer(request, None)
        except (ServiceError, ConnectionCut):
            raise
        except Exception as error:
            raise broken(request, error) from error


def _forbidden(why: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = json.dumps({"message": why}).encode()
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", "AccessDeniedException")]
    start_response("403 Forbidden", [*headers, ("Content-Length", str(len(body)))])
    return [body]
