"""IAM in the local cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.cloud, pytest.mark.contract]
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def test_a_managed_policy_of_aws_is_there_when_it_is_named(cloud: Any) -> None:
    iam = cloud.client("iam")
    iam.create_role(RoleName="managed", AssumeRolePolicyDocument="{}")
    iam.attach_role_policy(RoleName="managed", PolicyArn=BASIC)
    attached = iam.list_attached_role_policies(RoleName="managed")["AttachedPolicies"]
    assert attached == [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}]
    assert "PolicyName" in iam.get_policy(PolicyArn=BASIC)["Policy"]


def test_a_managed_policy_that_aws_does_not_have_is_not_found(cloud: Any) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client("iam").get_policy(PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy")
    assert caught.value.response["Error"]["Code"] == "NoSuchEntity"


def statement(characters: int) -> str:
    """A policy of so many characters, written with white space, which IAM doesn't count."""
    allow = {"Sid": "", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [allow]}
    allow["Sid"] = "x" * (characters - len(json.dumps(document, separators=(",", ":"))))
    return json.dumps(document, indent=4)


def test_the_inline_policies_of_a_role_hold_10240_characters_together(cloud: Any) -> None:
    """Quota: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, as of 2026-11."""
    iam = cloud.client("iam")
    for role in ("full", "other"):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    iam.put_role_policy(RoleName="full", PolicyName="a", PolicyDocument=statement(10_000))
    iam.put_role_policy(RoleName="full", PolicyName="b", PolicyDocument=statement(240))
    iam.put_role_policy(RoleName="full", PolicyName="a", PolicyDocument=statement(10_000))  # put again, not added
    iam.put_role_policy(RoleName="other", PolicyName="a", PolicyDocument=statement(10_240))
    with pytest.raises(ClientError) as caught:
        iam.put_role_policy(RoleName="full", PolicyName="b", PolicyDocument=statement(241))
    assert caught.value.response["Error"] == {
        "Type": "Sender",
        "Code": "LimitExceeded",
        "Message": "Maximum policy size of 10240 bytes exceeded for role full",
    }
