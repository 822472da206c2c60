"""Moto's own services call functions in process: bring them here.

Log subscriptions and Secrets Manager call Moto's Lambda backend, which keeps nothing here. This stands in for the parts
of it that they use.
"""

from __future__ import annotations

import threading
from typing import Any

from localcloud.callers import ServiceCaller
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.model import parse_name
from localcloud.services.lambda_.triggers.deliveries import FunctionDeliveries


def install(deliveries: FunctionDeliveries) -> None:
    """Put ourselves in the place of Moto's backend."""

    def get_backend(account_id: str, region: str) -> Backend:
        return Backend(deliveries, account_id, region)

    def redirect() -> None:
        from moto.awslambda import utils

        utils.get_backend = get_backend

    threading.Thread(
        target=redirect, daemon=True, name="redirect-moto"
    ).start()  # the import would keep the cloud from ready


class Backend:
    """What Moto's services use of its LambdaBackend, for one account and region."""

    def __init__(self, deliveries: FunctionDeliveries, account: str, region: str) -> None:
        self._deliveries = deliveries
        self._account = account
        self._region = region

    def get_function(self, name: str, *_args: Any, **_kwargs: Any) -> InvokedResponse:
        """Return a function by name or ARN."""
        return InvokedResponse(self, name)

    def invoke(self, function_name: str, qualifier: str | None, body: Any, *_args: Any, **_kwargs: Any) -> str:
        """Invoke asynchronously, as Secrets Manager does."""
        self.send(f"{function_name}:{qualifier}" if qualifier else function_name, body, "secretsmanager.amazonaws.com")
        return ""

    def send(self, name: str, body: Any, principal: str) -> None:
        """Queue an event for a function, if its resource policy lets the service call it."""
        key, qualifier = parse_name(name, self._account, self._region)
        caller = ServiceCaller(principal, source_account=self._account)
        arn = f"{key.arn}:{qualifier}" if qualifier else key.arn
        try:
            self._deliveries.send(caller, arn, body if isinstance(body, bytes) else str(body).encode())
        except ServiceError as error:
            print(f"{principal} can't call {name}: {error}", flush=True)  # noqa: T201 - the cloud's own log

    def send_log_event(
        self,
        *_args: Any,
        **_kwargs: Any,
    ) -> None:
        """Subscriptions of log groups to functions aren't offered."""


class InvokedResponse:
    """A function as Secrets Manager's rotation sees it."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend = backend
        self._name = name

    def invoke(self, body: str, *_args: Any) -> None:
        """Invoke asynchronously."""
        self._backend.send(self._name, body, "secretsmanager.amazonaws.com")
