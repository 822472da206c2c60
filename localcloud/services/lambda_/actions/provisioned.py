"""Provisioned concurrency of versions and aliases: what AWS refuses, and how long it is under way.

Environments aren't started ahead here. As many of those that a call starts say that they were
(AWS_LAMBDA_INITIALIZATION_TYPE).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.missing import check_qualifier
from localcloud.services.lambda_.model import LATEST, Function, conflict, invalid, now
from localcloud.services.lambda_.service import LambdaService

ACTIONS = frozenset(f"{verb}ProvisionedConcurrencyConfig" for verb in ("Put", "Get", "Delete"))
_UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
_DUE = "due"  # epoch seconds at which the environments are ready; no member of an answer

Handler = Callable[[Function, str, dict[str, Any]], dict[str, Any] | None]


def check_published(name: str, function: Function, qualifier: str) -> None:
    """Refuse what isn't there, and `$LATEST`."""
    if qualifier == LATEST and name.startswith("Put"):
        raise invalid(_UNPUBLISHED)
    if qualifier in ("", LATEST):
        raise invalid("The function resource provided must be an alias or a published version.")
    check_qualifier(name, function, qualifier)


def install(
    service: LambdaService,
    action: Callable[[str], Callable[[Handler], Handler]],
    check_left: Callable[[Function, int], None],
) -> None:
    """Register the actions. `check_left` refuses more than the account has left."""

    @action("PutProvisionedConcurrencyConfig")
    def put(function: Function, qualifier: str, params: dict[str, Any]) -> dict[str, Any]:
        _check_alias(function, qualifier)
        count = int(params["ProvisionedConcurrentExecutions"])
        if function.reserved is not None and count > function.reserved:
            raise invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                "function"
            )
        check_left(function, count)
        began = time.time()
        function.provisioned[qualifier] = {
            "RequestedProvisionedConcurrentExecutions": count,
            "LastModified": now(),
            _DUE: began + service.settle_seconds,
        }
        return _written(function.provisioned[qualifier], began)

    @action("GetProvisionedConcurrencyConfig")
    def get(function: Function, qualifier: str, _params: dict[str, Any]) -> dict[str, Any]:
        try:
            return _written(function.provisioned[qualifier], time.time())
        except KeyError:
            raise ServiceError(
                "ProvisionedConcurrencyConfigNotFoundException",
                "No Provisioned Concurrency Config found for this function",
                404,
                Type="User",
            ) from None

    @action("DeleteProvisionedConcurrencyConfig")
    def delete(function: Function, qualifier: str, _params: dict[str, Any]) -> None:
        function.provisioned.pop(qualifier, None)

    @action("ListProvisionedConcurrencyConfigs")
    def listed(function: Function, _qualifier: str, _params: dict[str, Any]) -> dict[str, Any]:
        moment = time.time()
        rows = [
            {"FunctionArn": f"{function.key.arn}:{qualifier}", **_written(config, moment)}
            for qualifier, config in function.provisioned.items()
        ]
        return {"ProvisionedConcurrencyConfigs": rows}


def moved(function: Function, alias: str, seconds: float) -> None:
    """Begin anew for the version that an alias was moved to: AWS takes its time to make environments of it."""
    if alias in function.provisioned:
        function.provisioned[alias] = {**function.provisioned[alias], _DUE: time.time() + seconds}


def _check_alias(function: Function, qualifier: str) -> None:
    alias = function.aliases.get(qualifier)
    if alias and alias.version == LATEST:
        raise invalid(_UNPUBLISHED)
    if alias and alias.weights:
        raise invalid("Alias with weights can not be used with Provisioned Concurrency")
    if alias and alias.version in function.provisioned:
        raise conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        )
    if any(other.version == qualifier for name, other in function.aliases.items() if name in function.provisioned):
        raise conflict("Version is pointed by a Provisioned Concurrency alias")


def _written(config: dict[str, Any], moment: float) -> dict[str, Any]:
    count = config["RequestedProvisionedConcurrentExecutions"]
    ready = moment >= config.get(_DUE, 0.0)
    return {
        "RequestedProvisionedConcurrentExecutions": count,
        "AvailableProvisionedConcurrentExecutions": count if ready else 0,
        "AllocatedProvisionedConcurrentExecutions": count if ready else 0,
        "Status": "READY" if ready else "IN_PROGRESS",
        "LastModified": config["LastModified"],
    }
