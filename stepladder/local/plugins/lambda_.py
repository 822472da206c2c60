"""Lambda: functions that run. Moto keeps none of it; its services that call functions are led here."""

from __future__ import annotations

import pickle
from typing import Any

from stepladder.local.cloud import Cloud
from stepladder.local.plugins import lambda_aliases, lambda_functions, lambda_invoke
from stepladder.local.plugins.lambda_async import Asynchronous
from stepladder.local.plugins.lambda_invoker import Invoker
from stepladder.local.plugins.lambda_service import Service


def install(cloud: Cloud) -> None:
    """Register everything of Lambda's."""
    service = Service(cloud, cloud.data_dir / "lambda")
    invoker = Invoker(service)
    asynchronous = Asynchronous(invoker)
    lambda_functions.install(service)
    lambda_aliases.install(service)
    lambda_invoke.install(invoker, asynchronous)
    cloud.on_stop(invoker.close)
    cloud.on_stop(asynchronous.close)

    def save() -> Any:
        with service.store.lock:
            return pickle.loads(pickle.dumps(service.store.functions))  # noqa: S301 - a copy, made under the lock

    cloud.on_save("lambda", save)
    cloud.on_load("lambda", service.restore)
