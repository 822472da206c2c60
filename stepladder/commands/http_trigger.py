"""The trigger by which HTTP requests reach the function in an environment: a function URL, or an HTTP API.

What `inv function.invoke --path` and `inv serve` make of a request is made here, from the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from localcloud.services.lambda_.triggers.http_api import routes
from stepladder.core import http_event
from stepladder.core.http_event import HttpAddress, HttpRequest
from stepladder.settings.load import Settings

_CORS = {
    "AllowCredentials": "allow_credentials",
    "AllowHeaders": "allow_headers",
    "AllowMethods": "allow_methods",
    "AllowOrigins": "allow_origins",
    "ExposeHeaders": "expose_headers",
    "MaxAge": "max_age_seconds",
}
"""How Lambda calls the settings of a URL."""


@dataclass(frozen=True)
class HttpTrigger:
    """One trigger. It is `signed` where it takes signed requests only.

    `cors` is as Lambda has it; empty: the function itself answers pages of other origins.
    """

    kind: str
    account: str
    region: str
    routes: tuple[str, ...] = (routes.DEFAULT,)
    signed: bool = False
    cors: Mapping[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> HttpAddress:
        """The address that AWS would give it."""
        return http_event.on_aws(self.kind, self.account, self.region, signed=self.signed)

    def event(self, request: HttpRequest, address: HttpAddress, request_id: str = "") -> dict[str, Any] | None:
        """Return the event of a request to an address; None when no route of an HTTP API takes it."""
        if self.kind != http_event.HTTP_API:
            return http_event.event(request, address, request_id)
        declared = [SimpleNamespace(route_key=key) for key in self.routes]
        match = routes.select(declared, request.method, unquote(request.path))
        if match is None:
            return None
        return http_event.event(request, address, request_id, match.route.route_key, match.variables)


def kinds_of(settings: Settings, environment: str) -> tuple[str, ...]:
    """Return the kinds of the triggers of an environment; none where nothing calls the function."""
    return tuple(each.kind for each in settings.triggers_of(settings.environment(environment)))


def of(settings: Settings, environment: str) -> HttpTrigger | None:
    """Return the first trigger that gives the function HTTP requests, or None.

    A function that nothing calls gets them as a URL would send them: something of the project's own may.
    """
    at = settings.environment(environment)
    triggers = settings.triggers_of(at)
    if not triggers:
        return HttpTrigger(http_event.URL, at.account, at.region)
    trigger = next((each for each in triggers if each.kind in http_event.KINDS), None)
    if trigger is None:
        return None
    given = trigger.settings
    signed = trigger.kind == http_event.URL_IAM or getattr(given, "authorization", "none") == "iam"
    cors = {name: getattr(given.cors, key) for name, key in _CORS.items()} if given.cors else {}
    return HttpTrigger(trigger.kind, at.account, at.region, _routes(getattr(given, "routes", ())), signed, cors)


def _routes(given: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the routes. What only Terraform knows may be any: a reference stands for one route, or for all."""
    listed = (given,) if isinstance(given, str) else given
    return tuple(routes.DEFAULT if "${" in each else each for each in listed) or (routes.DEFAULT,)
