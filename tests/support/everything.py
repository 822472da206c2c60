"""All that a cloud has, service by service: each operation that lists and needs no argument, to its last page.

Whoever compares this before and after knows what was left behind, also by a service that nobody thought of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

SERVICES = (
    "apigatewayv2",
    "cloudformation",
    "cloudwatch",
    "codebuild",
    "codedeploy",
    "codepipeline",
    "dynamodb",
    "ec2",
    "ecr",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "pipes",
    "s3",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
)
_LISTS = ("Describe", "List")
_OF_EC2 = frozenset({"DescribeNetworkInterfaces", "DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs"})
"""EC2 has two hundred operations, most of them for machines."""
_OTHERS = frozenset(
    {
        # catalogues of AWS's own, and what happened before
        *("DescribeAlarmHistory", "DescribeEndpoints", "DescribeLimits", "ListActionTypes", "ListDeploymentConfigs"),
        *("DescribeAvailablePatches", "DescribeDocument", "ListCuratedEnvironmentImages", "ListDocuments"),
        *("ListMetrics", "ListPhoneNumbersOptedOut", "ListPolicies"),
    }
)
_NOISE = ("ResponseMetadata", "NextToken", "nextToken", "Marker", "NextMarker")


def read(client: Callable[[str], Any], services: Sequence[str] = SERVICES) -> dict[str, Any]:
    """Return what each operation lists, by `service:Operation`; of one that fails, the error's code.

    The clients should send a request once: operations that the cloud lacks are asked for, too.
    """
    return {name: answer for service in services for name, answer in _of_service(service, client(service))}


def _of_service(service: str, client: Any) -> Iterator[tuple[str, Any]]:
    model = client.meta.service_model
    methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
    for operation in sorted(model.operation_names):
        shape = model.operation_model(operation).input_shape
        needs = shape.required_members if shape else []
        if not operation.startswith(_LISTS) or needs or operation in _OTHERS:
            continue
        if service == "ec2" and operation not in _OF_EC2:
            continue
        yield f"{service}:{operation}", _answer(client, methods[operation])
    if service == "iam":
        yield "iam:local policies", _answer(client, "list_policies", Scope="Local")
    if service == "codedeploy":
        offered = _answer(client, "list_deployment_configs")
        yield (
            "codedeploy:own configurations",
            [name for name in json.dumps(offered).split('"') if "Default" not in name],
        )


def _answer(client: Any, method: str, **given: Any) -> Any:
    try:
        if client.can_paginate(method):
            pages = list(client.get_paginator(method).paginate(**given))
            return [{key: value for key, value in page.items() if key not in _NOISE} for page in pages]
        answer = getattr(client, method)(**given)
    except Exception as error:  # noqa: BLE001 - an operation that the cloud lacks lists nothing
        return f"{type(error).__name__}: {getattr(error, 'response', {}).get('Error', {}).get('Code', '')}"
    return {key: value for key, value in answer.items() if key not in _NOISE}
