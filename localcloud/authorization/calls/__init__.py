"""Which actions on which resources a call to AWS is, as IAM sees it.

A call that isn't understood gives None, never a guess: whoever enforces the answer lets the call pass, with a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from localcloud.authorization.calls import tags
from localcloud.authorization.calls.call import AwsCall, Read, UnknownAccessError
from localcloud.authorization.calls.keys import context_of, tag_keys
from localcloud.authorization.calls.names import ACTIONS, NO_PERMISSION, PASSED_ROLES, PREFIXES, TAGGING
from localcloud.authorization.calls.reference import ActionReference, actions
from localcloud.authorization.calls.resources import FUNCTIONS, TEMPLATES, from_template, other_arns
from localcloud.authorization.model import AccessRequest

MODULES = {
    "apigatewayv2": "apigateway",
    "codedeploy": "codedeploy",
    "codepipeline": "codepipeline",
    "dynamodb": "dynamodb",
    "dynamodbstreams": "dynamodb",
    "ec2": "ec2",
    "events": "events",
    "iam": "iam",
    "kms": "kms",
    "lambda": "functions",
    "s3": "s3",
    "secretsmanager": "secrets",
    "sns": "messages",
    "sqs": "messages",
    "ssm": "parameters",
    "sts": "iam",
}
"""The module of a service that needs more than tables. Its `accesses(call)` gives None to leave a call to them."""


BY_ARN = ("DeleteResourcePolicy", "GetResourcePolic", "ListTags", "PutResourcePolicy", "Tag", "Untag")
"""What actions begin with that name their resource, of whatever type, by its ARN."""

ARN_PARAMETERS = ("ResourceArn", "ResourceARN", "resourceArn", "resourceARN", "Resource")
"""The parameters that hold it."""


def accesses(
    service: str,
    action: str,
    params: Mapping[str, Any],
    region: str,
    account: str,
    read: Read | None = None,
) -> tuple[AccessRequest, ...] | None:
    """Return what a call needs to be allowed, all of it, or None when the map doesn't know the call.

    `service` and `action` are botocore's names, `params` as boto3 takes them. An empty tuple is a call that needs no
    permission. `account` is the caller's: a resource of another one is named by its ARN. `read` is `Cloud.call`, and
    reads what a call names by an id of its own: without it such a call isn't known.
    """
    call = AwsCall(service, action, params, region, account, read)
    if f"{service}:{action}" in NO_PERMISSION:
        return ()
    try:
        requests = _of_service(call)
        return None if requests is None else (*requests, *_tagging(call, requests), *passed_roles(call))
    except UnknownAccessError:
        return None
    except (AttributeError, LookupError, TypeError, ValueError):  # a call of the wrong shape, which its service refuses
        return None


def _of_service(call: AwsCall) -> tuple[AccessRequest, ...] | None:
    module = MODULES.get(call.service)
    if module:
        of_service: Callable[[AwsCall], Iterable[AccessRequest] | None] = import_module(f"{__name__}.{module}").accesses
        requests = of_service(call)
        if requests is not None:
            return tuple(requests)
    return by_tables(call)


def _tagging(call: AwsCall, requests: Iterable[AccessRequest]) -> Iterable[AccessRequest]:
    for each in requests:
        if each.action in TAGGING and tag_keys(call):
            yield request(call, TAGGING[each.action], _tagged(call, each))


def _tagged(call: AwsCall, made: AccessRequest) -> str:
    """Return what gets the tags of a call: a mapping of events has an id that the call doesn't name."""
    if made.action == "lambda:CreateEventSourceMapping":
        return call.arn("lambda", "event-source-mapping:*")
    return made.resource


def by_tables(call: AwsCall) -> tuple[AccessRequest, ...] | None:
    """Return what a call needs by AWS's reference of its action, and by the tables of names, resources and keys."""
    prefix = PREFIXES.get(call.service, call.service)
    action = actions(prefix).get(ACTIONS.get(f"{call.service}:{call.action}", call.action).lower())
    if action is None:
        return None
    arns = resources(call, prefix, action)
    if arns is None:
        return None
    name = f"{prefix}:{action.name}"
    return tuple(request(call, name, arn, None, other_arns(call, name, arn)) for arn in arns)


def resources(call: AwsCall, prefix: str, action: ActionReference) -> tuple[str, ...] | None:
    """Return the resources of an action, or None when the tables don't know them.

    Of an action's types those count that every request has, and of these the first one that the call names.
    """
    if not action.resources:
        return ("*",)
    if action.name.startswith(BY_ARN) and (arn := call.text(*ARN_PARAMETERS)).startswith("arn:"):
        return (arn,)
    functions, templates = FUNCTIONS.get(prefix, {}), TEMPLATES.get(prefix, {})
    for name in action.required or action.resources:
        try:
            if name in functions:
                return tuple(functions[name](call))
            if name in templates:
                return from_template(call, prefix, templates[name])
        except UnknownAccessError:
            continue
    return None if action.required else ("*",)


def request(
    call: AwsCall,
    action: str,
    resource: str,
    more: Mapping[str, tuple[str, ...] | None] | None = None,
    also: tuple[str, ...] = (),
) -> AccessRequest:
    """Return one access of a call, with the condition keys of its action. `more` are keys that no table has."""
    prefix, _, name = action.partition(":")
    reference = actions(prefix).get(name.lower())
    context, unknown = context_of(call, reference.keys if reference else (), more or {})
    has_tags = any(key.endswith(":resourcetag/") for key in unknown)
    return AccessRequest(action, resource, context, unknown, also, tags.reader(call, resource) if has_tags else None)


def passed_roles(call: AwsCall) -> Iterable[AccessRequest]:
    """Yield iam:PassRole for every role that a call gives to a service."""
    name, service = PASSED_ROLES.get(f"{call.service}:{call.action}", ("", ""))
    outer, dot, inner = name.partition(".")
    given = call.params.get(outer) if dot else None
    roles = [str(each.get(inner, "")) for each in given] if isinstance(given, list) else call.texts(name)
    for role in dict.fromkeys(roles):
        if role.startswith("arn:"):
            yield request(call, "iam:PassRole", role, {"iam:passedtoservice": (service,)})
