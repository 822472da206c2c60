"""States of Step Functions: tasks, errors by AWS's names, retries, waits on the clock, maps, branches, task tokens."""

from __future__ import annotations

import io
import json
import sys
import time
import zipfile
from typing import Any

import pytest
from asking import code_of, until
from machines import Machines, catch, sdk

pytestmark = [pytest.mark.cloud]


@pytest.fixture(scope="module")
def function(cloud: Any) -> str:
    source = """
def handler(event, context):
    if event.get("fail"):
        class OddError(Exception):
            pass
        raise OddError("odd")
    return {"got": event, "version": context.function_version}
"""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("index.py", source)
    lambda_ = cloud.client("lambda")
    lambda_.create_function(
        FunctionName="states-function",
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Role=cloud.role,
        Handler="index.handler",
        Code={"ZipFile": data.getvalue()},
    )
    until(
        lambda: lambda_.get_function(FunctionName="states-function")["Configuration"]["State"], lambda s: s == "Active"
    )
    return "states-function"


def test_a_function_is_invoked_and_its_answer_is_parsed(machines: Machines, function: str) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload": {"x.$": "$.x", "who.$": "$$.Execution.Name"}},
        "ResultSelector": {"got.$": "$.Payload.got.x", "status.$": "$.StatusCode"},
        "ResultPath": "$.answer",
        "End": True,
    }
    assert machines.output({"T": task}, {"x": 5}) == {"x": 5, "answer": {"got": 5, "status": 200}}


def test_a_task_of_another_partition_ends_the_execution_in_aws_s_words(machines: Machines, function: str) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws-us-gov:states:::lambda:invoke",
        "Parameters": {"FunctionName": function},
        "End": True,
    }
    ended = machines.run({"T": task})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")
    assert "Expected 'aws', was 'aws-us-gov'" in ended["cause"]


def test_a_function_error_has_the_functions_own_name(machines: Machines, function: str) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload": {"fail": True}},
        "End": True,
    }
    ended = machines.run({"T": task})
    assert (ended["status"], ended["error"]) == ("FAILED", "OddError")
    assert json.loads(ended["cause"])["errorMessage"] == "odd"


@pytest.mark.contract
@pytest.mark.parametrize(
    ("state", "error"),
    [
        (sdk("lambda:getFunction", {"FunctionName": "none"}), "Lambda.ResourceNotFoundException"),
        (
            sdk("codedeploy:createDeployment", {"ApplicationName": "none", "DeploymentGroupName": "none"}),
            "CodeDeploy.ApplicationDoesNotExistException",
        ),
        (
            sdk("dynamodb:getItem", {"TableName": "none", "Key": {"Pk": {"S": "x"}}}),
            "DynamoDb.ResourceNotFoundException",
        ),
        (
            sdk("sfn:describeExecution", {"ExecutionArn": "arn:aws:states:REGION:ACCOUNT:execution:none:none"}),
            "Sfn.ExecutionDoesNotExistException",
        ),
        (
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": "none"},
                "End": True,
            },
            "Lambda.ResourceNotFoundException",
        ),
    ],
)
def test_errors_have_the_names_that_step_functions_gives_them(
    machines: Machines, state: dict[str, Any], error: str
) -> None:
    here = f"{machines.cloud.region}:{machines.cloud.account}"
    states = json.loads(json.dumps(catch(state)).replace("REGION:ACCOUNT", here))
    assert machines.output(states)["Error"] == error


def test_sdk_tasks_take_and_give_pascal_case(machines: Machines) -> None:
    machines.cloud.client("dynamodb").create_table(
        TableName="states-table",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    states = {
        "Put": sdk(
            "dynamodb:putItem",
            {
                "TableName": "states-table",
                "Item": {"pk": {"S.$": "$.id"}, "n": {"N": "1"}},
                "ConditionExpression": "attribute_not_exists(pk)",
            },
            ResultPath=None,
            Next="Apps",
        ),
        "Apps": sdk("codedeploy:listApplications", {}, ResultPath="$.apps", Next="Again"),
        "Again": sdk(
            "dynamodb:putItem",
            {
                "TableName": "states-table",
                "Item": {"pk": {"S.$": "$.id"}},
                "ConditionExpression": "attribute_not_exists(pk)",
            },
            Catch=[
                {"ErrorEquals": ["DynamoDb.ConditionalCheckFailedException"], "ResultPath": "$.error", "Next": "End"}
            ],
        ),
        "End": {"Type": "Pass", "End": True},
    }
    output = machines.output(states, {"id": "a"})
    assert isinstance(output["apps"]["Applications"], list)
    assert output["error"]["Error"] == "DynamoDb.ConditionalCheckFailedException"


def test_a_field_that_the_service_does_not_have_is_refused(machines: Machines) -> None:
    ended = machines.run({"T": sdk("lambda:getFunction", {"functionName": "camelCase"})})
    assert ended["error"] == "States.Runtime"
    assert "functionName" in ended["cause"]


@pytest.mark.timing("a simulated wait is bounded to 10 real seconds")
def test_waits_follow_the_clock(machines: Machines) -> None:
    began = time.monotonic()
    machines.output({"W": {"Type": "Wait", "SecondsPath": "$.s", "End": True}}, {"s": 600})
    assert time.monotonic() - began < 10


def test_retries_wait_and_end_and_the_catcher_sees_the_last_error(machines: Machines) -> None:
    machines.cloud.faults({"service": "sqs", "action": "ListQueues", "kind": "throttle", "count": 2})
    task = sdk("sqs:listQueues", {}, Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 10, "MaxAttempts": 2}])
    machines.cloud.reset_calls()
    machines.output({"T": task})
    assert machines.cloud.calls().count("sqs:ListQueues") == 3
    machines.cloud.faults({"service": "sqs", "action": "ListQueues", "kind": "throttle", "count": 0})
    assert machines.output(catch(task))["Error"] == "Sqs.SqsException"


