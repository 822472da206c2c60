"""The pipeline's roles may do what its functions and its state machine do, and lose one of it with each statement.

The policies are those of the delivery module's plan, which tests/terraform compares with Terraform's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.authorization.calls import accesses
from localcloud.authorization.decide import decide
from localcloud.authorization.documents import parse_policy
from localcloud.authorization.model import AccessRequest, ApplicablePolicies, Principal

ACCOUNT, REGION = "123456789012", "eu-west-1"
FUNCTION, TABLE, PIPELINE = (
    "sample-produs",
    "sample-releases",
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:sample-pipeline",
)
EXECUTION = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:sample-promotion:one"
GROUP = {"applicationName": FUNCTION, "deploymentGroupName": "live"}
VERSION = {"FunctionName": FUNCTION, "Qualifier": "7"}
INVENTORY = yaml.safe_load((Path(__file__).parents[1] / "terraform" / "delivery.yaml").read_text("utf-8"))["values"]
Call = tuple[str, str, dict[str, Any]]


def log(verb: str) -> Call:
    where = {"logGroupName": f"/aws/lambda/sample-pipeline-{verb}", "logStreamName": "2026/11/26/[1]0"}
    return "logs", "PutLogEvents", {**where, "logEvents": []}


def read(key: str) -> Call:
    return "dynamodb", "GetItem", {"TableName": TABLE, "Key": {"pk": {"S": key}, "sk": {"S": "lock"}}}


def write(key: str, action: str = "PutItem") -> Call:
    item = {"pk": {"S": key}, "sk": {"S": "lock"}}
    return "dynamodb", action, {"TableName": TABLE, "Item" if action == "PutItem" else "Key": item}


READS: list[Call] = [
    ("lambda", "GetAlias", {"FunctionName": FUNCTION, "Name": "live"}),
    ("lambda", "GetFunction", {"FunctionName": FUNCTION}),
    ("lambda", "GetFunctionConfiguration", VERSION),
]
DEPLOYMENTS: list[Call] = [("codedeploy", "ListDeployments", GROUP)]
CALLS: dict[str, list[Call]] = {
    'pipeline["relay"]': [log("relay"), *READS, ("stepfunctions", "DescribeExecution", {"executionArn": EXECUTION})],
    'pipeline["rollback"]': [
        *(log("rollback"), *READS, *DEPLOYMENTS, read("deployment#d-1"), read("env#produs")),
        *(write("env#produs"), write("env#produs", "DeleteItem")),
        ("lambda", "UpdateAlias", {"FunctionName": FUNCTION, "Name": "live", "FunctionVersion": "6"}),
        ("codedeploy", "StopDeployment", {"deploymentId": "d-1"}),
        ("stepfunctions", "DescribeExecution", {"executionArn": EXECUTION}),
    ],
    'pipeline["validate"]': [
        *(log("validate"), *READS, *DEPLOYMENTS, read("digest#sha256:0"), read("env#staging"), write("env#produs")),
        ("ecr", "BatchGetImage", {"repositoryName": "sample", "imageIds": []}),
        ("ecr", "DescribeImageScanFindings", {"repositoryName": "sample", "imageId": {}}),
        ("lambda", "UpdateFunctionCode", {"FunctionName": FUNCTION, "ImageUri": "x"}),
        ("lambda", "PublishVersion", {"FunctionName": FUNCTION}),
        ("lambda", "GetProvisionedConcurrencyConfig", {"FunctionName": FUNCTION, "Qualifier": "live"}),
    ],
    'pipeline["verify"]': [
        *(log("verify"), *READS, *DEPLOYMENTS, write("deployment#d-1")),
        *(read("command#produs"), write("command#produs")),
        ("lambda", "Invoke", VERSION),
        ("lambda", "GetAccountSettings", {}),
        ("s3", "GetObject", {"Bucket": f"sample-artifacts-{ACCOUNT}-{REGION}", "Key": "smoke/0.json"}),
        ("codedeploy", "PutLifecycleEventHookExecutionStatus", {"deploymentId": "d-1", "status": "Succeeded"}),
        ("cloudwatch", "DescribeAlarms", {"AlarmNames": ["sample-produs-errors"]}),
    ],
    "promotion": [
        *(
            ("lambda", "Invoke", {"FunctionName": f"{PIPELINE}-{verb}:1"})
            for verb in ("validate", "verify", "rollback")
        ),
        ("codedeploy", "CreateDeployment", {**GROUP, "deploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce"}),
        *(write("digest#sha256:0"), write("env#produs"), write("env#produs", "DeleteItem")),
        (
            *("dynamodb", "TransactWriteItems"),
            {"TransactItems": [{"Put": {"TableName": TABLE, "Item": {"pk": {"S": "env#produs"}, "sk": {"S": "x"}}}}]},
        ),
        ("sns", "Publish", {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:sample-promotion", "Message": "x"}),
    ],
}
NOT_CALLED_HERE = {
    "ReadInspectorsFindings": "ECR asks Inspector in the caller's name, with enhanced scanning only",
    "WriteTheLedgerInTransactions": "AWS doesn't say whether a transaction's items have leading keys; here they have",
    "WriteLogsAndTraces": "Step Functions delivers its logs and traces with the role",
}
STATEMENTS = [
    (name, statement["Sid"])
    for name in CALLS
    for statement in INVENTORY[f"aws_iam_role_policy.{name}"]["policy"]["Statement"]
    if statement["Sid"] not in NOT_CALLED_HERE
]


def cloud(service: str, action: str, _params: Any, **_where: str) -> dict[str, Any]:
    """Answer what the map of calls asks the cloud."""
    if (service, action) == ("dynamodb", "DescribeTable"):
        return {"Table": {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}}
    if (service, action) == ("codedeploy", "GetDeployment"):
        return {"deploymentInfo": GROUP}
    raise KeyError(action)


def refused(name: str, without: str = "") -> list[AccessRequest]:
    """Return what of its calls a role may not make, without one of its statements."""
    kept = [s for s in INVENTORY[f"aws_iam_role_policy.{name}"]["policy"]["Statement"] if s["Sid"] != without]
    document = parse_policy({"Version": "2012-10-17", "Statement": kept})
    principal = Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/sample", session_arn="x", account=ACCOUNT)
    needed: list[AccessRequest] = []
    for service, action, params in CALLS[name]:
        of_call = accesses(service, action, params, REGION, ACCOUNT, cloud)
        assert of_call is not None, f"{service}:{action} is not in the map"
        needed += of_call
    policies = ApplicablePolicies(identity=(document,))
    return [each for each in needed if not decide(each, principal, policies, ACCOUNT).allowed]


@pytest.mark.parametrize("name", CALLS)
def test_a_role_may_do_all_that_is_done_with_it(name: str) -> None:
    assert [f"{each.action} on {each.resource}" for each in refused(name)] == []


@pytest.mark.parametrize(("name", "sid"), STATEMENTS)
def test_without_a_statement_something_is_refused(name: str, sid: str) -> None:
    assert refused(name, without=sid) != []
