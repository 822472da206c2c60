"""Every operation that botocore knows of is mapped by what it requires, or isn't known: nothing is guessed."""

from __future__ import annotations

import re

import botocore.session
import pytest

from localcloud.authorization.calls import accesses
from localcloud.authorization.calls.names import PREFIXES
from localcloud.authorization.calls.reference import actions

ACCOUNT = "111122223333"
SERVICES = (
    "apigatewayv2",
    "cloudformation",
    "cloudwatch",
    "codebuild",
    "codeconnections",
    "codedeploy",
    "codepipeline",
    "codestar-connections",
    "dynamodb",
    "ecr",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
    "sts",
    "xray",
)
LISTED = re.compile(
    r"(?:(?:api-destination|connection|group|stack)/[^*]+/\*|stackset/[^*]+:\*|alarm:\*|connection/\*|repository/\*|AWSServiceRoleFor\*)$"
)
"""Resources that end in a wildcard of AWS's own: an id that a call never names, or a list."""


def required(shape, name="", depth=0):
    """Make up what a shape requires."""
    kind = shape.type_name
    if kind == "structure":
        members = shape.members.items() if depth < 4 else ()
        return {key: required(each, key, depth + 1) for key, each in members if key in shape.required_members}
    if kind == "list":
        return [required(shape.member, name, depth + 1)]
    if kind == "map":
        return {"key": required(shape.value, name, depth + 1)}
    if kind == "string":
        return shape.enum[0] if shape.enum else f"http://sqs/{ACCOUNT}/name" if name.endswith("Url") else "name"
    return {"boolean": True, "blob": b"x"}.get(kind, 1)


def no_read(*_, **__):
    raise LookupError


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_call_needs_is_an_action_of_aws_on_what_the_call_names(service):
    model = botocore.session.get_session().get_service_model(service)
    known = 0
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        requests = accesses(service, name, required(shape) if shape else {}, "us-east-1", ACCOUNT, no_read)
        known += requests is not None
        for each in requests or ():
            prefix, _, action = each.action.partition(":")
            assert action.lower() in actions(prefix), f"{name}: {each.action}"
            guessed = "*" in each.resource and each.resource != "*" and not LISTED.search(each.resource)
            assert not guessed, f"{name}: {each.resource}"
            assert prefix in (PREFIXES.get(service, service), "iam", "kms", "s3")
    assert known > len(model.operation_names) / 2
