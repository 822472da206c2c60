"""`/_stepladder/lambda/...`: what tests and the curious may ask of the Lambda service, beyond AWS.

POST `fail` {"function", "code", "reason"}: the next update of the function ends as Failed. POST `seed` {"seed"}: make
weighted routing repeatable. POST `settle` {"seconds"}: how long Pending and InProgress last. POST `flush`: wait until
all log lines are written. GET `code/<name>`: a deployment package, as GetFunction links it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from localcloud.cloud import ACCOUNT, REGION, Environ, Response, json_response
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import Invoker
from localcloud.services.lambda_.model import parse_name
from localcloud.services.lambda_.service import LambdaService

PREFIX = "/_stepladder/lambda/"


class Pages:
    """The WSGI app."""

    def __init__(self, service: LambdaService, invoker: Invoker) -> None:
        self._service = service
        self._invoker = invoker

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        page = environ["PATH_INFO"].removeprefix(PREFIX)
        try:
            if environ["REQUEST_METHOD"] == "GET":
                response = self._code(page)
            else:
                response = self._order(page, json.loads(environ["wsgi.input"].read() or b"{}"))
        except ServiceError as error:
            response = json_response({"error": error.message}, error.status)
        except (ValueError, KeyError, TypeError) as error:
            response = json_response({"error": f"{type(error).__name__}: {error}"}, 400)
        start_response(f"{response.status} -", [*response.headers.items(), ("Content-Length", str(len(response.body)))])
        return [response.body]

    def _code(self, page: str) -> Response:
        match = re.fullmatch(r"code/([0-9a-f]{64}\.zip)", page)
        path = self._service.code.folder / match[1] if match else None
        if path is None or not path.exists():
            return json_response({"error": "no such package"}, 404)
        return Response(200, {"Content-Type": "application/zip"}, path.read_bytes())

    def _order(self, page: str, order: dict[str, Any]) -> Response:
        if page == "fail":
            key, _ = parse_name(order["function"], order.get("account", ACCOUNT), order.get("region", REGION))
            with self._service.store.lock:
                reason = order.get("reason", "made to fail")
                self._service.store.get(key).next_failure = (order.get("code", "InternalError"), reason)
            return json_response({})
        if page == "seed":
            self._invoker.random.seed(order["seed"])
            return json_response({})
        if page == "settle":
            self._service.settle_seconds = float(order["seconds"])
            return json_response({})
        if page == "flush":
            self._invoker.logs.flush()
            return json_response({})
        return json_response({"error": f"no such page: {page}"}, 404)
