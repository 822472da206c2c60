"""Systems Manager's parameters: an ARN has the name without its first slash, and a secure one has a key.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.calls.kms import is_own, key_access
from localcloud.authorization.calls.reference import actions
from localcloud.authorization.model import AccessRequest

_SELECTOR = re.compile(r"(?<!^arn)(?<=[\w/.-]):[\w.-]+$")
"""The version or label at the end of a name: `/path/name:3`."""


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call on parameters needs, with the use of the key that encrypts a secure one."""
    action = actions("ssm").get(call.action.lower())
    if action is None or "parameter" not in action.resources:
        return None
    if len(action.resources) > 1:
        return _tagged(call, action.name)
    if call.action == "GetParametersByPath":
        return [_by_path(call)]
    names = call.texts("Names") or call.texts("Name")
    requests = [_access(call, action.name, parameter_arn(call, name)) for name in names]
    return [*requests, *_key_uses(call, names)]


def _access(call: AwsCall, name: str, arn: str, also: tuple[str, ...] = ()) -> AccessRequest:
    return calls.request(call, f"ssm:{name}", arn, None, also)


def parameter_arn(call: AwsCall, name: str) -> str:
    """Return the ARN of a parameter, which is named by its name or its ARN, with a version or a label or without."""
    if name.startswith("arn:"):
        return ":".join(name.split(":")[:6])
    return call.arn("ssm", f"parameter/{_SELECTOR.sub('', name).lstrip('/')}")


def _by_path(call: AwsCall) -> AccessRequest:
    """AWS doesn't say whether a path ends in a slash there."""
    path = call.text("Path").strip("/")
    arn = call.arn("ssm", f"parameter/{path}" if path else "parameter/")
    return _access(call, "GetParametersByPath", arn, (f"{arn}/", f"{arn}/*") if path else (f"{arn}*",))


def _tagged(call: AwsCall, name: str) -> Iterable[AccessRequest] | None:
    if call.text("ResourceType") != "Parameter":
        return None
    return [_access(call, name, parameter_arn(call, call.text("ResourceId")))]


def _key_uses(call: AwsCall, names: tuple[str, ...]) -> Iterable[AccessRequest]:
    if call.action in ("GetParameter", "GetParameters", "GetParameterHistory"):
        if call.text("WithDecryption") == "true":
            for name in names:
                yield from _decrypted(call, name)
    elif call.action == "PutParameter" and call.text("Type") == "SecureString" and is_own(key := call.text("KeyId")):
        advanced = call.text("Tier") == "Advanced"
        yield _with_key(call, "GenerateDataKey" if advanced else "Encrypt", key, parameter_arn(call, names[0]))


def _decrypted(call: AwsCall, name: str) -> Iterable[AccessRequest]:
    key = str(_metadata(call, name).get("KeyId") or "")
    if is_own(key):
        yield _with_key(call, "Decrypt", key, parameter_arn(call, name))


def _with_key(call: AwsCall, action: str, key: str, arn: str) -> AccessRequest:
    return key_access(call, action, key, via="ssm", context={"PARAMETER_ARN": arn})


def _metadata(call: AwsCall, name: str) -> Mapping[str, Any]:
    """Return what is known of a parameter, or nothing for one that isn't there."""
    plain = _SELECTOR.sub("", name) if not name.startswith("arn:") else name.partition(":parameter")[2]
    try:
        names = (plain,) if not name.startswith("arn:") else (plain, plain.lstrip("/"))
        filters = [{"Key": "Name", "Option": "Equals", "Values": list(names)}]
        parameters = call.read("ssm", "DescribeParameters", ParameterFilters=filters)["Parameters"]
    except UnknownAccessError:
        if call.read_with is None:
            raise
        return {}
    return next(iter(parameters), {})
