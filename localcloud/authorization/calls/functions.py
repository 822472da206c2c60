"""Lambda: functions and their qualifiers.

A call with a qualifier is authorised by the qualified ARN, whether that stands in the name or in the parameter. It has
been so since January 2022: https://github.com/aws/aws-cdk/issues/19273
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.calls.names import ACTIONS
from localcloud.authorization.calls.reference import actions
from localcloud.authorization.model import AccessRequest

_FUNCTION = re.compile(
    r"(?:(?:arn:[^:]+:lambda:(?P<region>[^:]+):)?(?P<account>\d{12}):(?:function:)?)?(?:function:)?(?P<name>[^:]+)(?::(?P<qualifier>[^:]+))?"
)
_BY_FUNCTION = frozenset({"function", "function alias", "function version"})
_MAPPINGS = frozenset({"DeleteEventSourceMapping", "GetEventSourceMapping", "UpdateEventSourceMapping"})


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call on a function needs."""
    action = actions("lambda").get(ACTIONS.get(f"lambda:{call.action}", call.action).lower())
    if action is None:
        return None
    name = f"lambda:{action.name}"
    if call.action in ("CreateEventSourceMapping", *_MAPPINGS):
        resource = "*" if call.action == "CreateEventSourceMapping" else _mapping_arn(call)
        return [calls.request(call, name, resource, {"lambda:functionarn": _mapped_function(call)})]
    if not _BY_FUNCTION.intersection(action.resources) or not call.text("FunctionName"):
        resource = call.text("Resource", "ResourceArn", "DurableExecutionArn")
        return [calls.request(call, name, resource)] if resource.startswith("arn:") else None
    qualified, unqualified = function_arns(call, call.text("FunctionName"), call.text("Qualifier"))
    more = {"lambda:functionarn": (qualified,)}
    requests = [calls.request(call, name, qualified, more, _named_alias(call, unqualified))]
    return [*requests, *_code_in_s3(call)]


def _named_alias(call: AwsCall, function: str) -> tuple[str, ...]:
    name = call.text("Name") if call.action in ("GetAlias", "UpdateAlias", "DeleteAlias") else ""
    return (f"{function}:{name}",) if name else ()


def function_arns(call: AwsCall, name: str, qualifier: str = "") -> tuple[str, str]:
    """Return a function's ARN with its qualifier, if it has one, and without.

    A function is named by its name, its ARN or a part of that, each with or without a qualifier.
    """
    match = _FUNCTION.fullmatch(name)
    if match is None:
        raise UnknownAccessError("the function")
    arn = call.arn("lambda", f"function:{match['name']}", region=match["region"], account=match["account"])
    qualifier = qualifier or match["qualifier"] or ""
    return (f"{arn}:{qualifier}" if qualifier else arn), arn


def _mapping_arn(call: AwsCall) -> str:
    return call.arn("lambda", f"event-source-mapping:{call.text('UUID')}")


def _mapped_function(call: AwsCall) -> tuple[str, ...] | None:
    try:
        name = call.text("FunctionName")
        if not name:
            name = str(call.read("lambda", "GetEventSourceMapping", UUID=call.text("UUID"))["FunctionArn"])
        return (function_arns(call, name)[0],)
    except UnknownAccessError:
        return None


def _code_in_s3(call: AwsCall) -> Iterable[AccessRequest]:
    """Lambda reads a package in its caller's name."""
    bucket, key = call.text("Code.S3Bucket", "S3Bucket"), call.text("Code.S3Key", "S3Key")
    if bucket and key and call.action in ("CreateFunction", "UpdateFunctionCode"):
        version = call.text("Code.S3ObjectVersion", "S3ObjectVersion")
        yield calls.request(
            call, "s3:GetObjectVersion" if version else "s3:GetObject", f"arn:{call.partition}:s3:::{bucket}/{key}"
        )
