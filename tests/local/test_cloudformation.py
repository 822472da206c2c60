"""CloudFormation calls nothing created that isn't."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from asking import code_of

pytestmark = pytest.mark.cloud
QUEUE = {"Type": "AWS::SQS::Queue"}


def function(cloud: Any) -> dict[str, Any]:
    code = {"ZipFile": "def handler(event, context):\n    return 1\n"}
    wanted = {"FunctionName": "of-a-stack", "Runtime": "python3.13", "Handler": "index.handler"}
    return {"Type": "AWS::Lambda::Function", "Properties": {**wanted, "Role": cloud.role, "Code": code}}


def template(**resources: Any) -> str:
    return json.dumps({"Resources": resources})


def test_a_stack_with_a_function_fails_and_says_why(cloud: Any) -> None:
    client, name = cloud.client("cloudformation"), f"stack-{uuid4().hex[:8]}"
    client.create_stack(StackName=name, TemplateBody=template(Queue=QUEUE, Function=function(cloud)))
    assert client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_FAILED"
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    (told,) = [e for e in events if e["LogicalResourceId"] == "Function"]
    assert told["ResourceStatus"] == "CREATE_FAILED"
    assert "makes no AWS::Lambda::Function" in told["ResourceStatusReason"]
    assert "CREATE_COMPLETE" not in {e["ResourceStatus"] for e in events}
    rows = client.list_stack_resources(StackName=name)["StackResourceSummaries"]
    assert {row["LogicalResourceId"]: row["ResourceStatus"] for row in rows}["Function"] == "CREATE_FAILED"
    find = cloud.client("lambda").get_function
    assert code_of(lambda: find(FunctionName="of-a-stack")) == "ResourceNotFoundException"


def test_so_does_a_change_set_and_an_update_that_add_one(cloud: Any) -> None:
    client, name = cloud.client("cloudformation"), f"stack-{uuid4().hex[:8]}"
    client.create_stack(StackName=name, TemplateBody=template(Queue=QUEUE))
    assert client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    client.update_stack(StackName=name, TemplateBody=template(Queue=QUEUE, Function=function(cloud)))
    assert client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "UPDATE_FAILED"
    other = f"stack-{uuid4().hex[:8]}"
    made = client.create_change_set(
        StackName=other, ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=template(Function=function(cloud))
    )
    client.execute_change_set(ChangeSetName=made["Id"])
    assert client.describe_stacks(StackName=other)["Stacks"][0]["StackStatus"] == "CREATE_FAILED"
