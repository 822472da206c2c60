"""CloudFormation makes what Lambda keeps in Lambda, rolls back, and calls nothing created that isn't."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from asking import code_of

pytestmark = pytest.mark.cloud
QUEUE = {"Type": "AWS::SQS::Queue"}
ALARM = {"Type": "AWS::CloudWatch::Alarm", "Properties": {}}
VERSION = {"Fn::GetAtt": ["Version", "Version"]}


def function(cloud: Any, source: str = "1", **more: Any) -> dict[str, Any]:
    code = {"ZipFile": f"def handler(event, context):\n    return {source}\n"}
    wanted = {"Runtime": "python3.13", "Handler": "index.handler", "Role": cloud.role, "Code": code}
    return {"Type": "AWS::Lambda::Function", "Properties": {**wanted, **more}}


def version(name: str = "Version") -> dict[str, Any]:
    published = {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "Function"}}}
    to = {"FunctionName": {"Ref": "Function"}, "Name": "live", "FunctionVersion": {"Fn::GetAtt": [name, "Version"]}}
    return {name: {**published, "DeletionPolicy": "Retain"}, "Alias": {"Type": "AWS::Lambda::Alias", "Properties": to}}


def template(
    *, outputs: dict[str, Any] | None = None, parameters: dict[str, Any] | None = None, **resources: Any
) -> str:
    return json.dumps({"Resources": resources, "Outputs": outputs or {}, "Parameters": parameters or {}})


class Stack:
    """One stack, by its name."""

    def __init__(self, cloud: Any) -> None:
        self.client, self.name = cloud.client("cloudformation"), f"stack-{uuid4().hex[:8]}"

    def create(self, body: str, **more: Any) -> str:
        self.client.create_stack(StackName=self.name, TemplateBody=body, **more)
        return self.status

    def update(self, body: str, **more: Any) -> str:
        self.client.update_stack(StackName=self.name, TemplateBody=body, **more)
        return self.status

    def change(self, body: str, kind: str, **more: Any) -> str:
        which = {"StackName": self.name, "ChangeSetName": f"change-{uuid4().hex[:8]}"}
        self.client.create_change_set(**which, ChangeSetType=kind, TemplateBody=body, **more)
        self.client.execute_change_set(**which)
        return self.status

    @property
    def status(self) -> str:
        return str(self.client.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"])

    def outputs(self) -> dict[str, str]:
        rows = self.client.describe_stacks(StackName=self.name)["Stacks"][0]["Outputs"]
        return {row["OutputKey"]: row["OutputValue"] for row in rows}

    def reasons(self, name: str) -> list[str]:
        events = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return [e.get("ResourceStatusReason", "") for e in events if e["LogicalResourceId"] == name]

    def resources(self) -> dict[str, str]:
        rows = self.client.list_stack_resources(StackName=self.name)["StackResourceSummaries"]
        return {row["LogicalResourceId"]: row["PhysicalResourceId"] for row in rows}


@pytest.fixture
def stack(cloud: Any) -> Stack:
    return Stack(cloud)


def answer(cloud: Any, name: str, qualifier: str = "$LATEST") -> Any:
    return json.load(cloud.client("lambda").invoke(FunctionName=name, Qualifier=qualifier)["Payload"])


def test_a_stack_makes_changes_and_deletes_a_function_in_lambda(cloud: Any, stack: Stack) -> None:
    client = cloud.client("lambda")
    tags, environment = [{"Key": "team", "Value": "a"}], {"Variables": {"COLOUR": "red"}}
    made = function(cloud, MemorySize="256", Tags=tags, Environment=environment, ReservedConcurrentExecutions=2)
    outputs = {"Arn": {"Value": {"Fn::GetAtt": ["Function", "Arn"]}}, "Name": {"Value": {"Ref": "Function"}}}
    assert stack.create(template(Function=made, outputs=outputs)) == "CREATE_COMPLETE"
    name = stack.outputs()["Name"]
    assert name.startswith(f"{stack.name}-Function-")
    now = client.get_function(FunctionName=name)
    assert now["Configuration"]["FunctionArn"] == stack.outputs()["Arn"]
    assert (now["Configuration"]["MemorySize"], now["Configuration"]["State"]) == (256, "Active")
    assert (now["Tags"], now["Concurrency"]["ReservedConcurrentExecutions"]) == ({"team": "a"}, 2)
    assert answer(cloud, name) == 1
    changed = function(cloud, "2", Tags=[{"Key": "to", "Value": "b"}])
    assert stack.update(template(Function=changed, outputs=outputs)) == "UPDATE_COMPLETE"
    now = client.get_function(FunctionName=name)
    assert (now["Tags"], now["Configuration"]["MemorySize"], answer(cloud, name)) == ({"to": "b"}, 128, 2)
    assert "Environment" not in now["Configuration"]
    assert "Concurrency" not in now
    stack.client.delete_stack(StackName=stack.name)
    assert code_of(lambda: client.get_function(FunctionName=name)) == "ResourceNotFoundException"


def test_an_update_publishes_after_the_code_and_retains_old_versions(cloud: Any, stack: Stack) -> None:
    client = cloud.client("lambda")
    assert stack.change(template(Function=function(cloud), **version("First")), "CREATE") == "CREATE_COMPLETE"
    name = stack.resources()["Function"]
    assert answer(cloud, name, "live") == 1
    assert stack.change(template(Function=function(cloud, "2"), **version("Second")), "UPDATE") == "UPDATE_COMPLETE"
    assert client.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "2"
    assert (answer(cloud, name, "live"), answer(cloud, name, "1")) == (2, 1)
    routed = version("Second")
    weights = {"AdditionalVersionWeights": [{"FunctionVersion": "1", "FunctionWeight": 0.5}]}
    routed["Alias"]["Properties"]["RoutingConfig"] = weights
    assert stack.update(template(Function=function(cloud, "2"), **routed)) == "UPDATE_COMPLETE"
    assert client.get_alias(FunctionName=name, Name="live")["RoutingConfig"] == {"AdditionalVersionWeights": {"1": 0.5}}


def test_a_resource_that_fails_is_named_and_all_is_undone(cloud: Any, stack: Stack) -> None:
    bad = function(cloud)
    bad["Properties"]["Role"] = "arn:aws:iam::123456789012:role/nobody"
    body = template(Queue={**QUEUE, "Properties": {"QueueName": f"{stack.name}-q"}}, Function=bad)
    assert stack.create(body) == "ROLLBACK_COMPLETE"
    assert "cannot be assumed by Lambda" in stack.reasons("Function")[0]
    assert stack.resources() == {}
    assert not cloud.client("sqs").list_queues(QueueNamePrefix=stack.name).get("QueueUrls")
    assert stack.reasons(stack.name)[1].endswith("failed to create: [Function].")


def test_a_role_has_the_policies_that_its_stack_gives_it(cloud: Any, stack: Stack) -> None:
    client, lambda_may = cloud.client("iam"), "AWSLambda_FullAccess"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    may = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    properties: dict[str, Any] = {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        "ManagedPolicyArns": [f"arn:aws:iam::aws:policy/{lambda_may}"],
        "Policies": [{"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": [may]}}],
    }
    assert stack.create(template(Role={"Type": "AWS::IAM::Role", "Properties": properties})) == "CREATE_COMPLETE"
    name = stack.resources()["Role"]
    assert client.get_role_policy(RoleName=name, PolicyName="own")["PolicyDocument"]["Statement"] == [may]
    attached = client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == [lambda_may]
    fewer = {**properties, "ManagedPolicyArns": [], "Policies": []}
    assert stack.update(template(Role={"Type": "AWS::IAM::Role", "Properties": fewer})) == "UPDATE_COMPLETE"
    assert stack.resources()["Role"] == name
    assert client.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    assert client.list_role_policies(RoleName=name)["PolicyNames"] == []
    stack.update(template(Role={"Type": "AWS::IAM::Role", "Properties": properties}))
    stack.client.delete_stack(StackName=stack.name)
    assert code_of(lambda: client.get_role(RoleName=name)) == "NoSuchEntity"


def test_what_failed_is_kept_where_the_caller_says_so(cloud: Any, stack: Stack) -> None:
    body = template(Queue=QUEUE, Alarm={**ALARM, "DependsOn": "Queue"})
    assert stack.create(body, DisableRollback=True) == "CREATE_FAILED"
    assert list(stack.resources()) == ["Queue"]
    other, which = Stack(cloud), {"ChangeSetName": "kept", "ChangeSetType": "CREATE"}
    which = {**which, "StackName": other.name, "TemplateBody": body}
    other.client.create_change_set(**which, DeploymentConfig={"Mode": "EXPRESS", "DisableRollback": True})
    other.client.execute_change_set(StackName=other.name, ChangeSetName="kept")
    assert other.status == "CREATE_FAILED"


def test_an_update_whose_code_fails_restores_the_old_code(cloud: Any, functions: Any, stack: Stack) -> None:
    client = cloud.client("lambda")
    first = template(Function=function(cloud), **version("First"))
    assert stack.create(first) == "CREATE_COMPLETE"
    name = stack.resources()["Function"]
    before = client.get_function_configuration(FunctionName=name)["CodeSha256"]
    functions.order("fail", function=name, code="InvalidImage", reason="no such layer")
    assert stack.update(template(Function=function(cloud, "2"), **version("Second"))) == "UPDATE_ROLLBACK_COMPLETE"
    assert "no such layer" in stack.reasons("Function")[1]
    now = client.get_function_configuration(FunctionName=name)
    assert (now["CodeSha256"], now["LastUpdateStatus"], answer(cloud, name, "live")) == (before, "Successful", 1)
    assert stack.update(template(Function=function(cloud, "2"), **version("Second"))) == "UPDATE_COMPLETE"
    assert answer(cloud, name, "live") == 2


def test_a_stack_with_a_resource_that_nothing_reads_fails_and_says_why(cloud: Any, stack: Stack) -> None:
    assert stack.create(template(Queue=QUEUE, Alarm=ALARM)) == "ROLLBACK_COMPLETE"
    assert "makes no AWS::CloudWatch::Alarm" in stack.reasons("Alarm")[0]
    other = Stack(cloud)
    assert other.create(template(Queue=QUEUE)) == "CREATE_COMPLETE"
    assert other.update(template(Queue=QUEUE, Alarm=ALARM)) == "UPDATE_ROLLBACK_COMPLETE"
    assert list(other.resources()) == ["Queue"]
    url = function(cloud, CodeSigningConfigArn="arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-1")
    assert Stack(cloud).create(template(Function=url)) == "ROLLBACK_COMPLETE"


def test_a_change_set_with_nothing_new_says_so_and_is_not_executed(stack: Stack) -> None:
    body = template(Queue=QUEUE)
    stack.create(body)
    which = {"StackName": stack.name, "ChangeSetName": "same"}
    stack.client.create_change_set(**which, TemplateBody=body)
    described = stack.client.describe_change_set(**which)
    assert described["Status"] == "FAILED"
    assert "didn't contain changes" in described["StatusReason"]
    assert code_of(lambda: stack.client.execute_change_set(**which)) == "InvalidChangeSetStatus"
    with pytest.raises(stack.client.exceptions.ClientError, match="No updates are to be performed"):
        stack.update(body)


def test_a_change_set_that_does_not_exist(stack: Stack) -> None:
    which = {"StackName": stack.name, "ChangeSetName": "none"}
    assert code_of(lambda: stack.client.delete_change_set(**which)) == "ValidationError"
    stack.create(template(Queue=QUEUE))
    stack.client.delete_change_set(**which)
    assert code_of(lambda: stack.client.describe_change_set(**which)) == "ChangeSetNotFound"
    assert stack.client.list_change_sets(StackName=stack.name)["Summaries"] == []


def test_previous_values_of_parameters_stay(cloud: Any, stack: Stack) -> None:
    """Also one that names a parameter of Systems Manager, as those of the CDK's bootstrap do."""
    cloud.client("ssm").put_parameter(Name=f"/{stack.name}", Value="21", Type="String")
    slots = {
        "Bootstrap": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": f"/{stack.name}"},
        "Size": {"Type": "String"},
    }
    outputs = {"Size": {"Value": {"Ref": "Size"}}, "Bootstrap": {"Value": {"Ref": "Bootstrap"}}}
    stack.create(
        template(Queue=QUEUE, parameters=slots, outputs=outputs),
        Parameters=[{"ParameterKey": "Size", "ParameterValue": "big"}],
    )
    previous = [{"ParameterKey": key, "UsePreviousValue": True} for key in slots]
    body = template(Queue=QUEUE, Other=QUEUE, parameters=slots, outputs=outputs)
    assert stack.update(body, Parameters=previous) == "UPDATE_COMPLETE"
    body = template(Queue=QUEUE, parameters=slots, outputs=outputs)
    assert stack.change(body, "UPDATE", Parameters=previous) == "UPDATE_COMPLETE"
    assert stack.outputs() == {"Size": "big", "Bootstrap": "21"}


def test_a_template_is_read_from_a_bucket_at_any_address(cloud: Any, stack: Stack) -> None:
    s3, bucket = cloud.client("s3"), f"templates-{uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    for key, resources in (("a", {"Queue": QUEUE}), ("b", {"Other": QUEUE})):
        s3.put_object(Bucket=bucket, Key=key, Body=template(**resources))
    stack.client.create_stack(StackName=stack.name, TemplateURL=f"{s3.meta.endpoint_url}/{bucket}/a")
    assert list(stack.resources()) == ["Queue"]
    stack.client.update_stack(StackName=stack.name, TemplateURL=f"https://{bucket}.s3.us-east-1.amazonaws.com/b")
    assert list(stack.resources()) == ["Other"]
    with pytest.raises(stack.client.exceptions.ClientError, match="S3 error"):
        stack.client.update_stack(StackName=stack.name, TemplateURL=f"https://s3.amazonaws.com/{bucket}/c")
