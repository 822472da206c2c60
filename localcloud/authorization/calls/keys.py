"""The condition keys of a call: those that its parameters give, and those that AWS would fill and the cloud can't."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.calls.resources import machine_qualifier

Values = Callable[[AwsCall], tuple[str, ...]]

TAG_PARAMETERS = ("Tags", "tags", "TagList", "tagging", "Tagging.TagSet")
_VARIABLE_PART = re.compile(r"(\$\{|<|tag-key$).*")

PARAMETERS: dict[str, tuple[str, ...]] = {
    "cloudformation:changesetname": ("ChangeSetName",),
    "cloudformation:resourcetypes": ("ResourceTypes",),
    "cloudformation:rolearn": ("RoleARN",),
    "cloudformation:stackpolicyurl": ("StackPolicyURL",),
    "cloudformation:templateurl": ("TemplateURL",),
    "cloudwatch:alarmactions": ("AlarmActions",),
    "cloudwatch:namespace": ("Namespace",),
    "ecr:accountsetting": ("name",),
    "events:detail-type": (),
    "events:eventbusarn": ("EventBuses.EventBusArn",),
    "events:managedby": (),
    "events:source": (),
    "events:targetarn": ("Targets.Arn",),
    "iam:awsservicename": ("AWSServiceName",),
    "iam:policyarn": ("PolicyArn",),
    "lambda:codesigningconfigarn": ("CodeSigningConfigArn",),
    "lambda:eventsourcetoken": ("EventSourceToken",),
    "lambda:layer": ("Layers",),
    "lambda:principal": ("Principal",),
    "lambda:securitygroupids": ("VpcConfig.SecurityGroupIds",),
    "lambda:subnetids": ("VpcConfig.SubnetIds",),
    "sns:endpoint": ("Endpoint",),
    "sns:protocol": ("Protocol",),
    "ssm:documenttype": ("DocumentType",),
    "ssm:overwrite": ("Overwrite",),
    "ssm:policies": ("Policies",),
    "ssm:recursive": ("Recursive",),
    "sts:externalid": ("ExternalId",),
    "sts:rolesessionname": ("RoleSessionName",),
    "sts:sourceidentity": ("SourceIdentity",),
    "sts:transitivetagkeys": ("TransitiveTagKeys",),
}
"""The parameters that give a key's values. A key whose parameters are missing is not in the request."""

ONLY_WITH_PARAMETER = frozenset({"lambda:codesigningconfigarn", "lambda:principal", "ssm:documenttype"})
"""Keys that AWS fills from the resource when the call doesn't name them: unknown then."""


def _function_url_auth_type(call: AwsCall) -> tuple[str, ...]:
    if call.action == "AddPermission":
        return call.texts("FunctionUrlAuthType")
    if values := call.texts("AuthType"):
        return values
    raise UnknownAccessError("the function URL")


COMPUTED: dict[str, Values] = {
    "lambda:functionurlauthtype": _function_url_auth_type,
    "lambda:invokedviafunctionurl": lambda _: ("false",),
    "states:statemachinequalifier": machine_qualifier,
}


def context_of(
    call: AwsCall, keys: Iterable[str], more: Mapping[str, tuple[str, ...] | None]
) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    """Return the values of an action's condition keys, and the keys that the cloud can't know.

    `more` are those that the service's own module read: no value means that the request has no such key, None that it
    is unknown.
    """
    context: dict[str, tuple[str, ...]] = {"aws:requestedregion": (call.region,)}
    unknown: set[str] = set()
    lower = {name.lower() for name in keys}
    stems = tuple(stem for key in lower if (stem := _VARIABLE_PART.sub("", key)) != key)
    for key in lower:
        if key in more:
            values = more[key]
        elif key.startswith(("aws:requesttag/", "aws:tagkeys")):
            values = ()
        else:
            values = _values(call, key)
        if values is None:
            unknown.add(_VARIABLE_PART.sub("", key))
        elif values:
            context[key] = values
    given = {**tag_keys(call), **more}
    context.update({key: values for key, values in given.items() if values and (key in lower or key.startswith(stems))})
    return context, frozenset(unknown)


def _values(call: AwsCall, key: str) -> tuple[str, ...] | None:
    if compute := COMPUTED.get(key):
        try:
            return compute(call)
        except UnknownAccessError:
            return None
    if key not in PARAMETERS:
        return None
    values = next((values for name in PARAMETERS[key] if (values := call.texts(name))), ())
    return None if not values and key in ONLY_WITH_PARAMETER else values


def tag_keys(call: AwsCall) -> dict[str, tuple[str, ...]]:
    """Return aws:RequestTag/... and aws:TagKeys of the tags that a call gives or removes."""
    tags = dict(read_tags(call.params))
    names = tuple(tags) or call.texts("TagKeys") or call.texts("tagKeys")
    context: dict[str, tuple[str, ...]] = {f"aws:requesttag/{name.lower()}": (value,) for name, value in tags.items()}
    return {**context, "aws:tagkeys": names} if names else context


def read_tags(params: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield names and values of the tags in a call's parameters or its answer, which have one of three forms."""
    given = next((params[name] for name in TAG_PARAMETERS if params.get(name)), None)
    if isinstance(given, Mapping):
        yield from ((str(name), str(value)) for name, value in given.items())
    elif isinstance(given, list):
        for tag in given:
            if not isinstance(tag, Mapping):
                continue
            name = tag.get("Key", tag.get("key", tag.get("TagKey")))
            yield str(name), str(tag.get("Value", tag.get("value", tag.get("TagValue", ""))))
