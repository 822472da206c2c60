"""Event source mappings of tables' streams."""

from __future__ import annotations

from typing import Any

from asking import until

from recorded import scenario
from recorded.recorder import Recorder

SOURCES = "TestLambdaEventSourceMappings::test_"
CREATE = "create_event_source_mapping"


def stream(r: Recorder, label: str = "", view: str = "NEW_AND_OLD_IMAGES") -> str:
    """Make a table with a stream; return the stream's ARN."""
    dynamodb, name = r.cloud.client("dynamodb"), r.name("table")
    r.ask(
        "create_table",
        dynamodb,
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    specification = {"StreamEnabled": True, "StreamViewType": view}
    answer = r.ask("update_table", dynamodb, TableName=name, StreamSpecification=specification)
    if label:
        r.answers[label] = answer
    return str(answer["TableDescription"]["LatestStreamArn"])


def mapped(r: Recorder) -> tuple[str, dict[str, str]]:
    """Map a stream as two recordings do. Return the function's name and what names the mapping."""
    name, source = r.furnish(name=r.name("lambda_func")), stream(r, "update_table_response", "NEW_IMAGE")
    sqs = r.cloud.client("sqs")
    url = sqs.create_queue(QueueName=r.name("queue"))["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    made = r.see(
        "create_response",
        CREATE,
        FunctionName=name,
        EventSourceArn=source,
        BatchSize=1,
        DestinationConfig={"OnFailure": {"Destination": queue}},
        MaximumBatchingWindowInSeconds=1,
        MaximumRetryAttempts=1,
        StartingPosition="TRIM_HORIZON",
    )
    which = {"UUID": str(made["UUID"])}
    until(lambda: r.client.get_event_source_mapping(**which), lambda row: row["State"] == "Enabled")
    r.see("get_response", "get_event_source_mapping", **which)
    return name, which


@scenario(f"{SOURCES}event_source_mapping_lifecycle")
def lifecycle(r: Recorder) -> None:
    _, which = mapped(r)
    r.see("delete_response", "delete_event_source_mapping", **which)


@scenario(f"{SOURCES}event_source_mapping_lifecycle_delete_function")
def lifecycle_without_function(r: Recorder) -> None:
    name, which = mapped(r)
    r.see("delete_function_response", "delete_function", FunctionName=name)
    r.see("get_response_post_delete", "get_event_source_mapping", **which)
    r.see("delete_response", "delete_event_source_mapping", **which)


@scenario(f"{SOURCES}create_event_source_validation")
def positions(r: Recorder) -> None:
    given: dict[str, Any] = {"FunctionName": r.furnish(), "EventSourceArn": stream(r)}
    r.see("no_starting_position", CREATE, **given)
    r.see("invalid_starting_position", CREATE, **given, StartingPosition="invalid")
    moment = {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1741010802}
    r.see("incompatible_starting_position", CREATE, **given, **moment)


@scenario(f"{SOURCES}create_event_filter_criteria_validation")
def no_filters(r: Recorder) -> None:
    given = {"FunctionName": r.furnish(), "EventSourceArn": stream(r), "StartingPosition": "LATEST"}
    made = r.see("response-with-empty-filters", CREATE, **given, FilterCriteria={"Filters": []})
    r.ask("delete_event_source_mapping", UUID=made["UUID"])
