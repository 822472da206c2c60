"""Lambda: functions that run. Moto keeps none of it; its services that call functions come here."""

from __future__ import annotations

import pickle
from typing import Any

from stepladder.local.cloud import Cloud
from stepladder.local.plugins import (
    lambda_admin,
    lambda_aliases,
    lambda_functions,
    lambda_invoke,
    lambda_moto,
    lambda_options,
    lambda_policy,
    lambda_schedules,
    lambda_url,
)
from stepladder.local.plugins.lambda_async import Asynchronous
from stepladder.local.plugins.lambda_invoker import Invoker
from stepladder.local.plugins.lambda_schedules import Schedules
from stepladder.local.plugins.lambda_service import Service
from stepladder.local.plugins.lambda_sources import Sources


def install(cloud: Cloud) -> None:
    """Register everything of Lambda's."""
    service = Service(cloud, cloud.data_dir / "lambda")
    invoker = Invoker(service)
    asynchronous = Asynchronous(invoker)
    lambda_functions.install(service)
    lambda_aliases.install(service)
    lambda_policy.install(service)
    lambda_options.install(service)
    lambda_invoke.install(invoker, asynchronous)
    lambda_url.install(service, invoker)
    lambda_moto.install(invoker, asynchronous)
    sources = Sources(service, invoker)
    sources.install()
    lambda_schedules.install(cloud)
    schedules = Schedules(invoker, asynchronous)
    cloud.route(lambda_admin.PREFIX, lambda_admin.Pages(service, invoker, schedules))
    for part in (invoker, asynchronous, sources, schedules):
        cloud.on_stop(part.close)

    def save() -> Any:
        with service.store.lock:
            return pickle.loads(pickle.dumps(service.store.functions))  # noqa: S301 - a copy, made under the lock

    cloud.on_save("lambda", save)
    cloud.on_load("lambda", service.restore)
    cloud.on_save("lambda-sources", sources.dump)
    cloud.on_load("lambda-sources", sources.restore)
