"""The front: requests are named, errors have the protocol's shape, faults hit."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from asking import until
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from stepladder.core.errors import StepladderError

pytestmark = pytest.mark.cloud


def code_of(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def test_an_answer_says_that_it_is_json_as_its_protocol_does(cloud):
    answered = cloud.client("codedeploy").list_applications()["ResponseMetadata"]["HTTPHeaders"]
    assert answered["content-type"] == "application/x-amz-json-1.1"
    answered = cloud.client("stepfunctions").list_state_machines()["ResponseMetadata"]["HTTPHeaders"]
    assert answered["content-type"] == "application/x-amz-json-1.0"


def test_an_answer_tells_the_time(cloud):
    answered = cloud.client("dynamodb").list_tables()["ResponseMetadata"]["HTTPHeaders"]["date"]
    assert abs(parsedate_to_datetime(answered).timestamp() - time.time()) < 60


@pytest.mark.parametrize(
    ("service", "method", "params", "name"),
    [
        ("sts", "get_caller_identity", {}, "sts:GetCallerIdentity"),
        ("dynamodb", "list_tables", {}, "dynamodb:ListTables"),
        ("lambda", "list_functions", {}, "lambda:ListFunctions"),
        ("s3", "list_buckets", {}, "s3:ListBuckets"),
        ("iam", "list_roles", {}, "iam:ListRoles"),
        ("stepfunctions", "list_state_machines", {}, "stepfunctions:ListStateMachines"),
        ("cloudwatch", "describe_alarms", {}, "cloudwatch:DescribeAlarms"),
        ("events", "list_rules", {}, "events:ListRules"),
        ("logs", "describe_log_groups", {}, "logs:DescribeLogGroups"),
        ("codedeploy", "list_applications", {}, "codedeploy:ListApplications"),
    ],
)
def test_a_request_is_counted_under_the_name_that_botocore_gives_it(
    cloud: Any, service: str, method: str, params: dict[str, Any], name: str
) -> None:
    cloud.reset_calls()
    getattr(cloud.client(service), method)(**params)
    assert cloud.calls() == [name]


def test_rest_actions_that_share_a_path_are_told_apart(cloud: Any) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="front-rest")
    cloud.reset_calls()
    s3.put_bucket_versioning(Bucket="front-rest", VersioningConfiguration={"Status": "Enabled"})
    s3.get_bucket_versioning(Bucket="front-rest")
    s3.put_object(Bucket="front-rest", Key="a/b c+d", Body=b"x" * 300_000)
    s3.list_objects_v2(Bucket="front-rest")
    s3.delete_object(Bucket="front-rest", Key="a/b c+d")
    assert cloud.calls() == [
        "s3:PutBucketVersioning",
        "s3:GetBucketVersioning",
        "s3:PutObject",
        "s3:ListObjectsV2",
        "s3:DeleteObject",
    ]


def test_metadata_keys_keep_their_underscores_and_heads_their_length(cloud: Any) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="front-metadata")
    s3.put_object(Bucket="front-metadata", Key="k", Body=b"12345", Metadata={"a_b": "c", "d-e": "f"})
    head = s3.head_object(Bucket="front-metadata", Key="k")
    assert (head["Metadata"], head["ContentLength"]) == ({"a_b": "c", "d-e": "f"}, 5)


def test_each_twelve_digit_access_key_is_an_account_of_its_own(cloud: Any) -> None:
    cloud.client("sqs", account="111111111111").create_queue(QueueName="front-mine")
    assert cloud.client("sts", account="111111111111").get_caller_identity()["Account"] == "111111111111"
    assert "QueueUrls" not in cloud.client("sqs", account="222222222222").list_queues(QueueNamePrefix="front-mine")


@pytest.mark.parametrize(
    ("service", "method", "params", "name"),
    [
        ("devicefarm", "list_projects", {}, "devicefarm:ListProjects"),  # no such service
        (
            "ecr",
            "describe_image_signing_status",
            {"repositoryName": "rr", "imageId": {"imageTag": "t"}},
            "ecr:DescribeImageSigningStatus",
        ),  # json
        ("iam", "get_service_last_accessed_details", {"JobId": "0" * 36}, "iam:GetServiceLastAccessedDetails"),  # query
        ("amp", "list_scrapers", {}, "aps:GET /scrapers"),  # rest-json, under a signing name of its own
        ("lambda", "list_code_signing_configs", {}, "lambda:ListCodeSigningConfigs"),  # rest-json
    ],
)
def test_an_action_that_nobody_offers_is_a_4xx_that_names_it(
    cloud: Any, service: str, method: str, params: dict[str, Any], name: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(cloud.client(service), method)(**params)
    assert caught.value.response["Error"]["Code"] == "NotOfferedByLocalCloud"
    assert name in caught.value.response["Error"]["Message"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("service", "method", "params", "code"),
    [
        ("lambda", "list_functions", {}, "TooManyRequestsException"),
        ("s3", "list_buckets", {}, "SlowDown"),
        ("dynamodb", "list_tables", {}, "ProvisionedThroughputExceededException"),
        ("iam", "list_roles", {}, "Throttling"),
        ("codedeploy", "list_applications", {}, "ThrottlingException"),
        ("stepfunctions", "list_state_machines", {}, "ThrottlingException"),
        ("sns", "list_topics", {}, "Throttled"),
        ("sqs", "list_queues", {}, "ThrottlingException"),
    ],
)
def test_a_throttle_has_the_code_of_its_service_in_the_shape_of_its_protocol(
    cloud: Any, service: str, method: str, params: dict[str, Any], code: str
) -> None:
    cloud.faults({"service": service, "kind": "throttle"})
    client = cloud.client(service)
    assert code_of(getattr(client, method), **params) == code
    getattr(client, method)(**params)  # once, and no more


def test_a_fault_skips_hits_and_stops_as_told(cloud: Any) -> None:
    cloud.faults(
        {
            "service": "dynamodb",
            "action": "ListTables",
            "kind": "error",
            "skip": 1,
            "count": 2,
            "code": "Odd",
            "status": 500,
        }
    )
    dynamodb = cloud.client("dynamodb")
    dynamodb.list_tables()
    assert code_of(dynamodb.list_tables) == "Odd"
    assert code_of(dynamodb.list_tables) == "Odd"
    dynamodb.list_tables()
    assert cloud.hits() == 2
    cloud.faults()


def test_a_fault_can_ask_for_a_text_in_the_request(cloud: Any) -> None:
    cloud.faults({"service": "sqs", "action": "CreateQueue", "kind": "access_denied", "body": "second", "count": 0})
    sqs = cloud.client("sqs")
    sqs.create_queue(QueueName="first")
    assert code_of(sqs.create_queue, QueueName="second") == "AccessDeniedException"
    cloud.faults()


def test_a_cut_connection_is_cut_before_or_after_the_call(cloud: Any) -> None:
    sqs = cloud.client("sqs")
    for kind, made in [("cut", False), ("cut_after", True)]:
        cloud.faults({"service": "sqs", "action": "CreateQueue", "kind": kind})
        with pytest.raises((ConnectionClosedError, HTTPClientError)):
            sqs.create_queue(QueueName=f"front-{kind}")
        urls = sqs.list_queues(QueueNamePrefix=f"front-{kind}").get("QueueUrls", [])
        assert bool(urls) is made
    cloud.faults()


def test_a_fault_with_a_mistake_is_refused_with_the_reason(cloud: Any) -> None:
    with pytest.raises(StepladderError, match="kind is one of"):
        cloud.info.request("faults", "POST", {"kind": "sabotage"})
    with pytest.raises(StepladderError, match="a fault has no actoin"):
        cloud.info.request("faults", "POST", {"kind": "cut", "actoin": "x"})


def test_a_dozen_requests_share_a_connection(cloud: Any) -> None:
    host = urlsplit(cloud.url)
    with socket.create_connection((host.hostname, host.port), timeout=10) as connection:
        stream = connection.makefile("rb")
        for _ in range(12):
            connection.sendall(b"GET /_stepladder/health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert stream.readline() == b"HTTP/1.1 200 X\r\n"
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            assert json.loads(stream.read(length))["ready"] is True


def test_a_chunked_body_is_read_whole(cloud: Any) -> None:
    host = urlsplit(cloud.url)
    body = b'{"speed": 1}'
    with socket.create_connection((host.hostname, host.port), timeout=10) as connection:
        connection.sendall(
            b"POST /_stepladder/clock HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:5], body[5:]))
            + b"0\r\n\r\n"
        )
        assert connection.makefile("rb").read().endswith(b"}")


def test_nonsense_gets_a_400_and_no_traceback(cloud: Any) -> None:
    host = urlsplit(cloud.url)
    with socket.create_connection((host.hostname, host.port), timeout=10) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_an_unknown_page_is_a_404(cloud: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{cloud.url}/_stepladder/nothing", timeout=10)
    with caught.value:
        assert caught.value.code == 404


def test_conditional_writes_are_atomic_under_threads(cloud: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    dynamodb = cloud.client("dynamodb", max_pool_connections=20)
    dynamodb.create_table(
        TableName="front-atomic",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def take(number: int) -> bool:
        try:
            dynamodb.put_item(
                TableName="front-atomic",
                Item={"pk": {"S": f"lock-{number // 16}"}},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(take, range(160))) == 10


@pytest.mark.parametrize(("kind", "made"), [("delay", True), ("delay_before", False)])
def test_a_late_answer_is_one_to_a_call_that_was_made_and_a_late_call_is_not_made_yet(
    cloud: Any, kind: str, made: bool
) -> None:
    name, sqs = f"late-{kind}", cloud.client("sqs")
    cloud.faults({"service": "sqs", "action": "CreateQueue", "kind": kind, "seconds": 60})
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(sqs.create_queue, QueueName=name)
        until(cloud.hits, lambda hits: hits == 1)
        listed = lambda: bool(cloud.client("sqs").list_queues(QueueNamePrefix=name).get("QueueUrls"))  # noqa: E731
        if made:
            until(listed, bool)
        else:
            time.sleep(0.2)
        assert (listed(), answer.done()) == (made, False)
        cloud.faults()
        assert answer.result(30)["QueueUrl"].endswith(name)
