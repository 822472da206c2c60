"""Buckets: what they tell of their objects, and to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from printing import got, left, queue, until

pytestmark = pytest.mark.cloud


@pytest.fixture
def bucket(functions: Any, printer: tuple[str, str]) -> Iterator[str]:
    """Return a bucket that may call the printing function."""
    name = functions.name()
    functions.cloud.client("s3").create_bucket(Bucket=name)
    functions.client.add_permission(
        FunctionName=printer[1],
        StatementId=name,
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{name}",
        SourceAccount=functions.cloud.account,
    )
    yield name
    functions.cloud.client("s3").put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={})


def records(functions: Any, name: str, bucket: str) -> list[Any]:
    """Return what the function printed of a bucket."""
    every = [record for event in got(functions, name) for record in event.get("Records", [])]
    return [record for record in every if record["s3"]["bucket"]["name"] == bucket]


def rule(prefix: str, suffix: str) -> dict[str, Any]:
    names = {"Prefix": prefix, "suffix": suffix}
    return {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in names.items() if value]}}


def test_a_function_is_told_of_the_objects_that_its_filter_names(
    functions: Any, printer: tuple[str, str], bucket: str
) -> None:
    name, alias = printer
    s3 = functions.cloud.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {
                    "Id": "own",
                    "LambdaFunctionArn": alias,
                    "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                    "Filter": rule("in/", ".txt"),
                }
            ],
        },
    )
    s3.put_object(Bucket=bucket, Key="out/a.txt", Body=b"x")
    s3.put_object(Bucket=bucket, Key="in/a.csv", Body=b"x")
    key = "in/my file é@1.txt"
    made = s3.put_object(Bucket=bucket, Key=key, Body=b"hello")
    s3.copy_object(Bucket=bucket, Key="in/copy.txt", CopySource={"Bucket": bucket, "Key": key})
    marker = s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_object(Bucket=bucket, Key=key, VersionId=made["VersionId"])
    told = until(lambda: (r := records(functions, name, bucket))[3:] and r)
    told.sort(key=lambda record: record["s3"]["object"]["sequencer"])
    assert [record["eventName"] for record in told] == [
        *("ObjectCreated:Put", "ObjectCreated:Copy", "ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:Delete")
    ]
    first, _, marked, removed = (record["s3"]["object"] for record in told)
    assert (first["key"], first["size"], first["eTag"]) == ("in/my+file+%C3%A9%401.txt", 5, made["ETag"].strip('"'))
    versions = [thing["versionId"] for thing in (first, marked, removed)]
    assert versions == [made["VersionId"], marker["VersionId"], made["VersionId"]]
    assert set(removed) == {"key", "sequencer", "versionId"}
    record = told[0]
    assert (record["eventSource"], record["awsRegion"]) == ("aws:s3", functions.cloud.region)
    assert (record["s3"]["configurationId"], record["s3"]["bucket"]["arn"]) == ("own", f"arn:aws:s3:::{bucket}")


def test_queues_and_eventbridge_are_told_too(functions: Any, printer: tuple[str, str], bucket: str) -> None:
    name, alias = printer
    s3, events = functions.cloud.client("s3"), functions.cloud.client("events")
    sqs, url, arn = queue(functions)
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"suffix": ".csv"}]}}}
    made = events.put_rule(Name=bucket, EventPattern=json.dumps(pattern))["RuleArn"]
    events.put_targets(Rule=bucket, Targets=[{"Id": "1", "Arn": alias}])
    functions.client.add_permission(
        FunctionName=alias,
        StatementId=f"{bucket}-rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=made,
    )
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "EventBridgeConfiguration": {},
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:Put"]}],
        },
    )
    shown = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert (shown["EventBridgeConfiguration"], len(shown["QueueConfigurations"])) == ({}, 1)
    until(lambda: left(sqs, url) == 1)
    test = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    assert (test["Event"], test["Bucket"]) == ("s3:TestEvent", bucket)
    s3.put_object(Bucket=bucket, Key="a b.csv", Body=b"xyz")
    until(lambda: left(sqs, url) == 2)
    seen = until(lambda: [e for e in got(functions, name) if e.get("detail", {}).get("bucket") == {"name": bucket}])
    (event,) = seen
    assert (event["source"], event["detail-type"], event["resources"]) == (
        *("aws.s3", "Object Created"),
        [f"arn:aws:s3:::{bucket}"],
    )
    assert (event["detail"]["object"]["key"], event["detail"]["object"]["size"]) == ("a b.csv", 3)
    assert event["detail"]["reason"] == "PutObject"
    s3.put_object_tagging(Bucket=bucket, Key="a b.csv", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    until(lambda: "Object Tags Added" in [event.get("detail-type") for event in got(functions, name)])
    events.remove_targets(Rule=bucket, Ids=["1"])
    events.delete_rule(Name=bucket)


def test_a_configuration_that_could_not_work_is_refused_as_on_aws(
    functions: Any, printer: tuple[str, str], bucket: str
) -> None:
    """As recorded on AWS: test_invalid_lambda_arn and test_invalid_sqs_arn of LocalStack's tests."""
    s3 = functions.cloud.client("s3")
    alias = printer[1]

    def refused(configuration: dict[str, Any], **more: Any) -> dict[str, Any]:
        with pytest.raises(s3.exceptions.ClientError) as caught:
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration, **more)
        return caught.value.response["Error"]

    def calling(arn: str, prefix: str = "") -> dict[str, Any]:
        more = {"Filter": rule(prefix, "")} if prefix else {}
        return {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"], **more}

    error = refused({"LambdaFunctionConfigurations": [calling("nonsense")]}, SkipDestinationValidation=True)
    assert (error["Code"], error["Message"]) == ("InvalidArgument", "The ARN could not be parsed")
    unqualified = alias.removesuffix(":live")
    error = refused({"LambdaFunctionConfigurations": [calling(unqualified)]})
    assert error == {
        "Code": "InvalidArgument",
        "Message": "Unable to validate the following destination configurations",
        "ArgumentName1": f"{unqualified}, null",
        "ArgumentValue1": f"Not authorized to invoke function [{unqualified}]",
    }
    missing = f"arn:aws:sqs:us-east-1:{functions.cloud.account}:missing"
    error = refused({"QueueConfigurations": [{"QueueArn": missing, "Events": ["s3:ObjectCreated:*"]}]})
    assert (error["ArgumentName1"], error["ArgumentValue1"]) == (missing, "The destination queue does not exist")
    error = refused({"LambdaFunctionConfigurations": [calling(alias, "a/"), calling(alias, "a/b/")]})
    assert "overlapping" in error["Message"]
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={"LambdaFunctionConfigurations": [calling(unqualified)]},
        SkipDestinationValidation=True,
    )
