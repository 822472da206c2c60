"""Moto behind the local cloud: it answers what no handler of ours does."""

from __future__ import annotations

import functools
import importlib
import io
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, Environ
from localcloud.http.compose import compose
from localcloud.protocol import codec
from localcloud.protocol.codec import Response, ServiceError

# Moto isn't thread-safe: a conditional write must be atomic here as it is there. Services whose calls may wait or may
# call functions are left out.
SERIALISED = frozenset({"codedeploy", "dynamodb", "ecr", "iam", "lambda", "logs", "s3", "secretsmanager", "ssm"})
NOT_OFFERED = "NotOfferedByLocalCloud"
BROKEN = "LocalCloudError"


class Moto:
    """Moto's server, called in this process. Its modules are imported when first needed."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._locks = {name: threading.RLock() for name in SERIALISED}
        self._app: Any = None
        self._making = threading.Lock()

    def warm(self, service: str) -> None:
        """Import a service's part of Moto, and botocore's model of the service."""
        codec.service_model(service)
        self._app = self._app or _moto_app()
        module = {"lambda": "awslambda"}.get(service, service)
        importlib.import_module(f"moto.{module}.responses")

    def lock_of(self, service: str) -> AbstractContextManager[Any]:
        """Return the lock under which a service's calls reach Moto. It locks nothing where order doesn't matter."""
        return self._locks.get(service, nullcontext())

    def answer(self, request: AwsRequest, params: Mapping[str, Any] | None) -> Response:
        """Return Moto's answer. What Moto doesn't offer, or breaks on, is a 4xx that no client retries."""
        if params is not None:
            request = compose(self._cloud, request.service, request.action, params, request.region, request.account)
        environ = dict(request.environ)
        environ["wsgi.input"] = io.BytesIO(request.body)
        environ["CONTENT_LENGTH"] = str(len(request.body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        try:
            with self.lock_of(request.service):
                response = self._run(environ)
        except NotImplementedError:
            raise _not_offered(request) from None
        except ServiceError:
            raise
        except Exception as error:
            raise broken(request, error) from error
        if response.status == HTTPStatus.NOT_FOUND and _is_unrouted(request, response):
            raise _not_offered(request)
        if response.status == HTTPStatus.NOT_IMPLEMENTED:
            raise _not_offered(request)
        return response

    def _run(self, environ: Environ) -> Response:
        if self._app is None:
            with self._making:
                self._app = self._app or _moto_app()
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
            started[:] = [int(status.split(" ", 1)[0]), headers]

        chunks = self._app(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        return Response(started[0], dict(started[1]), body)


def _moto_app() -> Any:
    from moto.core.common_models import BaseModel
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    # Moto keeps each object it ever made, for a dashboard; a transaction of DynamoDB copies its whole table twice
    BaseModel.__new__ = _untracked

    def create(service: Any) -> Any:
        if service is None:
            raise NotImplementedError
        return create_backend_app(service)

    application: Any = DomainDispatcherApplication(create)
    # Moto lists its own folder and tries a hundred patterns to find out, for each request, which service a host is
    application.get_backend_for_host = functools.lru_cache(1024)(application.get_backend_for_host)
    return application


def _untracked(cls: Any, *_: Any, **__: Any) -> Any:
    return object.__new__(cls)


def _is_unrouted(request: AwsRequest, response: Response) -> bool:
    """Say whether a 404 came from Moto's router and not from the service."""
    if not request.action:
        return request.service != "s3"
    return b"<title>404 Not Found</title>" in response.body


def _not_offered(request: AwsRequest) -> ServiceError:
    name = f"{request.service}:{request.action or f'{request.method} {request.path}'}"
    return ServiceError(NOT_OFFERED, f"the local cloud does not offer {name}", HTTPStatus.BAD_REQUEST)


def broken(request: AwsRequest, error: Exception) -> ServiceError:
    """Make the error for a fault of the emulator: no retry heals it, so it isn't a 5xx. The log has the traceback."""
    name = f"{request.service}:{request.action}"
    sys.stderr.write(f"{name} broke\n{''.join(traceback.format_exception(error))}")
    sys.stderr.flush()
    return ServiceError(
        BROKEN, f"the local cloud broke on {name}: {type(error).__name__}: {error}", HTTPStatus.BAD_REQUEST
    )
