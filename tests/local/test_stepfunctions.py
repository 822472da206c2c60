"""Step Functions run: tasks, errors by their AWS names, waits on the clock, redrive, task tokens."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stepladder.local import manager

pytestmark = [pytest.mark.cloud]
NUMBERS = itertools.count(1)
ROLE = "arn:aws:iam::123456789012:role/states"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        ],
    }
)


class Machines:
    """Make machines and run them."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.client = cloud.client("stepfunctions")

    def make(self, states: dict[str, Any], start: str = "", **more: Any) -> str:
        definition = {"StartAt": start or next(iter(states)), "States": states, **more}
        name = f"machine-{next(NUMBERS)}"
        return str(
            self.client.create_state_machine(name=name, roleArn=ROLE, definition=json.dumps(definition))[
                "stateMachineArn"
            ]
        )

    def start(self, machine: str, data: Any = None, name: str = "") -> str:
        named = {"name": name} if name else {}
        return str(
            self.client.start_execution(stateMachineArn=machine, input=json.dumps(data or {}), **named)["executionArn"]
        )

    def end(self, execution: str, seconds: float = 20) -> dict[str, Any]:
        return until(
            lambda: self.client.describe_execution(executionArn=execution), lambda e: e["status"] != "RUNNING", seconds
        )

    def run(self, states: dict[str, Any], data: Any = None, **more: Any) -> dict[str, Any]:
        return self.end(self.start(self.make(states, **more), data))

    def output(self, states: dict[str, Any], data: Any = None) -> Any:
        ended = self.run(states, data)
        assert ended["status"] == "SUCCEEDED", ended
        return json.loads(ended["output"])

    def events(self, execution: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.client.get_execution_history(executionArn=execution)["events"]
        return events


def until(read: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not wanted(value := read()):
        assert time.monotonic() < deadline, value
        time.sleep(0.02)
    return value


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def machines(cloud: Any) -> Iterator[Machines]:
    cloud.speed(600)
    yield Machines(cloud)
    cloud.speed(1)
    cloud.faults()


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
    with contextlib.suppress(ClientError):
        cloud.client("iam").create_role(RoleName="states-function", AssumeRolePolicyDocument=TRUST)
    lambda_ = cloud.client("lambda")
    lambda_.create_function(
        FunctionName="states-function",
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Role="arn:aws:iam::123456789012:role/states-function",
        Handler="index.handler",
        Code={"ZipFile": data.getvalue()},
    )
    until(
        lambda: lambda_.get_function(FunctionName="states-function")["Configuration"]["State"], lambda s: s == "Active"
    )
    return "states-function"


def sdk(action: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    state = {"Type": "Task", "Resource": f"arn:aws:states:::aws-sdk:{action}", "Parameters": parameters}
    return state | ({} if "Next" in more else {"End": True}) | more


def catch(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "T": state | {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]},
        "Caught": {"Type": "Pass", "End": True},
    }


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
        (sdk("sfn:describeExecution", {"ExecutionArn": ROLE}), "Sfn.ExecutionDoesNotExistException"),
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
    assert machines.output(catch(state))["Error"] == error


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


def test_a_map_climbs_in_order_and_stops_at_the_first_failure(machines: Machines) -> None:
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
        "Climb": {
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


def test_parallel_branches_run_together_and_a_failure_aborts_the_others(machines: Machines) -> None:
    slow = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 86_400, "End": True}}}
    fails = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Broken"}}}
    began = time.monotonic()
    ended = machines.run({"P": {"Type": "Parallel", "Branches": [slow, fails], "End": True}})
    assert ended["error"] == "Broken"
    assert time.monotonic() - began < 10
    both = [{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": n, "End": True}}} for n in (1, 2)]
    assert machines.output({"P": {"Type": "Parallel", "Branches": both, "End": True}}) == [1, 2]


@pytest.mark.contract
def test_the_name_is_an_idempotency_key(machines: Machines) -> None:
    machine = machines.make({"W": {"Type": "Wait", "Seconds": 3600, "End": True}})
    first = machines.start(machine, {"a": 1}, "key")
    assert machines.start(machine, {"a": 1}, "key") == first
    assert code_of(lambda: machines.start(machine, {"a": 2}, "key")) == "ExecutionAlreadyExists"
    machines.client.stop_execution(executionArn=first, error="Enough", cause="by hand")
    ended = machines.end(first)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "Enough", "by hand")
    assert code_of(lambda: machines.start(machine, {"a": 1}, "key")) == "ExecutionAlreadyExists"


@pytest.mark.contract
def test_a_redrive_goes_on_where_it_failed_and_repeats_nothing(machines: Machines) -> None:
    item = {
        "StartAt": "First",
        "States": {
            "First": sdk("sqs:listQueues", {}, ResultPath=None, Next="Second"),
            "Second": sdk("sns:listTopics", {}, ResultPath=None),
        },
    }
    states = {"M": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "ItemProcessor": item, "End": True}}
    machines.cloud.faults({"service": "sns", "action": "ListTopics", "kind": "error", "skip": 1, "count": 1})
    execution = machines.start(machines.make(states), {"items": [1, 2, 3]})
    assert machines.end(execution)["status"] == "FAILED"
    machines.cloud.reset_calls()
    machines.client.redrive_execution(executionArn=execution)
    ended = machines.end(execution)
    assert (ended["status"], ended["redriveCount"], json.loads(ended["output"])) == ("SUCCEEDED", 1, [1, 2, 3])
    calls = [c for c in machines.cloud.calls() if c.startswith(("sqs", "sns"))]
    assert calls == ["sns:ListTopics", "sqs:ListQueues", "sns:ListTopics"]  # 2's second state, then 3
    assert code_of(lambda: machines.client.redrive_execution(executionArn=execution)) == "ExecutionNotRedrivable"
    assert "ExecutionRedriven" in [e["type"] for e in machines.events(execution)]


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


