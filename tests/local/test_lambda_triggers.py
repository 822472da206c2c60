"""What calls functions: queues, schedules, rules, stacks that permit it."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import pytest
from printing import PRINT, got, left, queue, until

pytestmark = pytest.mark.cloud


def test_messages_of_a_queue_are_brought_to_the_alias_and_deleted(functions: Any) -> None:
    sqs, url, arn = queue(functions)
    name = functions.create(PRINT)
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=functions.publish(name))
    made = functions.client.create_event_source_mapping(EventSourceArn=arn, FunctionName=f"{name}:live", BatchSize=5)
    assert made["FunctionArn"].endswith(f"{name}:live")
    assert functions.client.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled"
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    event = until(lambda: got(functions, name))[0]
    record = event["Records"][0]
    assert (record["body"], record["eventSource"], record["eventSourceARN"]) == ("hello", "aws:sqs", arn)
    until(lambda: left(sqs, url) == 0)
    functions.client.delete_event_source_mapping(UUID=made["UUID"])


def test_attributes_of_every_type_arrive_with_their_values(functions: Any) -> None:
    """As recorded on AWS: test_message_body_and_attributes_passed_correctly of LocalStack's tests, 2025-11-25."""
    sqs, url, arn = queue(functions)
    name = functions.create(PRINT)
    made = functions.client.create_event_source_mapping(EventSourceArn=arn, FunctionName=name, BatchSize=1)
    given = {
        "S": {"DataType": "String", "StringValue": "zażółć"},
        "N": {"DataType": "Number.int", "StringValue": "3"},
        "B": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
    }
    digest = sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=given)["MD5OfMessageAttributes"]
    record = until(lambda: got(functions, name))[0]["Records"][0]
    lists = {"stringListValues": [], "binaryListValues": []}
    assert record["messageAttributes"] == {
        "S": {"stringValue": "zażółć", "dataType": "String", **lists},
        "N": {"stringValue": "3", "dataType": "Number.int", **lists},
        "B": {"binaryValue": "AP8=", "dataType": "Binary.png", **lists},
    }
    assert record["md5OfMessageAttributes"] == digest
    functions.client.delete_event_source_mapping(UUID=made["UUID"])


def test_a_message_that_fails_comes_back_and_ends_in_the_dead_letters_by_the_clouds_clock(functions: Any) -> None:
    """Three tries of five minutes each are a quarter of an hour: a fast clock must not let anybody wait for that."""
    sqs, dead_url, dead = queue(functions)
    policy = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": "3"})
    _, url, arn = queue(functions, VisibilityTimeout="300", RedrivePolicy=policy)
    name = functions.create("def handler(event, context):\n    print('tried')\n    raise ValueError\n")
    functions.cloud.speed(1200)
    try:
        made = functions.client.create_event_source_mapping(EventSourceArn=arn, FunctionName=name)
        sqs.send_message(QueueUrl=url, MessageBody="poison")
        until(lambda: left(sqs, dead_url) == 1)
    finally:
        functions.cloud.speed(1)
    assert functions.log(name).count("tried") == 3
    assert left(sqs, url) == 0
    functions.client.delete_event_source_mapping(UUID=made["UUID"])


