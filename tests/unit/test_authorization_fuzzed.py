"""Policies and calls of any shape get a decision, or are refused as no policy; nothing else ends them.

Made-up and mutated inputs: the same each time, many more by chance with `--long`.
"""

from __future__ import annotations

import contextlib

import fuzzing

from localcloud.authorization.calls import accesses
from localcloud.authorization.decide import decide
from localcloud.authorization.documents import parse_policy
from localcloud.authorization.model import AccessRequest, ApplicablePolicies, Decision, Principal

ACCOUNT = "111122223333"
ROLE = Principal(
    arn=f"arn:aws:iam::{ACCOUNT}:role/r", session_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s", account=ACCOUNT
)
REQUEST = AccessRequest("s3:GetObject", "arn:aws:s3:::b/k", {"aws:sourceip": ("10.0.0.1",), "aws:tagkeys": ("a", "b")})
POLICY = {
    "Version": "2012-10-17",
    "Id": "x",
    "Statement": [
        {
            "Sid": "a",
            "Effect": "Allow",
            "Principal": {"AWS": ["*"], "Service": "s3.amazonaws.com"},
            "Action": ["s3:*"],
            "Resource": ["arn:aws:s3:::b/${aws:PrincipalTag/x, 'y'}", "*"],
            "Condition": {
                "IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]},
                "ForAllValues:StringLike": {"aws:TagKeys": ["a*", "b"]},
                "NumericLessThan": {"aws:MultiFactorAuthAge": 10},
                "DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"},
                "Null": {"aws:TokenIssueTime": True},
            },
        },
        {"Effect": "Deny", "NotPrincipal": {"AWS": ACCOUNT}, "NotAction": "s3:Get*", "NotResource": "arn:aws:s3:::c*"},
    ],
}
CALLS = (
    ("s3", "CopyObject", {"Bucket": "b", "Key": "k", "CopySource": {"Bucket": "c", "Key": "k"}, "Tagging": "a=b"}),
    ("s3", "PutObjectTagging", {"Bucket": "b", "Key": "k", "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}),
    ("s3", "DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}]}}),
    (
        "dynamodb",
        "Query",
        {"TableName": "t", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "x"}}},
    ),
    ("dynamodb", "TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "t", "Item": {"pk": {"S": "x"}}}}]}),
    ("dynamodb", "BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": {"pk": {"S": "x"}}}}]}}),
    (
        "lambda",
        "CreateFunction",
        {
            "FunctionName": "f",
            "Role": "arn:aws:iam::1:role/r",
            "Code": {"S3Bucket": "b", "S3Key": "k"},
            "Tags": {"a": "b"},
        },
    ),
    ("events", "PutTargets", {"Rule": "r", "Targets": [{"Arn": "a", "RoleArn": "arn:aws:iam::1:role/r"}]}),
    ("events", "PutEvents", {"Entries": [{"Source": "a", "DetailType": "b"}]}),
    ("sts", "AssumeRoleWithWebIdentity", {"RoleArn": "arn:aws:iam::1:role/r", "WebIdentityToken": "a.e30.c"}),
    ("secretsmanager", "GetSecretValue", {"SecretId": "s"}),
    ("ssm", "GetParameters", {"Names": ["/a:1"], "WithDecryption": True}),
    ("kms", "Decrypt", {"KeyId": "alias/x", "EncryptionContext": {"a": "b"}, "CiphertextBlob": "x"}),
    (
        "stepfunctions",
        "CreateStateMachineAlias",
        {"name": "a", "routingConfiguration": [{"stateMachineVersionArn": "x"}]},
    ),
)


def a_decision(policy):
    with contextlib.suppress(ValueError):
        document = parse_policy(policy)
        policies = ApplicablePolicies((document,), document, (document,), document)
        for principal in (ROLE, Principal(service="s3.amazonaws.com"), Principal()):
            assert isinstance(decide(REQUEST, principal, policies, ACCOUNT), Decision)


def test_a_policy_of_any_shape_gets_a_decision_or_is_none(request):
    fuzzing.tried(request, fuzzing.mutated(POLICY), a_decision, 80)


def a_read(_service, action, _params, **_):
    answers = {
        "DescribeTable": {"Table": {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}},
        "DescribeSecret": {"ARN": "arn:aws:secretsmanager:us-east-1:1:secret:s-AbCdEf", "KmsKeyId": "k"},
    }
    return answers[action]


def some_accesses(call):
    service, action, params = call
    requests = accesses(service, action, params if isinstance(params, dict) else {}, "us-east-1", ACCOUNT, a_read)
    for each in requests or ():
        assert isinstance(decide(each, ROLE, ApplicablePolicies(), ACCOUNT), Decision)


def test_a_call_of_any_shape_is_mapped_or_unknown(request):
    calls = fuzzing.st.sampled_from(CALLS).flatmap(
        lambda call: fuzzing.mutated(call[2]).map(lambda params: (call[0], call[1], params))
    )
    fuzzing.tried(request, calls, some_accesses, 120)