@pytest.mark.timing("a simulated wait is bounded to 10 real seconds")
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("throttle", "Lambda.TooManyRequestsException"),
        ("error", "Lambda.ServiceException"),
        ("access_denied", "Lambda.LambdaException"),
        ("timeout", "States.Timeout"),
        ("cut", "Lambda.SdkClientException"),
        ("malformed", "Lambda.SdkClientException"),
    ],
)
def test_faults_meet_the_calls_of_a_state_machine(machines: Machines, kind: str, error: str) -> None:
    machines.cloud.faults({"service": "lambda", "action": "ListFunctions", "kind": kind, "count": 0})
    task = sdk("lambda:listFunctions", {}, TimeoutSeconds=60)
    began = time.monotonic()
    found = machines.output(catch(task))["Error"]
    assert found == error
    assert time.monotonic() - began < 10


def test_a_map_runs_in_order_and_stops_at_the_first_failure(machines: Machines) -> None:
    inner = {
        "StartAt": "Check",
        "States": {
            "Check": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.rung", "StringEquals": "bad", "Next": "Broken"}],
                "Default": "Good",
            },
            "Good": {"Type": "Pass", "End": True},
            "Broken": {"Type": "Fail", "Error": "RolledBack", "CausePath": "States.Format('at {}', $.rung)"},
        },
    }
    states = {
        "Rungs": {
            "Type": "Map",
            "ItemsPath": "$.rungs",
            "MaxConcurrency": 1,
            "ItemSelector": {"rung.$": "$$.Map.Item.Value", "at.$": "$$.Map.Item.Index"},
            "ItemProcessor": inner,
            "End": True,
        }
    }
    assert machines.output(states, {"rungs": ["a", "b"]}) == [{"rung": "a", "at": 0}, {"rung": "b", "at": 1}]
    execution = machines.start(machines.make(states), {"rungs": ["a", "bad", "c"]})
    ended = machines.end(execution)
    assert (ended["error"], ended["cause"]) == ("RolledBack", "at bad")
    started = [e for e in machines.events(execution) if e["type"] == "MapIterationStarted"]
    assert [e["mapIterationStartedEventDetails"]["index"] for e in started] == [0, 1]


@pytest.mark.timing("branches at once are told from branches in turn by 10 s")
def test_parallel_branches_run_together_and_a_failure_aborts_the_others(machines: Machines) -> None:
    slow = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 86_400, "End": True}}}
    fails = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Broken"}}}
    began = time.monotonic()
    ended = machines.run({"P": {"Type": "Parallel", "Branches": [slow, fails], "End": True}})
    assert ended["error"] == "Broken"
    assert time.monotonic() - began < 10
    both = [{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": n, "End": True}}} for n in (1, 2)]
    assert machines.output({"P": {"Type": "Parallel", "Branches": both, "End": True}}) == [1, 2]


def test_a_task_token_is_answered_refused_or_times_out(machines: Machines) -> None:
    queue = machines.cloud.client("sqs").create_queue(QueueName="states-tokens")["QueueUrl"]
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "TimeoutSeconds": 86_400,
        "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
        "ResultPath": "$.said",
        "End": True,
    }
    sqs = machines.cloud.client("sqs")

    def token() -> str:
        (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return str(json.loads(message["Body"])["token"])

    execution = machines.start(machines.make({"T": task}))
    machines.client.send_task_success(taskToken=token(), output='{"by": "me"}')
    assert json.loads(machines.end(execution)["output"]) == {"said": {"by": "me"}}
    execution = machines.start(machines.make({"T": task}))
    used = token()
    machines.client.send_task_failure(taskToken=used, error="ApprovalRejected", cause="not today")
    ended = machines.end(execution)
    assert (ended["error"], ended["cause"]) == ("ApprovalRejected", "not today")
    assert code_of(lambda: machines.client.send_task_success(taskToken=used, output="1")) == "TaskTimedOut"
    short = machines.run({"T": task | {"TimeoutSeconds": 30}})
    assert short["error"] == "States.Timeout"
    token()


def test_a_child_execution_is_waited_for(machines: Machines) -> None:
    child = machines.make({"A": {"Type": "Pass", "Result": {"n": 1}, "End": True}})
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": child, "Input": {"a": 1}},
        "ResultSelector": {"output.$": "$.Output"},
        "End": True,
    }
    assert machines.output({"T": task}) == {"output": {"n": 1}}