def test_only_the_failed_messages_of_a_batch_come_back(functions: Any) -> None:
    sqs, url, arn = queue(functions)
    name = functions.create(
        "def handler(event, context):\n"
        "    bad = [r['messageId'] for r in event['Records'] if r['body'] == 'bad']\n"
        "    print('batch of', len(event['Records']))\n"
        "    return {'batchItemFailures': [{'itemIdentifier': i} for i in bad]}\n"
    )
    for body in ("good", "bad", "good"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    made = functions.client.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=name, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    until(lambda: left(sqs, url) == 1)
    functions.client.delete_event_source_mapping(UUID=made["UUID"])


def test_a_failing_function_leaves_its_messages_in_the_queue(functions: Any) -> None:
    sqs, url, arn = queue(functions)
    name = functions.create("def handler(event, context):\n    print('tried')\n    raise ValueError\n")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    made = functions.client.create_event_source_mapping(EventSourceArn=arn, FunctionName=name)
    read = functions.client.get_event_source_mapping
    until(lambda: "PROBLEM" in read(UUID=made["UUID"]).get("LastProcessingResult", ""))
    assert left(sqs, url) == 1
    functions.client.delete_event_source_mapping(UUID=made["UUID"])


def test_a_mapping_is_refused_when_it_could_not_work(functions: Any, code: Any) -> None:
    name = functions.create(Timeout=60)
    create = functions.client.create_event_source_mapping
    _, _, arn = queue(functions)
    for source in (arn, arn + "-missing", "arn:aws:kinesis:us-east-1:123456789012:stream/x"):
        assert code(create, EventSourceArn=source, FunctionName=name) == "InvalidParameterValueException"


def test_a_queue_is_mapped_once(functions: Any, code: Any) -> None:
    _, _, arn = queue(functions)
    name = functions.create()
    create = functions.client.create_event_source_mapping
    made = create(EventSourceArn=arn, FunctionName=name, Enabled=False)
    assert code(create, EventSourceArn=arn, FunctionName=name) == "ResourceConflictException"
    functions.client.delete_event_source_mapping(UUID=made["UUID"])
    assert code(functions.client.get_event_source_mapping, UUID=made["UUID"]) == "ResourceNotFoundException"


def test_a_schedule_calls_its_alias_when_asked_to(functions: Any) -> None:
    name = functions.create(PRINT)
    version = functions.publish(name)
    arn = functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)["AliasArn"]
    functions.cloud.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="cron(0 3 1 1 ? 2099)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": functions.role, "Input": '{"night": true}'},
    )
    assert functions.order("schedule", name=name) == {"called": 1}
    assert until(lambda: got(functions, name)) == [{"night": True}]


@pytest.fixture
def schedule(functions: Any) -> Any:
    """Return what makes a schedule of a new function that prints its event; all of it goes at the end."""
    scheduler = functions.cloud.client("scheduler")
    made: list[str] = []

    def make(expression: str = "cron(0 3 1 1 ? 2099)", **target: Any) -> tuple[str, str]:
        name = functions.create(PRINT)
        arn = functions.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        options = {"ScheduleExpressionTimezone": target.pop("zone")} if "zone" in target else {}
        answer = scheduler.create_schedule(
            Name=name,
            ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": arn, "RoleArn": functions.role, **target},
            **options,
        )
        made.append(name)
        return name, answer["ScheduleArn"]

    yield make
    for name in made:
        scheduler.delete_schedule(Name=name)


def test_a_schedule_without_an_input_delivers_a_notification(functions: Any, schedule: Any) -> None:
    name, arn = schedule()
    functions.order("schedule", name=name)
    event = until(lambda: got(functions, name))[0]
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.scheduler", "Scheduled Event", "{}")
    assert (event["resources"], event["account"], event["region"]) == ([arn], "123456789012", arn.split(":")[3])
    datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S%z")
    assert event["id"]


def test_the_keywords_of_an_input_are_replaced(functions: Any, schedule: Any) -> None:
    words = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    name, arn = schedule(Input=json.dumps({word: f"<aws.scheduler.{word}>" for word in words}))
    functions.order("schedule", name=name)
    event = until(lambda: got(functions, name))[0]
    assert (event["schedule-arn"], event["attempt-number"]) == (arn, "1")
    datetime.strptime(event["scheduled-time"], "%Y-%m-%dT%H:%M:%S%z")
    assert event["execution-id"].isalnum()


def test_a_schedule_that_aws_refuses_is_refused(functions: Any, schedule: Any, code: Any) -> None:
    assert code(schedule, "cron(0 25 * * ? *)") == "ValidationException"
    assert code(schedule, zone="Europe/Nowhere") == "ValidationException"
    assert code(schedule, Input="not JSON") == "ValidationException"
    events = functions.cloud.client("events")
    assert code(events.put_rule, Name="bad", ScheduleExpression="rate(1 hours)") == "ValidationException"


