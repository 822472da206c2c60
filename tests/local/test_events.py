"""EventBridge: which rules select an event, and what their targets get."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from printing import got, left, queue, until

pytestmark = pytest.mark.cloud


@pytest.fixture
def rule(functions: Any, printer: tuple[str, str]) -> Iterator[Any]:
    """Return what makes a rule, with targets, that may call the printing function."""
    events = functions.cloud.client("events")
    made: list[tuple[dict[str, str], list[str]]] = []

    def make(pattern: Any, targets: list[dict[str, Any]], *, bus: str = "default", permitted: bool = True) -> str:
        where = {"Rule": functions.name(), "EventBusName": bus}
        arn = events.put_rule(Name=where["Rule"], EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
        events.put_targets(**where, Targets=[{"Id": str(i), **target} for i, target in enumerate(targets)])
        made.append((where, [str(i) for i in range(len(targets))]))
        functions.client.add_permission(
            FunctionName=printer[1],
            StatementId=where["Rule"],
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=arn if permitted else f"{arn}-other",
        )
        return arn

    yield make
    for where, ids in made:
        events.remove_targets(**where, Ids=ids)
        events.delete_rule(Name=where["Rule"], EventBusName=where["EventBusName"])


def test_an_event_of_a_bus_reaches_the_alias_in_the_shape_that_each_target_asks_for(
    functions: Any, printer: tuple[str, str], rule: Any
) -> None:
    name, alias = printer
    events = functions.cloud.client("events")
    bus = functions.name()
    events.create_event_bus(Name=bus)
    template = {"InputPathsMap": {"who": "$.detail.user.name"}, "InputTemplate": '{"hello": <who>, "text": "to <who>"}'}
    shapes = [{}, {"InputPath": "$.detail.user"}, {"InputTransformer": template}, {"Input": '{"fixed": 1}'}]
    pattern = {"source": [bus], "detail": {"count": [{"numeric": [">", 1]}]}}
    rule(pattern, [{"Arn": alias, **shape} for shape in shapes], bus=bus)
    entry = {"Source": bus, "DetailType": "made", "EventBusName": bus, "Resources": ["arn:aws:s3:::x"]}
    detail = {"count": 2, "user": {"name": "Ann"}}
    entries = [{**entry, "Detail": json.dumps(value)} for value in (detail, {"count": 1})]
    entries.append({**entry, "EventBusName": "default", "Detail": json.dumps(detail)})
    answer = events.put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 0
    until(lambda: len(got(functions, name)) == 4)
    (whole,) = (event for event in got(functions, name) if "detail-type" in event)
    rest = [event for event in got(functions, name) if event != whole]
    assert sorted(map(json.dumps, rest)) == sorted(
        map(json.dumps, ({"name": "Ann"}, {"hello": "Ann", "text": "to Ann"}, {"fixed": 1}))
    )
    time.strptime(whole.pop("time"), "%Y-%m-%dT%H:%M:%SZ")
    assert whole == {
        "version": "0",
        "id": answer["Entries"][0]["EventId"],
        "detail-type": "made",
        "source": bus,
        "account": functions.cloud.account,
        "region": functions.cloud.region,
        "resources": ["arn:aws:s3:::x"],
        "detail": detail,
    }


def test_what_a_rule_may_not_deliver_goes_to_its_dead_letter_queue(
    functions: Any, printer: tuple[str, str], rule: Any
) -> None:
    sqs, url, arn = queue(functions)
    source = functions.name()
    target = {"Arn": printer[1], "DeadLetterConfig": {"Arn": arn}, "RetryPolicy": {"MaximumRetryAttempts": 1}}
    name = rule({"source": [source]}, [target], permitted=False)
    functions.cloud.client("events").put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": "{}"}])
    until(lambda: left(sqs, url) == 1)
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    assert (attributes["RULE_ARN"], attributes["TARGET_ARN"]) == (name, printer[1])
    assert attributes["ERROR_CODE"] == "AccessDeniedException"
    assert json.loads(message["Body"])["source"] == source


def test_a_rule_delivers_to_queues_topics_and_state_machines(functions: Any, rule: Any) -> None:
    sqs, url, arn = queue(functions)
    topic = functions.cloud.client("sns").create_topic(Name=functions.name())["TopicArn"]
    functions.cloud.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )
    states = functions.cloud.client("stepfunctions")
    machine = states.create_state_machine(
        name=functions.name(),
        roleArn=functions.role,
        definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
    )["stateMachineArn"]
    source = functions.name()
    targets = [
        {"Arn": arn, "InputPath": "$.detail"},
        {"Arn": topic, "Input": '"by topic"'},
        {"Arn": machine, "RoleArn": functions.role, "InputPath": "$.detail"},
    ]
    rule({"source": [source]}, targets)
    functions.cloud.client("events").put_events(Entries=[{"Source": source, "DetailType": "t", "Detail": '{"n": 1}'}])
    until(lambda: left(sqs, url) == 2)
    received = [sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] for _ in range(2)]
    assert sorted(received) == ['"by topic"', '{"n":1}']
    (execution,) = until(lambda: states.list_executions(stateMachineArn=machine)["executions"])
    assert states.describe_execution(executionArn=execution["executionArn"])["input"] == '{"n":1}'


def test_an_entry_that_is_no_event_is_refused_alone(functions: Any, code: Any) -> None:
    events = functions.cloud.client("events")
    good = {"Source": "own", "DetailType": "t", "Detail": "{}"}
    entries = [good, {**good, "Detail": "no JSON"}, {**good, "Source": "aws.s3"}, {"DetailType": "t", "Detail": "{}"}]
    answer = events.put_events(Entries=entries)
    codes = [entry.get("ErrorCode") for entry in answer["Entries"]]
    assert codes == [None, "MalformedDetail", "NotAuthorizedForSourceException", "InvalidArgument"]
    assert answer["FailedEntryCount"] == 3
    put = events.put_rule
    assert code(put, Name="bad", EventPattern='{"source": [{"begins": "x"}]}') == "InvalidEventPatternException"
    assert events.test_event_pattern(EventPattern='{"a": ["b"]}', Event='{"a": "b"}')["Result"]
    targets = {"Rule": "x", "Targets": [{"Id": "1", "Arn": "arn:aws:sqs:::q", "Input": "1", "InputPath": "$.detail"}]}
    assert code(events.put_targets, **targets) == "ValidationException"


def test_a_schedule_calls_once_in_its_zone_and_goes_and_a_disabled_one_never(functions: Any, code: Any) -> None:
    scheduler = functions.cloud.client("scheduler")
    sqs, url, arn = queue(functions)
    dead_sqs, dead_url, dead = queue(functions)
    clock = functions.cloud.info.request("clock")["now"]
    soon = datetime.fromtimestamp(clock + 1800, ZoneInfo("Asia/Tokyo")).replace(tzinfo=None, microsecond=0)
    options = {
        "ScheduleExpression": f"at({soon.isoformat()})",
        "ScheduleExpressionTimezone": "Asia/Tokyo",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
    }
    names = [functions.name() for _ in range(4)]
    text = '{"when": "<aws.scheduler.scheduled-time>"}'
    target = {"Arn": arn, "RoleArn": functions.role, "Input": text}
    scheduler.create_schedule(Name=names[0], Target=target, ActionAfterCompletion="DELETE", **options)
    scheduler.create_schedule(Name=names[1], Target=target, State="DISABLED", **options)
    missing = {"Arn": f"{arn}-missing", "DeadLetterConfig": {"Arn": dead}, "RetryPolicy": {"MaximumRetryAttempts": 0}}
    scheduler.create_schedule(Name=names[2], Target={**target, **missing}, **options)
    call = {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:createQueue", "Input": json.dumps({"QueueName": names[3]})}
    scheduler.create_schedule(Name=names[3], Target={**target, **call}, **options)
    functions.cloud.info.request("clock", "POST", {"advance": 3600})
    until(lambda: left(sqs, url) == 1)
    until(lambda: sqs.list_queues(QueueNamePrefix=names[3]).get("QueueUrls"))
    body = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert body == {"when": soon.replace(tzinfo=ZoneInfo("Asia/Tokyo")).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    until(lambda: code_of(scheduler, names[0]) == "ResourceNotFoundException")
    until(lambda: left(dead_sqs, dead_url) == 1)
    (message,) = dead_sqs.receive_message(QueueUrl=dead_url, MessageAttributeNames=["All"])["Messages"]
    attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    assert (attributes["SCHEDULE_ARN"].rpartition("/")[2], attributes["TARGET_ARN"]) == (names[2], f"{arn}-missing")
    assert left(sqs, url) == 1
    for name in names[1:]:
        scheduler.delete_schedule(Name=name)
    window = {"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}
    assert code(scheduler.create_schedule, Name="x", Target=target, **{**options, **window}) == "ValidationException"


def code_of(scheduler: Any, name: str) -> str:
    """Return the error code that a schedule's name gives, or nothing."""
    try:
        scheduler.get_schedule(Name=name)
    except scheduler.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""
