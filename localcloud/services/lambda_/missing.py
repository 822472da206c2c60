"""How AWS words that a function, or what a qualifier names, isn't there: each action in its own way.

Recorded on AWS: tests/local/data/aws-recordings, test_lambda_api.json, 2025-11-25.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.model import LATEST, Function, FunctionKey, not_found

_NO_RESOURCE = "The resource you requested does not exist."
_TEXTS = {
    "CreateFunctionUrlConfig": "Function does not exist",
    "UpdateFunctionUrlConfig": "Function does not exist",
    "ListFunctionUrlConfigs": "Function does not exist",
    "GetFunctionUrlConfig": _NO_RESOURCE,
    "DeleteFunctionUrlConfig": _NO_RESOURCE,
    "GetPolicy": _NO_RESOURCE,
    "PutFunctionEventInvokeConfig": "The function doesn't exist.",
    "UpdateFunctionEventInvokeConfig": "The function doesn't exist.",
    "ListFunctionEventInvokeConfigs": "The function doesn't exist.",
    "GetFunctionEventInvokeConfig": "The function {arn}:{qualifier} doesn't have an EventInvokeConfig",
    "DeleteFunctionEventInvokeConfig": "The function {arn}:{qualifier} doesn't have an EventInvokeConfig",
    "RemovePermission": "No policy found for: {arn}",
    "DeleteFunction": "Function not found: {arn}",
    "Invoke": "Function not found: {arn}:{qualifier}",
    "PutFunctionConcurrency": "Function not found: {arn}:{qualifier}",
}
_OF_ALIASES = frozenset(
    {
        *("AddPermission", "RemovePermission"),
        *(f"{verb}ProvisionedConcurrencyConfig" for verb in ("Put", "Get", "Delete")),
    }
)


def no_function(action: str, key: FunctionKey, qualifier: str, params: Mapping[str, Any]) -> ServiceError:
    """Return the error of an action on a function that isn't there."""
    if action == "CreateAlias":
        return not_found(f"Function not found: {key.arn}:{params.get('FunctionVersion')}")
    if action.endswith("ProvisionedConcurrencyConfig") and _is_alias(qualifier):
        return _no_alias(key, qualifier)
    text = _TEXTS.get(action)
    if text:
        return not_found(text.format(arn=key.arn, qualifier=qualifier or LATEST))
    return not_found(f"Function not found: {key.arn}{qualifier and ':' + qualifier}")


def check_qualifier(action: str, function: Function, qualifier: str) -> None:
    """Refuse a qualifier that names nothing, as the action does."""
    if qualifier in ("", LATEST) or qualifier in function.aliases or qualifier in function.versions:
        return
    if action == "GetPolicy":
        raise not_found(_NO_RESOURCE)
    if action in _OF_ALIASES and _is_alias(qualifier):
        raise _no_alias(function.key, qualifier)
    raise not_found(f"Function not found: {function.key.arn}:{qualifier}")


def _is_alias(qualifier: str) -> bool:
    return bool(re.fullmatch(r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)", qualifier))


def _no_alias(key: FunctionKey, name: str) -> ServiceError:
    return not_found(f"Cannot find alias arn: {key.arn}:{name}")
