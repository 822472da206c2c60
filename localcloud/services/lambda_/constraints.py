"""What AWS's front refuses before an action runs: names, qualifiers and values of the wrong form.

The texts and patterns are recorded on AWS (tests/local/data/aws-recordings, test_lambda_api.json, 2025-11-25).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from localcloud.protocol.codec import ServiceError

_PREFIX = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
)
_NEW_NAME = _PREFIX + r"([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
_NAME = _PREFIX + r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
_QUALIFIER = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
_URL_QUALIFIER = r"((?!^\d+$)^[0-9a-zA-Z-_]+$)"
_ALIAS = r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)"
_STATEMENT = r"([a-zA-Z0-9-_]+)"
_ROLE = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
_RESOURCE = (
    r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:"
    r"(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)"
    r"|code-signing-config:csc-[a-z0-9]{17}"
    r"|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|capacity-provider:[a-zA-Z0-9-_]+)"
)
_DESTINATION = (
    r"$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:"
    r"((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)"
)
_NEW_NAME_LENGTH = 140
_QUALIFIER_LENGTH = 128
_ARCHITECTURES = ("x86_64", "arm64")


def validation(name: str, value: Any, constraint: str) -> ServiceError:
    """ValidationException in the words that AWS's front uses."""
    return refused([error(name, value, constraint)])


def error(name: str, value: Any, constraint: str) -> str:
    """Write what is wrong with one value."""
    return f"Value '{value}' at '{name}' failed to satisfy constraint: {constraint}"


def refused(errors: list[str]) -> ServiceError:
    """Write all that is wrong as one error."""
    plural = "" if len(errors) == 1 else "s"
    message = f"{len(errors)} validation error{plural} detected: {'; '.join(errors)}"
    return ServiceError("ValidationException", message, 400)


def check(action: str, params: Mapping[str, Any]) -> None:
    """Refuse a request with a member that breaks its constraint."""
    errors: list[str] = []
    name, qualifier = params.get("FunctionName"), params.get("Qualifier")
    if name is not None:
        new = action == "CreateFunction"
        if new and len(str(name)) > _NEW_NAME_LENGTH:
            errors.append(_too_long("functionName", name, _NEW_NAME_LENGTH))
        errors += _pattern("functionName", name, _NEW_NAME if new else _NAME)
    if qualifier is not None:
        if len(str(qualifier)) > _QUALIFIER_LENGTH:
            errors.append(_too_long("qualifier", qualifier, _QUALIFIER_LENGTH))
        errors += _pattern("qualifier", qualifier, _URL_QUALIFIER if "FunctionUrl" in action else _QUALIFIER)
    errors += _others(action, params)
    if errors:
        raise refused(errors)


def _others(action: str, params: Mapping[str, Any]) -> list[str]:
    errors: list[str] = []
    if action == "CreateAlias":
        errors += _pattern("name", params.get("Name"), _ALIAS)
    if action == "AddPermission":
        errors += _pattern("statementId", params.get("StatementId"), _STATEMENT)
    if action in ("CreateFunction", "UpdateFunctionConfiguration"):
        errors += _pattern("role", params.get("Role"), _ROLE)
    if action in ("ListTags", "TagResource", "UntagResource"):
        errors += _pattern("resource", params.get("Resource"), _RESOURCE)
    if action in ("CreateFunction", "UpdateFunctionCode") and params.get("Architectures"):
        errors += _architectures([str(each) for each in params["Architectures"]])
    if action == "PutFunctionRecursionConfig" and params.get("RecursiveLoop") not in ("Terminate", "Allow"):
        errors.append(
            error(
                "recursiveLoop", params.get("RecursiveLoop"), "Member must satisfy enum value set: [Terminate, Allow]"
            )
        )
    if action == "ListFunctions" and params.get("FunctionVersion") not in (None, "ALL"):
        errors.append(error("functionVersion", params["FunctionVersion"], "Member must satisfy enum value set: [ALL]"))
    if action == "PutProvisionedConcurrencyConfig" and int(params.get("ProvisionedConcurrentExecutions") or 0) < 1:
        value = params.get("ProvisionedConcurrentExecutions")
        errors.append(
            error("provisionedConcurrentExecutions", value, "Member must have value greater than or equal to 1")
        )
    for when in ("OnSuccess", "OnFailure"):
        where = ((params.get("DestinationConfig") or {}).get(when) or {}).get("Destination")
        errors += _pattern(f"destinationConfig.{when[0].lower()}{when[1:]}.destination", where, _DESTINATION)
    return errors


def _architectures(values: list[str]) -> list[str]:
    text = f"[{', '.join(values)}]"
    if len(values) > 1:
        return [error("architectures", text, "Member must have length less than or equal to 1")]
    if any(value not in _ARCHITECTURES for value in values):
        allowed = f"Member must satisfy enum value set: [{', '.join(_ARCHITECTURES)}], Member must not be null"
        return [error("architectures", text, f"Member must satisfy constraint: [{allowed}]")]
    return []


def _pattern(name: str, value: Any, pattern: str) -> list[str]:
    if value is None or re.fullmatch(pattern, str(value)):
        return []
    return [error(name, value, f"Member must satisfy regular expression pattern: {pattern}")]


def _too_long(name: str, value: Any, most: int) -> str:
    return error(name, value, f"Member must have length less than or equal to {most}")
