"""The smaller settings of a function: concurrency, asynchronous invocation, tags, what Terraform reads on its way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from localcloud.cloud import AwsRequest
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_ import role_permissions
from localcloud.services.lambda_.actions import provisioned
from localcloud.services.lambda_.constraints import validation
from localcloud.services.lambda_.execution.engine import ACCOUNT_CONCURRENCY
from localcloud.services.lambda_.model import LATEST, Function, invalid, not_found, parse_name
from localcloud.services.lambda_.service import LambdaService, runtime_arn

_UNRESERVED = 100  # what AWS keeps for functions without a reservation
_GIB = 1024**3
_UNKNOWN = "The function doesn't exist."  # recorded on AWS, 2025-11-25
_SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
_SERVICES = ("lambda", "sqs", "sns", "events", "s3")  # that a destination may be of

Handler = Callable[[Function, str, dict[str, Any]], dict[str, Any] | None]


def install(service: LambdaService) -> None:
    """Register the actions."""

    def action(name: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            @service.cloud.action("lambda", name)
            def locked(request: AwsRequest) -> dict[str, Any] | None:
                if name == "PutFunctionEventInvokeConfig":
                    _check_settings(request.params)
                with service.store.lock:
                    function, qualifier = service.find(request)
                    if name in provisioned.ACTIONS:
                        provisioned.check_published(name, function, qualifier)
                    return handler(function, qualifier, request.params)

            return handler

        return register

    _concurrency(service, action)
    _event_invoke(service, action)
    provisioned.install(service, action, lambda function, count: _check_left(service, function, count))
    _fixed(action)
    _account(service)


def _concurrency(service: LambdaService, action: Callable[[str], Callable[[Handler], Handler]]) -> None:
    @action("PutFunctionConcurrency")
    def put(function: Function, qualifier: str, params: dict[str, Any]) -> dict[str, Any]:
        if qualifier:
            raise invalid(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
                "operation. Please specify either a function name or an unqualified function ARN."
            )
        concurrency = int(params["ReservedConcurrentExecutions"])
        reserved = sum(
            f.reserved or 0 for k, f in service.store.functions.items() if f is not function and _near(k, function)
        )
        if ACCOUNT_CONCURRENCY - reserved - concurrency < _UNRESERVED:
            raise _decreases("ReservedConcurrentExecutions")
        function.reserved = concurrency
        return {"ReservedConcurrentExecutions": concurrency}

    @action("GetFunctionConcurrency")
    def get(function: Function, _qualifier: str, _params: dict[str, Any]) -> dict[str, Any]:
        return {} if function.reserved is None else {"ReservedConcurrentExecutions": function.reserved}

    @action("DeleteFunctionConcurrency")
    def delete(function: Function, _qualifier: str, _params: dict[str, Any]) -> None:
        function.reserved = None


def _decreases(setting: str) -> ServiceError:
    return ServiceError(
        "InvalidParameterValueException",
        f"Specified {setting} for function decreases account's UnreservedConcurrentExecution below its minimum value "
        f"of [{_UNRESERVED}].",
    )


def _check_settings(params: dict[str, Any]) -> None:
    if all(params.get(name) is None for name in _SETTINGS):
        raise invalid("You must specify at least one of error handling or destination setting.")
    for name, least, most in (("maximumRetryAttempts", 0, 2), ("maximumEventAgeInSeconds", 60, 21_600)):
        value = params.get(name[0].upper() + name[1:])
        if value is not None and int(value) < least:
            raise validation(name, value, f"Member must have value greater than or equal to {least}")
        if value is not None and int(value) > most:
            raise validation(name, value, f"Member must have value less than or equal to {most}")


def _resolve(function: Function, qualifier: str) -> None:
    try:
        function.resolve(qualifier)
    except ServiceError:
        raise not_found(_UNKNOWN) from None


def _check_destinations(service: LambdaService, function: Function, config: dict[str, Any]) -> None:
    for settings in config.values():
        arn = str((settings or {}).get("Destination") or "")
        if not arn:
            continue
        if arn.split(":")[2] not in _SERVICES:
            shown = {
                name: f"{name}(destination={(config.get(name) or {})['Destination']})"
                if (config.get(name) or {}).get("Destination")
                else "null"
                for name in ("OnSuccess", "OnFailure")
            }
            raise invalid(
                f"The provided destination config DestinationConfig(onSuccess={shown['OnSuccess']}, "
                f"onFailure={shown['OnFailure']}) is invalid."
            )
        if arn.split(":")[2] != "lambda":
            role_permissions.check_destination(service.cloud, function.key, function.latest.settings["Role"], arn)
            continue
        key, _ = parse_name(arn, function.key.account, function.key.region)
        if key == function.key:
            raise invalid("You can't specify the function as a destination for itself.")
        if key not in service.store.functions:
            raise invalid(f"The destination ARN {arn} is invalid.")
        role_permissions.check_destination(service.cloud, function.key, function.latest.settings["Role"], arn)


def _event_invoke(service: LambdaService, action: Callable[[str], Callable[[Handler], Handler]]) -> None:
    def config(function: Function, qualifier: str) -> dict[str, Any]:
        try:
            return function.event_invoke[qualifier or LATEST]
        except KeyError:
            arn = f"{function.key.arn}:{qualifier or LATEST}"
            raise not_found(f"The function {arn} doesn't have an EventInvokeConfig") from None

    def put(function: Function, qualifier: str, params: dict[str, Any]) -> dict[str, Any]:
        _resolve(function, qualifier)
        settings = {name: params[name] for name in _SETTINGS if params.get(name) is not None}
        destinations = {"OnSuccess": {}, "OnFailure": {}, **(settings.pop("DestinationConfig", None) or {})}
        _check_destinations(service, function, destinations)
        answer = {
            "FunctionArn": f"{function.key.arn}:{qualifier or LATEST}",
            "DestinationConfig": destinations,
            **settings,
            "LastModified": datetime.now(UTC),
        }
        function.event_invoke[qualifier or LATEST] = answer
        return answer

    action("PutFunctionEventInvokeConfig")(put)

    @action("UpdateFunctionEventInvokeConfig")
    def update(function: Function, qualifier: str, params: dict[str, Any]) -> dict[str, Any]:
        return put(function, qualifier, {**config(function, qualifier), **params})

    @action("GetFunctionEventInvokeConfig")
    def get(function: Function, qualifier: str, _params: dict[str, Any]) -> dict[str, Any]:
        return config(function, qualifier)

    @action("DeleteFunctionEventInvokeConfig")
    def delete(function: Function, qualifier: str, _params: dict[str, Any]) -> None:
        config(function, qualifier)
        del function.event_invoke[qualifier or LATEST]

    @action("ListFunctionEventInvokeConfigs")
    def listed(function: Function, _qualifier: str, _params: dict[str, Any]) -> dict[str, Any]:
        return {"FunctionEventInvokeConfigs": list(function.event_invoke.values())}


def _check_left(service: LambdaService, function: Function, count: int) -> None:
    reserved = sum(f.reserved or 0 for k, f in service.store.functions.items() if _near(k, function))
    left = ACCOUNT_CONCURRENCY - reserved
    if count > left:
        raise ServiceError(
            "InvalidParameterValueException",
            f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{left}].",
        )
    if left - count < _UNRESERVED:
        raise _decreases("ConcurrentExecutions")


def _fixed(action: Callable[[str], Callable[[Handler], Handler]]) -> None:
    @action("GetFunctionCodeSigningConfig")
    def signing(function: Function, _qualifier: str, _params: dict[str, Any]) -> dict[str, Any]:
        return {"FunctionName": function.key.name}

    @action("GetFunctionRecursionConfig")
    def recursion(function: Function, _qualifier: str, _params: dict[str, Any]) -> dict[str, Any]:
        return {"RecursiveLoop": function.recursive_loop}

    @action("PutFunctionRecursionConfig")
    def put_recursion(function: Function, _qualifier: str, params: dict[str, Any]) -> dict[str, Any]:
        function.recursive_loop = str(params["RecursiveLoop"])
        return {"RecursiveLoop": function.recursive_loop}

    def management(function: Function, qualifier: str, _params: dict[str, Any]) -> dict[str, Any]:
        arn = f"{function.key.arn}:{qualifier or LATEST}"
        answer = {"UpdateRuntimeOn": function.update_runtime_on, "FunctionArn": arn}
        if function.update_runtime_on == "Manual" and "Runtime" in function.latest.settings:
            answer["RuntimeVersionArn"] = runtime_arn(function.key, function.latest.settings["Runtime"])
        return answer

    action("GetRuntimeManagementConfig")(management)

    @action("PutRuntimeManagementConfig")
    def put_management(function: Function, qualifier: str, params: dict[str, Any]) -> dict[str, Any]:
        function.update_runtime_on = str(params["UpdateRuntimeOn"])
        return management(function, qualifier, params)


def _account(service: LambdaService) -> None:
    store = service.store

    @service.cloud.action("lambda", "GetAccountSettings")
    def settings(request: AwsRequest) -> dict[str, Any]:
        with store.lock:
            own = [f for k, f in store.functions.items() if (k.account, k.region) == (request.account, request.region)]
        return {
            "AccountLimit": {
                "TotalCodeSize": 75 * _GIB,
                "CodeSizeUnzipped": 250 * 1024**2,
                "CodeSizeZipped": 50 * 1024**2,
                "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
                "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY - sum(f.reserved or 0 for f in own),
            },
            "AccountUsage": {
                "TotalCodeSize": sum(r.code.size for f in own for r in (f.latest, *f.versions.values())),
                "FunctionCount": len(own),
            },
        }


def _near(key: Any, function: Function) -> bool:
    return (key.account, key.region) == (function.key.account, function.key.region)
