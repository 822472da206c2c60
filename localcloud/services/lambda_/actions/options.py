"""The smaller settings of a function: concurrency, asynchronous invocation, tags, what Terraform reads on its way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from localcloud.cloud import AwsRequest
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import ACCOUNT_CONCURRENCY
from localcloud.services.lambda_.model import LATEST, Function, invalid, not_found, now, parse_name
from localcloud.services.lambda_.service import LambdaService, runtime_arn

_UNRESERVED = 100  # what AWS keeps for functions without a reservation
_GIB = 1024**3
_UNKNOWN = "The function doesn't exist."  # recorded on AWS, 2025-11-25
_OWN_MESSAGES = frozenset(
    {"PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig", "ListFunctionEventInvokeConfigs"}
)

Handler = Callable[[Function, str, dict[str, Any]], dict[str, Any] | None]


def install(service: LambdaService) -> None:
    """Register the actions."""

    def action(name: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            @service.cloud.action("lambda", name)
            def locked(request: AwsRequest) -> dict[str, Any] | None:
                with service.store.lock:
                    try:
                        function, qualifier = service.find(request)
                    except ServiceError as error:
                        if error.code == "ResourceNotFoundException" and name in _OWN_MESSAGES:
                            raise not_found(_UNKNOWN) from None
                        raise
                    return handler(function, qualifier, request.params)

            return handler

        return register

    _concurrency(service, action)
    _event_invoke(action)
    _provisioned(action)
    _fixed(action)
    _account(service)


def _concurrency(service: LambdaService, action: Callable[[str], Callable[[Handler], Handler]]) -> None:
    @action("PutFunctionConcurrency")
    def put(function: Function, _qualifier: str, params: dict[str, Any]) -> dict[str, Any]:
        concurrency = int(params["ReservedConcurrentExecutions"])
        reserved = sum(
            f.reserved or 0 for k, f in service.store.functions.items() if f is not function and _near(k, function)
        )
        if ACCOUNT_CONCURRENCY - reserved - concurrency < _UNRESERVED:
            raise invalid(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{_UNRESERVED}]."
            )
        function.reserved = concurrency
        return {"ReservedConcurrentExecutions": concurrency}

    @action("GetFunctionConcurrency")
    def get(function: Function, _qualifier: str, _params: dict[str, Any]) -> dict[str, Any]:
        return {} if function.reserved is None else {"ReservedConcurrentExecutions": function.reserved}

    @action("DeleteFunctionConcurrency")
    def delete(function: Function, _qualifier: str, _params: dict[str, Any]) -> None:
        function.reserved = None


def _resolve(function: Function, qualifier: str) -> None:
    try:
        function.resolve(qualifier)
    except ServiceError:
        raise not_found(_UNKNOWN) from None


def _event_invoke(action: Callable[[str], Callable[[Handler], Handler]]) -> None:
    def config(function: Function, qualifier: str) -> dict[str, Any]:
        try:
            return function.event_invoke[qualifier or LATEST]
        except KeyError:
            arn = f"{function.key.arn}:{qualifier or LATEST}"
            raise not_found(f"The function {arn} doesn't have an EventInvokeConfig") from None

    def put(function: Function, qualifier: str, params: dict[str, Any]) -> dict[str, Any]:
        _resolve(function, qualifier)
        names = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
        settings = {name: params[name] for name in names if params.get(name) is not None}
        if not settings:
            raise invalid("You must specify at least one of error handling or destination setting.")
        answer = {
            "FunctionArn": f"{function.key.arn}:{qualifier or LATEST}",
            "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
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


def _provisioned(action: Callable[[str], Callable[[Handler], Handler]]) -> None:
    @action("PutProvisionedConcurrencyConfig")
    def put(function: Function, qualifier: str, params: dict[str, Any]) -> dict[str, Any]:
        function.resolve(qualifier)
        if qualifier == LATEST:
            raise invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
        if qualifier in function.aliases and function.aliases[qualifier].weights:
            raise invalid("Alias with weights can not be used with Provisioned Concurrency")
        count = int(params["ProvisionedConcurrentExecutions"])
        answer = {
            "RequestedProvisionedConcurrentExecutions": count,
            "AvailableProvisionedConcurrentExecutions": count,
            "AllocatedProvisionedConcurrentExecutions": count,
            "Status": "READY",
            "LastModified": now(),
        }
        function.provisioned[qualifier] = answer
        return answer

    @action("GetProvisionedConcurrencyConfig")
    def get(function: Function, qualifier: str, _params: dict[str, Any]) -> dict[str, Any]:
        try:
            return function.provisioned[qualifier]
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
        rows = [{"FunctionArn": f"{function.key.arn}:{q}", **c} for q, c in function.provisioned.items()]
        return {"ProvisionedConcurrencyConfigs": rows}


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

    of_mappings: dict[str, dict[str, str]] = {}

    def tags_of(request: AwsRequest, *, changes: bool = True) -> dict[str, str]:
        text = str(request.params["Resource"])
        if ":event-source-mapping:" in text:
            return of_mappings.setdefault(text, {})
        key, _ = parse_name(text, request.account, request.region)
        function = store.get(key)
        if changes:
            function.latest.revision_id = str(uuid4())  # recorded on AWS: TagResource and UntagResource change it
        return function.tags

    @service.cloud.action("lambda", "ListTags")
    def list_tags(request: AwsRequest) -> dict[str, Any]:
        with store.lock:
            return {"Tags": dict(tags_of(request, changes=False))}

    @service.cloud.action("lambda", "TagResource")
    def tag(request: AwsRequest) -> None:
        with store.lock:
            tags_of(request).update(request.params["Tags"])

    @service.cloud.action("lambda", "UntagResource")
    def untag(request: AwsRequest) -> None:
        with store.lock:
            tags = tags_of(request)
            for name in request.params["TagKeys"]:
                tags.pop(name, None)

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
