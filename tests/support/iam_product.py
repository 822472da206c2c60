"""What the promotion's roles may and may not, by the policies that Terraform plans for them.

The policies are read from the inventory that `tests/terraform/test_delivery_module.py` compares with the plan.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml
from iam_cases import PolicyCase

from localcloud.authorization.calls import accesses
from localcloud.authorization.model import Principal

INVENTORY = Path(__file__).parents[1] / "terraform" / "delivery.yaml"
ACCOUNT, REGION = "123456789012", "eu-west-1"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:sample-staging"
PIPELINE = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:sample-pipeline"
TABLE = "sample-releases"
LIVE = {"applicationName": "sample-staging", "deploymentGroupName": "live"}
OTHER_GROUP = {"applicationName": "someone-elses", "deploymentGroupName": "live"}


def _item(key: str) -> dict[str, Any]:
    return {"pk": {"S": key}, "sk": {"S": "x"}}


def _put(key: str) -> dict[str, Any]:
    return {"Put": {"TableName": TABLE, "Item": _item(key)}}


CALLS: tuple[tuple[str, str, dict[str, Any], bool], ...] = (
    (
        "validate",
        "logs:PutLogEvents",
        {"logGroupName": "/aws/lambda/sample-pipeline-validate", "logStreamName": "s"},
        True,
    ),
    ("validate", "logs:PutLogEvents", {"logGroupName": "/aws/lambda/sample-staging", "logStreamName": "s"}, False),
    ("validate", "logs:CreateLogGroup", {"logGroupName": "/aws/lambda/sample-pipeline-validate"}, False),
    ("validate", "lambda:GetFunction", {"FunctionName": "sample-staging", "Qualifier": "3"}, True),
    ("validate", "lambda:GetAlias", {"FunctionName": "sample-produs", "Name": "live"}, True),
    ("validate", "lambda:GetFunctionConfiguration", {"FunctionName": "someone-elses"}, False),
    ("validate", "lambda:PublishVersion", {"FunctionName": "sample-staging"}, True),
    ("validate", "lambda:UpdateFunctionCode", {"FunctionName": "sample-staging", "ImageUri": "x"}, True),
    ("validate", "lambda:UpdateAlias", {"FunctionName": "sample-staging", "Name": "live"}, False),
    (
        "validate",
        "lambda:GetProvisionedConcurrencyConfig",
        {"FunctionName": "sample-staging", "Qualifier": "live"},
        True,
    ),
    ("validate", "codedeploy:GetDeployment", {"deploymentId": "d-OURS"}, True),
    ("validate", "codedeploy:GetDeployment", {"deploymentId": "d-THEIRS"}, False),
    ("validate", "codedeploy:ListDeployments", LIVE, True),
    ("validate", "ecr:BatchGetImage", {"repositoryName": "sample"}, True),
    ("validate", "ecr:BatchGetImage", {"repositoryName": "other"}, False),
    ("validate", "inspector2:ListFindings", {}, True),
    ("validate", "dynamodb:GetItem", {"TableName": TABLE, "Key": _item("digest#sha256:1")}, True),
    ("validate", "dynamodb:GetItem", {"TableName": TABLE, "Key": _item("climb#1")}, False),
    ("validate", "dynamodb:PutItem", {"TableName": TABLE, "Item": _item("env#staging")}, True),
    ("validate", "dynamodb:PutItem", {"TableName": TABLE, "Item": _item("digest#sha256:1")}, False),
    ("validate", "dynamodb:Scan", {"TableName": TABLE}, False),
    ("verify", "lambda:Invoke", {"FunctionName": "sample-staging", "Qualifier": "3"}, True),
    ("verify", "lambda:Invoke", {"FunctionName": "sample-staging"}, False),
    ("verify", "lambda:GetAccountSettings", {}, True),
    ("verify", "codedeploy:PutLifecycleEventHookExecutionStatus", {"deploymentId": "d-OURS"}, True),
    ("verify", "cloudwatch:DescribeAlarms", {"AlarmNames": ["sample-staging-errors"]}, True),
    ("verify", "dynamodb:PutItem", {"TableName": TABLE, "Item": _item("deployment#d-OURS")}, True),
    ("verify", "dynamodb:PutItem", {"TableName": TABLE, "Item": _item("env#staging")}, False),
    ("rollback", "lambda:UpdateAlias", {"FunctionName": "sample-staging", "Name": "live"}, True),
    ("rollback", "lambda:UpdateAlias", {"FunctionName": "someone-elses", "Name": "live"}, False),
    ("rollback", "codedeploy:StopDeployment", {"deploymentId": "d-OURS"}, True),
    ("rollback", "lambda:Invoke", {"FunctionName": "sample-staging", "Qualifier": "live"}, False),
    ("promotion", "lambda:Invoke", {"FunctionName": f"{PIPELINE}-verify:1"}, True),
    ("promotion", "lambda:Invoke", {"FunctionName": f"{FUNCTION}:live"}, False),
    ("promotion", "codedeploy:CreateDeployment", {**LIVE, "revision": {"revisionType": "AppSpecContent"}}, True),
    ("promotion", "codedeploy:CreateDeployment", OTHER_GROUP, False),
    ("promotion", "dynamodb:TransactWriteItems", {"TransactItems": [_put("env#staging"), _put("env#produs")]}, True),
    ("promotion", "dynamodb:TransactWriteItems", {"TransactItems": [_put("env#staging"), _put("deployment#1")]}, False),
    ("promotion", "dynamodb:PutItem", {"TableName": TABLE, "Item": _item("climb#1")}, True),
    ("promotion", "dynamodb:DeleteItem", {"TableName": TABLE, "Key": _item("digest#sha256:1")}, False),
    ("promotion", "sns:Publish", {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:sample-promotion"}, True),
    ("promotion", "sns:Publish", {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:other"}, False),
)
"""Role, call and parameters, and whether the role may."""


def _read(_service: str, action: str, params: dict[str, Any], **_: Any) -> dict[str, Any]:
    if action == "DescribeTable":
        return {"Table": {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}}
    if action == "GetDeploymentGroup":
        return {"deploymentGroupInfo": {"deploymentConfigName": "CodeDeployDefault.LambdaCanary10Percent5Minutes"}}
    return {"deploymentInfo": LIVE if params["deploymentId"] == "d-OURS" else OTHER_GROUP}


@functools.cache
def _policies() -> dict[str, dict[str, Any]]:
    planned = yaml.safe_load(INVENTORY.read_text("utf-8"))["values"]
    return {
        address.rpartition(".")[2].removeprefix('pipeline["').removesuffix('"]'): values["policy"]
        for address, values in planned.items()
        if address.startswith("aws_iam_role_policy.")
    }


def of_call(role: str, call: str, params: dict[str, Any]) -> list[PolicyCase]:
    """Return a case for each access of a call."""
    service, _, action = call.partition(":")
    principal = Principal(
        arn=f"arn:aws:iam::{ACCOUNT}:role/sample-{role}",
        session_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/sample-{role}/run",
        account=ACCOUNT,
    )
    needed = accesses(service, action, params, REGION, ACCOUNT, _read)
    assert needed, f"{call} isn't in the map"
    return [
        PolicyCase(
            f"{role} {each.action} {each.resource}",
            principal,
            each.action,
            each.resource,
            ACCOUNT,
            dict(each.context),
            identity=(_policies()[role],),
        )
        for each in needed
    ]


def of_product() -> list[PolicyCase]:
    """Return the accesses of all calls."""
    return [case for role, call, params, _ in CALLS for case in of_call(role, call, params)]
