"""Event source mappings: what a function gets of a queue and of a table's stream, and in which order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from printing import PRINT, got, left, queue, until

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


@pytest.fixture
def table(functions: Any) -> Iterator[tuple[Any, str, str]]:
    """Return a table's resource, its name and its stream's ARN."""
    client, name = functions.cloud.client("dynamodb"), functions.name()
    made = client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    functions.cloud.speed(600)
    yield client, name, made["TableDescription"]["LatestStreamArn"]
    functions.cloud.speed(1)
    client.delete_table(TableName=name)


def put(table: Any, identity: str, **values: Any) -> None:
    client, name, _ = table
    client.put_item(TableName=name, Item={"id": {"S": identity}, **values})


def test_changes_of_a_table_arrive_in_order_with_their_images(functions: Any, table: Any) -> None:
    client, name, stream = table
    put(table, "before")
    function = functions.create(PRINT)
    create = functions.client.create_event_source_mapping
    made = create(EventSourceArn=stream, FunctionName=function, StartingPosition="LATEST")
    put(table, "a", n={"N": "1"}, raw={"B": b"foobar"})
    for _ in range(2):  # the second changes nothing, and makes no record
        put(table, "a", n={"N": "2"})
    client.delete_item(TableName=name, Key={"id": {"S": "a"}})
    records = until(lambda: (r := delivered(functions, function))[2:] and r)
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    first, second, third = (record["dynamodb"] for record in records)
    assert first["NewImage"] == {"id": {"S": "a"}, "n": {"N": "1"}, "raw": {"B": "Zm9vYmFy"}}
    assert (second["OldImage"]["n"], second["NewImage"]["n"]) == ({"N": "1"}, {"N": "2"})
    assert ("NewImage" in third, third["Keys"]) == (False, {"id": {"S": "a"}})
    numbers = [int(data["SequenceNumber"]) for data in (first, second, third)]
    assert numbers == sorted(numbers)
    assert isinstance(first["ApproximateCreationDateTime"], float)
    record = {key: value for key, value in records[0].items() if key not in ("dynamodb", "eventID", "eventName")}
    assert record == {
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": functions.cloud.region,
        "eventSourceARN": stream,
    }
    functions.client.delete_event_source_mapping(UUID=made["UUID"])
    client.update_table(TableName=name, StreamSpecification={"StreamEnabled": False})
    put(table, "after")


def delivered(functions: Any, name: str) -> list[Any]:
    return [record for event in got(functions, name) for record in event["Records"]]


def test_a_stream_goes_on_at_the_record_that_failed_and_gives_up_as_it_says(functions: Any, table: Any) -> None:
    sqs, url, destination = queue(functions)
    function = functions.create(
        "import json\n"
        "def handler(event, context):\n"
        "    print('GOT ' + json.dumps(event))\n"
        "    bad = [r['dynamodb']['SequenceNumber'] for r in event['Records'] if 'bad' in r['dynamodb']['NewImage']]\n"
        "    return {'batchItemFailures': [{'itemIdentifier': number} for number in bad]}\n"
    )
    for identity in "abcd":
        put(table, identity, **({"bad": {"BOOL": True}} if identity == "c" else {}))
    made = functions.client.create_event_source_mapping(
        EventSourceArn=table[2],
        FunctionName=function,
        StartingPosition="TRIM_HORIZON",
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": destination}},
        FilterCriteria={"Filters": [{"Pattern": '{"dynamodb": {"Keys": {"id": {"S": [{"anything-but": "d"}]}}}}'}]},
    )
    until(lambda: left(sqs, url) == 1)
    batches = [[r["dynamodb"]["Keys"]["id"]["S"] for r in event["Records"]] for event in got(functions, function)]
    assert batches == [["a", "b", "c"], ["c"], ["c"]]
    body = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert body["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert body["requestContext"]["approximateInvokeCount"] == 3
    assert body["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": None}
    number = got(functions, function)[1]["Records"][0]["dynamodb"]["SequenceNumber"]
    batch = body["DDBStreamBatchInfo"]
    assert (batch["startSequenceNumber"], batch["endSequenceNumber"], batch["batchSize"]) == (number, number, 1)
    functions.client.delete_event_source_mapping(UUID=made["UUID"])


def test_a_batch_that_fails_is_halved_until_the_poison_is_alone(functions: Any, table: Any) -> None:
    sqs, url, destination = queue(functions)
    function = functions.create(
        "def handler(event, context):\n"
        "    keys = [r['dynamodb']['Keys']['id']['S'] for r in event['Records']]\n"
        "    print('TRIED', ''.join(keys))\n"
        "    if 'c' in keys:\n"
        "        raise ValueError\n"
    )
    for identity in "abcd":
        put(table, identity)
    made = functions.client.create_event_source_mapping(
        EventSourceArn=table[2],
        FunctionName=function,
        StartingPosition="TRIM_HORIZON",
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": destination}},
    )
    until(lambda: "TRIED d" in functions.log(function))
    tried = [line.removeprefix("TRIED ") for line in functions.log(function) if line.startswith("TRIED")]
    assert tried == ["abcd", "ab", "cd", "c", "c", "d"]
    until(lambda: left(sqs, url) == 1)
    functions.client.delete_event_source_mapping(UUID=made["UUID"])
