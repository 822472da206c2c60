"""Faults of the container registry: what `docker push` speaks to is no AWS API, and is met by rules of its own.

Such a rule's `service` is `registry`, its `action` an HTTP method, and `body` a part of the path, for example
`/manifests/` or `/blobs/uploads/`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from localcloud.cloud import AwsRequest, Environ, WsgiApp
from localcloud.faults import CODES, REGISTRY, Fault, Faults
from localcloud.http.server import ConnectionCut, reason

PREFIX = "/v2/"


def meeting(faults: Faults, app: WsgiApp) -> WsgiApp:
    """Return the registry's app as faults leave it."""

    def faulty(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        fault = faults.pick(_request(environ))
        if fault is None:
            chunks: Iterable[bytes] = app(environ, start_response)
            return chunks
        if fault.kind in ("delay_before", "timeout"):
            faults.delay(fault)
        return _answer(fault, environ, start_response) or app(environ, start_response)

    return faulty


def _answer(fault: Fault, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
    """Return the answer in the registry's place; none when it only answers late."""
    if fault.kind in ("cut", "timeout"):
        raise ConnectionCut
    if fault.kind not in CODES:
        return []
    error = fault.error(REGISTRY)
    environ["wsgi.input"].read()
    body = json.dumps({"errors": [{"code": error.code, "message": error.message}]}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(f"{error.status} {reason(error.status)}", headers)
    return [body]


def _request(environ: Environ) -> AwsRequest:
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    return AwsRequest(REGISTRY, method, "", "", "", method, path, {}, {}, b"", environ)
