"""What a service sees of the local cloud.

A service is a folder in `localcloud.services`. Its `api` module has `install(cloud)`, which registers handlers of
actions and path routes, and takes part in stopping and in keeping state. docs/reference/local-cloud.md describes how.
"""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from localcloud.access.callers import Caller
from localcloud.access.gate import AccessGate
from localcloud.callers import ServiceCaller
from localcloud.clock import CloudClock
from localcloud.metrics import Metrics
from localcloud.protocol import codec
from localcloud.protocol.codec import Response, ServiceError
from localcloud.repositories import GitRepositories

ACCOUNT = "123456789012"
REGION = "us-east-1"

Environ = dict[str, Any]
Handler = Callable[["AwsRequest"], "Mapping[str, Any] | Response | None"]
Method = TypeVar("Method", bound=Callable[..., Any])
WsgiApp = Callable[[Environ, Callable[..., Any]], Any]
HostApp = Callable[[str, Environ, Callable[..., Any]], Iterable[bytes]]


@dataclass
class AwsRequest:
    """One AWS request. `headers` has lower-case names. `service` and `action` are botocore's names."""

    service: str
    action: str
    protocol: str
    region: str
    account: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    environ: Environ = field(repr=False)
    uri_params: dict[str, Any] = field(default_factory=dict)
    caller: Caller | ServiceCaller | None = None  # of a call from inside; the dispatcher authenticates others
    cloud: Cloud = field(repr=False, default=cast("Cloud", None))  # the dispatcher always sets it
    _params: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def origin(self) -> str:
        """The cloud's address as this client knows it: it may be on another machine, or in a container."""
        host = self.environ.get("HTTP_HOST", "")
        return f"http://{host}" if host else self.cloud.url.rstrip("/")

    @property
    def operation(self) -> Any:
        """Botocore's model of the action, or None when it knows no such action."""
        return codec.operation_model(self.service, self.action)

    @property
    def params(self) -> dict[str, Any]:
        """The parameters, named and typed as boto3 takes them. Blobs are bytes, also a streamed payload."""
        if self._params is None:
            # the dispatcher has read the body already
            environ = {**self.environ, "wsgi.input": io.BytesIO(self.body), "CONTENT_LENGTH": str(len(self.body))}
            parsed = codec.parse_request(self.operation, self.protocol, environ, self.uri_params)
            self._params = {k: v.read() if hasattr(v, "read") else v for k, v in parsed.items()}
        return self._params

    def forward_raw(self, params: Mapping[str, Any] | None = None) -> Response:
        """Return Moto's answer as it is. With `params`, it answers a request that has those instead."""
        return self.cloud.forward(self, params)

    def forward(self, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return Moto's answer as boto3 would. An error answer raises `ServiceError`."""
        protocol = self.protocol if params is None else str(codec.service_model(self.service).resolved_protocol)
        return codec.parse_response(self.operation, self.cloud.forward(self, params), protocol)


class MotoCalls(Protocol):
    """The part of Moto's server that a cloud passes on to its services."""

    def lock_of(self, service: str) -> AbstractContextManager[Any]:
        """Return the lock under which a service's calls reach Moto."""

    def answer(self, request: AwsRequest, params: Mapping[str, Any] | None) -> Response:
        """Return Moto's answer to a request, or to the same request with other `params`."""


class Dispatching(Protocol):
    """The part of the dispatcher that a cloud passes on to its services."""

    @property
    def moto(self) -> MotoCalls:
        """Moto behind the cloud."""

    def call(
        self,
        service: str,
        action: str,
        params: Mapping[str, Any],
        region: str,
        account: str,
        caller: Caller | ServiceCaller | None,
    ) -> dict[str, Any]:
        """Call an action from inside. See `Cloud.call`."""

    def request(
        self,
        service: str,
        action: str,
        params: Mapping[str, Any],
        region: str,
        account: str,
        caller: Caller | ServiceCaller | None,
    ) -> dict[str, Any]:
        """Call an action from inside as if from outside. See `Cloud.request`."""


class FunctionCalls(Protocol):
    """How other services call functions, by ARN: each call names its caller, whom the function's policy must let."""

    def send(self, caller: ServiceCaller, arn: str, payload: bytes) -> None:
        """Queue an event. Raises `ServiceError` where there is no such function, or it may not be called."""

    def permits(self, caller: ServiceCaller, arn: str) -> bool:
        """Say whether there is such a function, and its policy lets the caller invoke it."""


class NoFunctions:
    """Stands in where no Lambda is installed: there is no function."""

    def send(self, _caller: ServiceCaller, arn: str, _payload: bytes) -> None:
        """Refuse."""
        raise ServiceError("ResourceNotFoundException", f"Function not found: {arn}", 404)

    def permits(self, _caller: ServiceCaller, _arn: str) -> bool:
        """Refuse."""
        return False


class Cloud:
    """The running cloud.

    `url` is its address, `data_dir` a folder for files that lives as long as the state does (a temporary one unless the
    cloud was started with `--data`), `persistent` says whether it outlives the process.
    """

    def __init__(self, *, url: str, data_dir: Path, persistent: bool, clock: CloudClock | None = None) -> None:
        self.url = url
        self.data_dir = data_dir
        self.persistent = persistent
        self.clock = clock or CloudClock()
        self.metrics = Metrics(self.clock)
        self.repositories = GitRepositories()
        self.savers: dict[str, Callable[[], Any]] = {}
        self.loaders: dict[str, Callable[[Any], None]] = {}
        self.access = AccessGate(self)
        self.handlers: dict[tuple[str, str], Handler] = {}
        self.routes: list[tuple[str, WsgiApp]] = []
        self.stoppers: list[Callable[[], None]] = []
        self.stopping = threading.Event()  # set when the cloud ends: whoever sleeps until then wakes
        self.starters: list[Callable[[], None]] = []
        self.names: tuple[str, ...] = ()  # hosts that lead here, besides addresses and what is this machine's by itself
        self.dispatcher: Dispatching = cast("Dispatching", None)  # the dispatcher sets itself
        self.functions: FunctionCalls = NoFunctions()  # Lambda sets its own
        self.put_event: Callable[[str, Mapping[str, Any]], None] = lambda _bus, _event: None  # EventBridge's
        self.hosts: list[tuple[re.Pattern[str], HostApp]] = []
        self.registry_bytes: Callable[[], int] = lambda: 0  # ECR's: bytes of layers that came since the start

    def action(self, service: str, *actions: str) -> Callable[[Handler], Handler]:
        """Register the handler of one or more actions of a service (botocore's names): a decorator.

        The handler returns a dict as boto3 would (None: empty), or a raw `Response`, or raises `ServiceError`.
        """

        def register(handler: Handler) -> Handler:
            for name in actions:
                if (service, name) in self.handlers:
                    raise ValueError(f"{service}:{name} has a handler already")
                self.handlers[service, name] = handler
            return handler

        return register

    def register(self, service: str, holder: object) -> None:
        """Register every method of an object that is marked with `handles`."""
        for name in dir(type(holder)):
            method = getattr(type(holder), name)
            if getattr(method, "handles_action", False):
                self.action(service, "".join(part.title() for part in name.split("_")))(getattr(holder, name))

    def route(self, prefix: str, app: WsgiApp) -> None:
        """Serve every path under `prefix` with a WSGI app. PATH_INFO stays whole.

        Requests signed with SigV4 only reach prefixes that begin with `/_`: other paths may be AWS's own.
        """
        self.routes.append((prefix, app))
        self.routes.sort(key=lambda r: -len(r[0]))

    def host(self, pattern: re.Pattern[str], app: HostApp) -> None:
        """Serve every request whose host matches. The app also gets the pattern's first group."""
        self.hosts.append((pattern, app))

    def on_stop(self, call: Callable[[], None]) -> None:
        """Call `call` when the cloud stops, last registered first."""
        self.stoppers.append(call)

    def on_save(self, name: str, call: Callable[[], Any]) -> None:
        """Keep what `call` returns (anything that pickles) under `name` when the state is saved."""
        self.savers[name] = call

    def on_load(self, name: str, call: Callable[[Any], None]) -> None:
        """Give `call` what was saved under `name`, once all services are installed, before the first request."""
        self.loaders[name] = call

    def on_ready(self, call: Callable[[], None]) -> None:
        """Call `call` once services are installed and the state is loaded, before the first request."""
        self.starters.append(call)

    def serialised(self, service: str) -> AbstractContextManager[Any]:
        """Return the lock under which a service's calls reach Moto, for whoever reaches into Moto's own state."""
        return self.dispatcher.moto.lock_of(service)

    def forward(self, request: AwsRequest, params: Mapping[str, Any] | None = None) -> Response:
        """Return Moto's raw answer to a request."""
        return self.dispatcher.moto.answer(request, params)

    def call(
        self,
        service: str,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        region: str = REGION,
        account: str = ACCOUNT,
    ) -> dict[str, Any]:
        """Call an action from inside: handlers and Moto, no socket, not counted, no faults.

        Takes and returns what boto3 does. An error raises `ServiceError`. No permission is asked for: this is what the
        cloud does by itself.
        """
        return self.dispatcher.call(service, action, params or {}, region, account, None)

    def call_as(
        self,
        caller: Caller | ServiceCaller | None,
        service: str,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        region: str = REGION,
        account: str = ACCOUNT,
    ) -> dict[str, Any]:
        """Call an action from inside in somebody's name: IAM may refuse it. Without a caller it is `call`."""
        return self.dispatcher.call(service, action, params or {}, region, account, caller)

    def request(
        self,
        service: str,
        action: str,
        params: Mapping[str, Any] | None = None,
        *,
        region: str = REGION,
        account: str = ACCOUNT,
        caller: Caller | ServiceCaller | None = None,
    ) -> dict[str, Any]:
        """Call an action as a client of the cloud would, without a socket: it is counted and meets faults.

        The `caller` is the account's root unless one is named. Raises `ServiceError`, `ConnectionCut` when no answer
        comes, and `CallHangs` when none would ever come.
        """
        return self.dispatcher.request(service, action, params or {}, region, account, caller)


def handles(method: Method) -> Method:
    """Mark a method as the handler of the action that its name says: `list_tags` handles ListTags."""
    method.handles_action = True  # type: ignore[attr-defined]  # functions take attributes
    return method


def json_response(value: Any, status: int = 200) -> Response:
    """Return a JSON answer for a path route."""
    return Response(status, {"Content-Type": "application/json"}, json.dumps(value).encode())


__all__ = [
    "ACCOUNT",
    "REGION",
    "AwsRequest",
    "Cloud",
    "Handler",
    "Response",
    "ServiceError",
    "handles",
    "json_response",
]
