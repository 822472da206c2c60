"""The tags of the resource that a call is about: read only when a policy asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.calls.keys import read_tags

Tags = Mapping[str, str]

LISTS: dict[str, tuple[str, str]] = {
    "cloudwatch": ("ListTagsForResource", "ResourceARN"),
    "codedeploy": ("ListTagsForResource", "ResourceArn"),
    "dynamodb": ("ListTagsOfResource", "ResourceArn"),
    "ecr": ("ListTagsForResource", "resourceArn"),
    "events": ("ListTagsForResource", "ResourceARN"),
    "iam": ("ListRoleTags", "RoleName"),
    "kms": ("ListResourceTags", "KeyId"),
    "lambda": ("ListTags", "Resource"),
    "logs": ("ListTagsForResource", "resourceArn"),
    "sns": ("ListTagsForResource", "ResourceArn"),
    "sqs": ("ListQueueTags", "QueueUrl"),
    "ssm": ("ListTagsForResource", "ResourceId"),
    "states": ("ListTagsForResource", "resourceArn"),
}
"""The call that lists a resource's tags and its parameter, by the service in the resource's ARN."""

_FUNCTION_PARTS = 7
"""Of a function's ARN without its qualifier, which has no tags of its own."""


def reader(call: AwsCall, arn: str) -> Callable[[], Tags | None] | None:
    """Return a function that reads the tags of a resource, or nothing where the cloud can't read them.

    The function returns None when it can't: then the tags are unknown.
    """
    if arn.endswith(":*"):
        return dict  # what is being created has no tags yet
    parts = arn.split(":", 5)
    service = parts[2] if len(parts) > 5 else ""  # noqa: PLR2004 - the parts of an ARN
    if call.read_with is None or service not in LISTS or (service == "iam" and ":role/" not in arn):
        return None

    def read() -> Tags | None:
        action, parameter = LISTS[service]
        params = {parameter: _named(service, arn, parts[4], parts[5])}
        if service == "ssm":
            params["ResourceType"] = "Parameter"
        try:
            answer = call.read("stepfunctions" if service == "states" else service, action, of=arn, **params)
        except UnknownAccessError:
            return None
        return dict(read_tags(answer))

    return read


def _named(service: str, arn: str, account: str, resource: str) -> str:
    """Return the name by which a service lists the tags of a resource."""
    if service == "sqs":
        return f"https://sqs/{account}/{resource}"
    if service == "ssm":
        return resource.removeprefix("parameter")
    if service == "iam":
        return resource.rpartition("/")[2]
    if service == "lambda":
        return ":".join(arn.split(":")[:_FUNCTION_PARTS])
    return arn.partition("/index/")[0]
