"""Event source mappings: what a function gets of a queue and of a table's stream, and in which order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_lambda_triggers import PRINT, got, left, queue, until

pytestmark = pytest.mark.cloud


def test_a_filter_selects_messages_and_the_others_are_deleted(functions: Any) -> None:
    sqs, url, arn = queue(functions)
    name = functions.create(PRINT)
    pattern = json.dumps({"body": {"kind": [{"prefix": "ord"}], "price": [{"numeric": [">", 10]}]}})
    made = functions.client.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=name, FilterCriteria={"Filters": [{"Pattern": pattern}]}
    )
    assert made["FilterCriteria"] == {"Filters": [{"Pattern": pattern}]}
    bodies = [{"kind": "order", "price": 5}, {"kind": "note", "price": 50}, {"kind": "order", "price": 50}]
    for body in (*map(json.dumps, bodies), "order"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    until(lambda: left(sqs, url) == 0 and got(functions, name))
    assert [json.loads(r["body"]) for event in got(functions, name) for r in event["Records"]] == [bodies[2]]
    update = functions.client.update_event_source_mapping
    assert "FilterCriteria" not in update(UUID=made["UUID"], FilterCriteria={})
    sqs.send_message(QueueUrl=url, MessageBody="plain")
    until(lambda: "plain" in [r["body"] for event in got(functions, name) for r in event["Records"]])
    functions.client.delete_event_source_mapping(UUID=made["UUID"])


def test_a_filter_that_is_no_pattern_is_refused_in_the_words_of_aws(functions: Any) -> None:
    """As recorded on AWS: test_sqs_invalid_event_filter of LocalStack's tests."""
    _, _, arn = queue(functions)
    name = functions.create()
    create = functions.client.create_event_source_mapping
    for pattern in ("simple string", '{"eventSource": "aws:sqs"}', '{"eventSource": []}'):
        with pytest.raises(functions.client.exceptions.InvalidParameterValueException) as caught:
            create(EventSourceArn=arn, FunctionName=name, FilterCriteria={"Filters": [{"Pattern": pattern}]})
        assert caught.value.response["Error"]["Message"] == "Invalid filter pattern definition."


def test_messages_of_a_group_arrive_in_order(functions: Any) -> None:
    sqs = functions.cloud.client("sqs")
    url = sqs.create_queue(
        QueueName=f"{functions.name()}.fifo",
        Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true", "VisibilityTimeout": "30"},
    )["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = functions.create(PRINT)
    for number in range(4):
        for group in "ab":
            sqs.send_message(QueueUrl=url, MessageBody=f"{group}{number}", MessageGroupId=group)
    made = functions.client.create_event_source_mapping(EventSourceArn=arn, FunctionName=name, BatchSize=2)
    until(lambda: left(sqs, url) == 0)
    bodies = [r["body"] for event in got(functions, name) for r in event["Records"]]
    for group in "ab":
        assert [body for body in bodies if body[0] == group] == [f"{group}{number}" for number in range(4)]
    functions.client.delete_event_source_mapping(UUID=made["UUID"])


def test_a_disabled_mapping_delivers_nothing_until_it_is_enabled(functions: Any, code: Any) -> None:
    sqs, url, arn = queue(functions)
    name = functions.create(PRINT)
    client = functions.client
    made = client.create_event_source_mapping(EventSourceArn=arn, FunctionName=name, Enabled=False)
    identity = {"UUID": made["UUID"]}
    assert (made["State"], client.get_event_source_mapping(**identity)["State"]) == ("Creating", "Disabled")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert client.update_event_source_mapping(**identity, BatchSize=3)["State"] == "Updating"
    assert left(sqs, url) == 1
    assert code(client.update_event_source_mapping, **identity, BatchSize=100) == "InvalidParameterValueException"
    assert client.update_event_source_mapping(**identity, Enabled=True)["State"] == "Enabling"
    until(lambda: left(sqs, url) == 0)
    assert client.update_event_source_mapping(**identity, Enabled=False)["State"] == "Disabling"
    row = client.get_event_source_mapping(**identity)
    assert (row["State"], row["BatchSize"], row["LastProcessingResult"]) == ("Disabled", 3, "OK")
    client.delete_event_source_mapping(**identity)
