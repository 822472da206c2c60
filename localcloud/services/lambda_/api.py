"""Lambda: functions that run. Moto keeps none of it. Its services that call functions come here."""

from __future__ import annotations

import functools
import pickle
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, Handler
from localcloud.services.lambda_ import admin, constraints, tags
from localcloud.services.lambda_.actions import aliases, functions, invoke, options, permissions
from localcloud.services.lambda_.execution.engine import Invoker
from localcloud.services.lambda_.execution.event_queue import EventQueue
from localcloud.services.lambda_.service import LambdaService
from localcloud.services.lambda_.triggers import moto_services, urls
from localcloud.services.lambda_.triggers.deliveries import FunctionDeliveries
from localcloud.services.lambda_.triggers.event_sources import Sources
from localcloud.services.lambda_.triggers.http_api import api as http_apis


def install(cloud: Cloud) -> None:
    """Register everything of Lambda's."""
    service = LambdaService(cloud, cloud.data_dir / "lambda")
    invoker = Invoker(service)
    asynchronous = EventQueue(invoker)
    functions.install(service)
    aliases.install(service)
    permissions.install(service)
    options.install(service)
    tags.install(service)
    invoke.install(invoker, asynchronous)
    urls.install(service, invoker)
    deliveries = FunctionDeliveries(invoker, asynchronous)
    cloud.functions = deliveries
    moto_services.install(deliveries)
    http_apis.install(cloud, deliveries)
    sources = Sources(service, invoker)
    sources.install()
    cloud.route(admin.PREFIX, admin.Pages(service, invoker))
    for part in (invoker, asynchronous, sources):
        cloud.on_stop(part.close)

    _check_first(cloud)

    def save() -> Any:
        with service.store.lock:
            return pickle.loads(pickle.dumps(service.store.functions))  # noqa: S301 - a copy, made under the lock

    cloud.on_save("lambda", save)
    cloud.on_load("lambda", service.restore)
    cloud.on_save("lambda-sources", sources.dump)
    cloud.on_load("lambda-sources", sources.restore)
    cloud.on_save("lambda-streams", sources.streams.dump)
    cloud.on_load("lambda-streams", sources.streams.restore)
    cloud.on_ready(sources.start)


def _check_first(cloud: Cloud) -> None:
    """Let each action refuse what AWS's front refuses, before it looks at anything."""
    for (service, action), handler in list(cloud.handlers.items()):
        if service == "lambda":
            cloud.handlers[service, action] = functools.partial(_checked, handler)


def _checked(handler: Handler, request: AwsRequest) -> Any:
    constraints.check(request.action, {**request.params, **_in_the_query(request)})
    return handler(request)


def _in_the_query(request: AwsRequest) -> dict[str, str]:
    return {"Qualifier": request.query["Qualifier"]} if request.query.get("Qualifier") else {}
