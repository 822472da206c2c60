"""What the map of calls reads of a running cloud: what a call names by an id of its own, and tags."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from botocore import xform_name

from localcloud.authorization.calls import accesses

pytestmark = pytest.mark.cloud


@pytest.fixture
def needed(cloud: Any):
    """Map a call, with a client of the cloud for what the map reads."""

    def read(service, action, params, *, region, account):
        assert (region, account) == (cloud.region, cloud.account)
        return getattr(cloud.client(service), xform_name(action))(**params)

    return lambda service, action, **params: accesses(service, action, params, cloud.region, cloud.account, read)


@pytest.fixture
def name() -> str:
    return f"mapped-{uuid4().hex[:8]}"


def test_a_tables_partition_key_and_that_of_its_index(cloud, needed, name):
    cloud.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "day")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-day",
                "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        Tags=[{"Key": "Team", "Value": "red"}],
    )
    (get,) = needed("dynamodb", "GetItem", TableName=name, Key={"pk": {"S": "a"}})
    assert get.context["dynamodb:leadingkeys"] == ("a",)
    assert get.tags() == {"Team": "red"}
    query = {"KeyConditionExpression": "day = :d", "ExpressionAttributeValues": {":d": {"S": "monday"}}}
    (by_index,) = needed("dynamodb", "Query", TableName=name, IndexName="by-day", **query)
    assert by_index.context["dynamodb:leadingkeys"] == ("monday",)
    assert by_index.tags() == {"Team": "red"}


def test_the_key_of_a_secret_a_parameter_and_a_queue(cloud, needed, name):
    kms = cloud.client("kms")
    key = kms.create_key(Tags=[{"TagKey": "Team", "TagValue": "red"}])["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key)
    cloud.client("secretsmanager").create_secret(Name=name, SecretString="x", KmsKeyId=f"alias/{name}")
    cloud.client("ssm").put_parameter(Name=f"/{name}/token", Value="x", Type="SecureString", KeyId=f"alias/{name}")
    queue = cloud.client("sqs").create_queue(QueueName=name, Attributes={"KmsMasterKeyId": key}, tags={"Team": "red"})
    secret, decrypt = needed("secretsmanager", "GetSecretValue", SecretId=name)
    assert secret.resource.startswith(f"arn:aws:secretsmanager:{cloud.region}:{cloud.account}:secret:{name}-")
    assert (decrypt.action, decrypt.resource) == ("kms:Decrypt", key)
    assert decrypt.tags() == {"Team": "red"}
    parameter = needed("ssm", "GetParameter", Name=f"/{name}/token", WithDecryption=True)
    assert [each.resource for each in parameter[1:]] == [key]
    send = needed("sqs", "SendMessage", QueueUrl=queue["QueueUrl"], MessageBody="x")
    assert [each.action for each in send] == ["sqs:SendMessage", "kms:GenerateDataKey", "kms:Decrypt"]
    assert send[0].tags() == {"Team": "red"}
    text = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert [each.resource for each in needed("kms", "Decrypt", CiphertextBlob=text)] == [key]


def test_what_is_not_there_is_named_as_it_would_be(needed, name):
    (secret,) = needed("secretsmanager", "GetSecretValue", SecretId=name)
    assert secret.resource.endswith(f":secret:{name}-??????")
    (parameter,) = needed("ssm", "GetParameter", Name=name, WithDecryption=True)
    assert parameter.resource.endswith(f":parameter/{name}")
    assert needed("codedeploy", "GetDeployment", deploymentId="d-NONE") is None


def test_a_roles_path_and_boundary(cloud, needed, name):
    iam, boundary = cloud.client("iam"), "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam.get_policy(PolicyArn=boundary)
    tags = [{"Key": "Team", "Value": "red"}]
    made = {"RoleName": name, "Path": "/teams/", "AssumeRolePolicyDocument": trust, "PermissionsBoundary": boundary}
    iam.create_role(**made, Tags=tags)
    (put,) = needed("iam", "PutRolePolicy", RoleName=name, PolicyName="p", PolicyDocument="{}")
    assert put.resource == f"arn:aws:iam::{cloud.account}:role/teams/{name}"
    assert put.context["iam:permissionsboundary"] == (boundary,)
    assert put.tags() == {"Team": "red"}


def test_a_deployments_group_and_tags_of_topics_machines_and_log_groups(cloud, needed, rung, name):
    topic = cloud.client("sns").create_topic(Name=name, Tags=[{"Key": "Team", "Value": "red"}])["TopicArn"]
    (publish,) = needed("sns", "Publish", TopicArn=topic)
    assert publish.tags() == {"Team": "red"}
    cloud.client("logs").create_log_group(logGroupName=f"/{name}", tags={"Team": "red"})
    (events,) = needed("logs", "FilterLogEvents", logGroupName=f"/{name}")
    assert events.tags() == {"Team": "red"}
    (group,) = needed("codedeploy", "GetDeployment", deploymentId=rung.deploy("LambdaAllAtOnce"))
    assert group.resource.split(":", 5)[5] == f"deploymentgroup:{rung.name}/live"