def test_a_rate_follows_the_clouds_clock(functions: Any) -> None:
    name = functions.create(PRINT)
    arn = functions.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    events = functions.cloud.client("events")
    rule = events.put_rule(Name=name, ScheduleExpression="rate(1 hour)")["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    functions.client.add_permission(
        FunctionName=name,
        StatementId="e",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )
    time.sleep(0.5)
    assert got(functions, name) == []

    def an_hour_later() -> Any:  # once more where the rule hadn't been seen yet: its first period begins then
        functions.cloud.info.request("clock", "POST", {"advance": 3600})
        return got(functions, name)

    event = until(an_hour_later)[0]
    assert (event["detail-type"], event["resources"]) == ("Scheduled Event", [rule])
    events.remove_targets(Rule=name, Ids=["1"])
    events.delete_rule(Name=name)


@pytest.mark.parametrize("permitted", [True, False], ids=["with a permission", "without one it isn't called"])
def test_a_rule_calls_the_functions_that_permit_it(functions: Any, permitted: bool) -> None:
    name = functions.create(PRINT)
    arn = functions.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    events = functions.cloud.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    if permitted:
        functions.client.add_permission(
            FunctionName=name, StatementId="e", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
        )
    events.put_events(Entries=[{"Source": name, "DetailType": "t", "Detail": '{"n": 1}'}])
    if permitted:
        assert until(lambda: got(functions, name))[0]["detail"] == {"n": 1}
    else:
        time.sleep(0.6)
        assert got(functions, name) == []
    events.remove_targets(Rule=name, Ids=["1"])
    events.delete_rule(Name=name)


def test_a_stack_adds_a_permission_to_an_alias_and_takes_it_away(functions: Any, code: Any) -> None:
    name = functions.create()
    arn = functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=functions.publish(name))[
        "AliasArn"
    ]
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": arn,
            "InvokedViaFunctionUrl": True,
            "Principal": "*",
        },
    }
    stacks = functions.cloud.client("cloudformation")
    stacks.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Permission": permission}}))
    policy = json.loads(functions.client.get_policy(FunctionName=name, Qualifier="live")["Policy"])
    (statement,) = policy["Statement"]
    assert (statement["Resource"], statement["Principal"]) == (arn, "*")
    assert statement["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    stacks.delete_stack(StackName=name)
    assert code(functions.client.get_policy, FunctionName=name, Qualifier="live") == "ResourceNotFoundException"


@pytest.fixture(scope="module")
def echo(functions: Any) -> str:
    return functions.create("def handler(event, context):\n    return {'event': event}\n")


def test_a_state_machine_invokes_a_function(functions: Any) -> None:
    name = functions.create("def handler(event, context):\n    return {'doubled': event['n'] * 2}\n")
    states = functions.cloud.client("stepfunctions")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": name, "Payload.$": "$"},
        "OutputPath": "$.Payload",
        "End": True,
    }
    machine = states.create_state_machine(
        name=name, roleArn=functions.role, definition=json.dumps({"StartAt": "Call", "States": {"Call": task}})
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine, input='{"n": 21}')["executionArn"]
    done = until(lambda: (r := states.describe_execution(executionArn=execution))["status"] != "RUNNING" and r)
    assert json.loads(done["output"]) == {"doubled": 42}


@pytest.mark.parametrize(
    ("parameters", "event"),
    [
        ({}, {}),
        ({"Payload": "0"}, 0),
        ({"Payload": "[]"}, []),
        ({"Payload": "true"}, True),
        ({"Payload": '{"a": 1}'}, {"a": 1}),
        ({"Payload": "no JSON"}, "no JSON"),
        ({"Payload": None}, {}),
    ],
)
def test_a_state_machine_hands_on_a_payload_that_is_json_as_what_it_says(
    functions: Any, echo: str, parameters: Any, event: Any
) -> None:
    """As recorded on AWS: test_invoke_json_values of LocalStack's tests of Step Functions."""
    states = functions.cloud.client("stepfunctions")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": echo, **parameters},
        "OutputPath": "$.Payload",
        "End": True,
    }
    machine = states.create_state_machine(
        name=functions.name(),
        roleArn=functions.role,
        definition=json.dumps({"StartAt": "Call", "States": {"Call": task}}),
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    done = until(lambda: (r := states.describe_execution(executionArn=execution))["status"] != "RUNNING" and r)
    assert json.loads(done["output"]) == {"event": event}
