"""IAM in the local cloud."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.cloud
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
