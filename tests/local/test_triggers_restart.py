"""Everything that calls a function goes on calling it after a restart."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import urllib3
from functions import Functions
from printing import PRINT, got, queue, until

from localcloud import daemon

pytestmark = pytest.mark.cloud

SOURCES = ("events", "sns", "s3", "apigateway")


def furnish(functions: Functions) -> dict[str, str]:
    """Set up a trigger of each kind on one alias; return what names them."""
    cloud = functions.cloud
    name = functions.create(f"{PRINT}    return {{'statusCode': 200}}\n", FunctionName="all-kinds")
    version = functions.publish(name)
    alias = functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)["AliasArn"]
    for source in SOURCES:
        functions.client.add_permission(
            FunctionName=alias,
            StatementId=source,
            Action="lambda:InvokeFunction",
            Principal=f"{source}.amazonaws.com",
            SourceAccount=cloud.account,
        )
    create = functions.client.create_event_source_mapping
    _, url, arn = queue(functions)
    create(EventSourceArn=arn, FunctionName=alias)
    table = cloud.client("dynamodb").create_table(
        TableName="kept",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )
    create(
        EventSourceArn=table["TableDescription"]["LatestStreamArn"], FunctionName=alias, StartingPosition="TRIM_HORIZON"
    )
    events = cloud.client("events")
    events.put_rule(Name="kept", EventPattern='{"source": ["own"]}')
    events.put_targets(Rule="kept", Targets=[{"Id": "1", "Arn": alias}])
    topic = cloud.client("sns").create_topic(Name="kept")["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=alias)
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    rows = [{"LambdaFunctionArn": alias, "Events": ["s3:ObjectCreated:*"]}]
    s3.put_bucket_notification_configuration(
        Bucket="kept", NotificationConfiguration={"LambdaFunctionConfigurations": rows}
    )
    api = cloud.client("apigatewayv2").create_api(Name="kept", ProtocolType="HTTP", Target=alias)["ApiId"]
    cloud.client("scheduler").create_schedule(
        Name="kept",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": alias, "RoleArn": functions.role, "Input": '{"kind": "schedule"}'},
    )
    return {"queue": url, "topic": topic, "api": api}


def fire(functions: Functions, made: dict[str, str], word: str) -> None:
    """Let each kind call the function once, with a word of the caller's."""
    cloud = functions.cloud
    cloud.client("sqs").send_message(QueueUrl=made["queue"], MessageBody=word)
    cloud.client("dynamodb").put_item(TableName="kept", Item={"id": {"S": word}})
    cloud.client("events").put_events(Entries=[{"Source": "own", "DetailType": word, "Detail": "{}"}])
    cloud.client("sns").publish(TopicArn=made["topic"], Message=word)
    cloud.client("s3").put_object(Bucket="kept", Key=word, Body=b"")
    assert urllib3.request("GET", f"{cloud.url}/_api/{made['api']}/{word}", retries=False, timeout=20).status == 200


def seen(functions: Functions, word: str) -> set[str]:
    """Return which kinds delivered a word."""
    kinds: set[str] = set()
    for event in got(functions, "all-kinds"):
        if event.get("detail-type") == word:
            kinds.add("rule")
        if event.get("rawPath") == f"/{word}":
            kinds.add("api")
        kinds |= {r.get("eventSource") or r["EventSource"] for r in event.get("Records", []) if word in json.dumps(r)}
    return kinds


def test_every_kind_of_trigger_survives_a_restart(tmp_path: Path, cloud_of: Any, functions: Functions) -> None:
    every = {"rule", "api", "aws:sqs", "aws:dynamodb", "aws:sns", "aws:s3"}
    runtime = functions._runtime
    options: dict[str, Any] = {"data": tmp_path / "data", "environ": {"STEPLADDER_LAUNCHER": "process"}}
    with daemon.running(**options) as info:
        first = Functions(cloud_of(info), runtime)
        made = furnish(first)
        fire(first, made, "before")
        until(lambda: seen(first, "before") == every)
        until(lambda: {"kind": "schedule"} in got(first, "all-kinds"))  # a rate begins at once
    with daemon.running(**options) as info:
        again = Functions(cloud_of(info), runtime)
        known = len(got(again, "all-kinds"))
        made["queue"] = again.cloud.client("sqs").get_queue_url(QueueName=made["queue"].rpartition("/")[2])["QueueUrl"]
        fire(again, made, "after")
        until(lambda: seen(again, "after") == every)
        assert again.order("schedule", name="kept") == {"called": 1}
        until(lambda: len(got(again, "all-kinds")) == known + len(every) + 1)
        time.sleep(0.3)
        assert len(got(again, "all-kinds")) == known + len(every) + 1  # nothing of before came once more