def test_the_whole_machine_has_a_deadline(machines: Machines) -> None:
    ended = machines.run({"W": {"Type": "Wait", "Seconds": 86_400, "End": True}}, TimeoutSeconds=60)
    assert ended["status"] == "TIMED_OUT"


def test_the_history_tells_every_state_in_order(machines: Machines) -> None:
    states = {"A": {"Type": "Pass", "Result": {"n": 1}, "Next": "B"}, "B": {"Type": "Succeed"}}
    execution = machines.start(machines.make(states), {"in": 1})
    machines.end(execution)
    events = machines.events(execution)
    assert [e["type"] for e in events] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ]
    assert [e["id"] for e in events] == [1, 2, 3, 4, 5, 6]
    assert json.loads(events[2]["stateExitedEventDetails"]["output"]) == {"n": 1}
    last = machines.client.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)["events"]
    assert last[0]["type"] == "ExecutionSucceeded"


@pytest.mark.contract
def test_an_alias_keeps_executions_on_the_version_it_names(machines: Machines) -> None:
    client = machines.client
    machine = machines.make({"A": {"Type": "Pass", "Result": 1, "End": True}})
    one = client.publish_state_machine_version(stateMachineArn=machine)["stateMachineVersionArn"]
    alias = client.create_state_machine_alias(
        name="live", routingConfiguration=[{"stateMachineVersionArn": one, "weight": 100}]
    )["stateMachineAliasArn"]
    second = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 2, "End": True}}})
    two = client.update_state_machine(stateMachineArn=machine, definition=second, publish=True)[
        "stateMachineVersionArn"
    ]
    assert json.loads(machines.end(machines.start(alias))["output"]) == 1
    assert json.loads(machines.end(machines.start(machine))["output"]) == 2
    listed = client.list_state_machine_versions(stateMachineArn=machine)["stateMachineVersions"]
    assert [v["stateMachineVersionArn"] for v in listed] == [two, one]
    assert code_of(lambda: client.delete_state_machine_version(stateMachineVersionArn=one)) == "ConflictException"
    client.update_state_machine_alias(
        stateMachineAliasArn=alias, routingConfiguration=[{"stateMachineVersionArn": two, "weight": 100}]
    )
    ended = machines.end(machines.start(alias))
    assert (json.loads(ended["output"]), ended["stateMachineAliasArn"]) == (2, alias)
    assert len(client.list_executions(stateMachineArn=alias)["executions"]) == 2


def test_a_wrong_definition_is_refused_with_the_reason(machines: Machines) -> None:
    wrong = json.dumps({"StartAt": "Nowhere", "States": {"A": {"Type": "Pass", "End": True}}})
    answer = machines.client.validate_state_machine_definition(definition=wrong)
    assert answer["result"] == "FAIL"
    assert answer["diagnostics"][0]["code"] == "MISSING_TRANSITION_TARGET"
    assert (
        code_of(lambda: machines.client.create_state_machine(name="wrong", roleArn=ROLE, definition=wrong))
        == "InvalidDefinition"
    )


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


def test_the_end_of_an_execution_is_an_event_that_rules_hear(machines: Machines) -> None:
    events, sqs = machines.cloud.client("events"), machines.cloud.client("sqs")
    queue = sqs.create_queue(QueueName="states-ended")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    machine = machines.make({"W": {"Type": "Wait", "Seconds": 86_400, "End": True}})
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"status": ["ABORTED", "FAILED"], "stateMachineArn": [machine]},
    }
    events.put_rule(Name="states-ended", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="states-ended", Targets=[{"Id": "q", "Arn": arn}])
    execution = machines.start(machine)
    machines.client.stop_execution(executionArn=execution)
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert json.loads(message["Body"])["detail"]["executionArn"] == execution


def test_an_execution_that_a_restart_interrupts_can_be_redriven(tmp_path: Path, cloud_of: Any) -> None:
    states = {
        "Before": sdk("sqs:listQueues", {}, ResultPath=None, Next="Wait"),
        "Wait": {"Type": "Wait", "SecondsPath": "$.seconds", "End": True},
    }
    with manager.running(data=tmp_path) as info:
        machines = Machines(cloud_of(info))
        execution = machines.start(machines.make(states), {"seconds": 600})
        until(lambda: [e["type"] for e in machines.events(execution)], lambda types: types[-1] == "WaitStateEntered")
    with manager.running(data=tmp_path, speed=6000) as info:
        machines = Machines(cloud_of(info))
        ended = machines.end(execution)
        assert (ended["status"], ended["cause"]) == ("FAILED", "The local cloud was restarted.")
        machines.client.redrive_execution(executionArn=execution)
        assert machines.end(execution)["status"] == "SUCCEEDED"
        assert "sqs:ListQueues" not in machines.cloud.calls()


def test_ten_executions_at_once_take_little_longer_than_one(machines: Machines) -> None:
    states = {f"S{n}": sdk("sqs:listQueues", {}, ResultPath=None, Next=f"S{n + 1}") for n in range(10)}
    machine = machines.make({**states, "S10": {"Type": "Succeed"}})
    machines.end(machines.start(machine))
    began = time.monotonic()
    for execution in [machines.start(machine) for _ in range(10)]:
        assert machines.end(execution)["status"] == "SUCCEEDED"
    assert time.monotonic() - began < 10  # a third of a second on an idle machine
