"""Users, roles and sessions of the local cloud's IAM, and clients of theirs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import botocore.session
import pytest
import roles
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT, OTHER, REGION = "123456789012", "222222222222", "us-east-1"
PUT = {"Effect": "Allow", "Action": "dynamodb:PutItem"}
LOGS = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}


class Iam:
    """IAM of one account, and clients of those whom it knows."""

    def __init__(self, cloud: Any) -> None:
        self.cloud, self.client = cloud, cloud.client("iam")

    def name(self) -> str:
        return f"iam-{uuid4().hex[:8]}"

    def of(self, credentials: dict[str, Any], service: str, **changes: str) -> Any:
        """A client with credentials as IAM and STS return them."""
        return botocore.session.Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.cloud.url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=changes.get("secret") or credentials["SecretAccessKey"],
            aws_session_token=changes.get("token") or credentials.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, signature_version="s3v4" if service == "s3" else None),
        )

    def user(self, *statements: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """A user with these statements; its name and its key."""
        name = self.name()
        self.client.create_user(UserName=name)
        if statements:
            self.client.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=roles.document(*statements))
        return name, self.client.create_access_key(UserName=name)["AccessKey"]

    def role(self, *statements: dict[str, Any], trust: str = "", name: str = "") -> str:
        """A role that the account trusts, with these statements and no others; its ARN."""
        name = name or self.name()
        document = trust or roles.trust(principals=[f"arn:aws:iam::{ACCOUNT}:root"], services=roles.SERVICES)
        arn = self.client.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        if statements:
            self.client.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=roles.document(*statements))
        return str(arn)

    def session(self, role: str, **params: Any) -> dict[str, Any]:
        answer = self.cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="tests", **params)
        return dict(answer["Credentials"])

    def table(self, name: str = "") -> str:
        """A table; its ARN."""
        key = {"AttributeName": "pk", "KeyType": "HASH"}
        return str(
            self.cloud.client("dynamodb").create_table(
                TableName=name or self.name(),
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[key],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            )["TableDescription"]["TableArn"]
        )

    def denials(self, caller: str) -> list[dict[str, Any]]:
        return [row for row in self.cloud.info.request("iam")["denials"] if caller in row["caller"]]


def request(url: str, method: str = "GET", **options: Any) -> Any:
    return urllib3.PoolManager().request(method, url, retries=False, **options)


def refusal(call: Any, **params: Any) -> tuple[str, str, int]:
    """Return code, message and status of a call that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def put(client: Any, table: str) -> Any:
    return client.put_item(TableName=table.rpartition("/")[2], Item={"pk": {"S": "1"}})
