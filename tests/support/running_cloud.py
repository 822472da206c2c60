"""A local cloud under test."""

from __future__ import annotations

import functools
import json
from typing import Any
from uuid import uuid4

from localcloud import daemon

SERVICES = ("codedeploy.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com")
ALLOWED = ("codedeploy:*", "dynamodb:*", "lambda:*", "sqs:*", "states:*")
"""What a role needs where permissions are enforced: everything that the tests' functions and machines call."""


class RunningCloud:
    """A local cloud under test. `own`: it has pages, faults and a clock, which another endpoint hasn't."""

    own = True
    account, region = daemon.ACCOUNT, daemon.REGION

    def __init__(self, info: daemon.CloudInfo) -> None:
        self.info = info
        self.url = info.url

    @functools.cached_property
    def role(self) -> str:
        """A role that Lambda, CodeDeploy and Step Functions may take."""
        return make_role(self)

    @property
    def env(self) -> dict[str, str]:
        return self.info.env()

    def calls(self) -> list[str]:
        """`service:Action` of every request since the last `reset_calls`."""
        found: list[str] = self.info.request("calls")["calls"]
        return found

    def reset_calls(self) -> None:
        self.info.request("calls", "DELETE")

    def faults(self, *rules: dict[str, Any]) -> None:
        """Put these faults in force instead of those that are; none clears them."""
        self.info.request("faults", "DELETE")
        if rules:
            self.info.request("faults", "POST", list(rules))

    def hits(self) -> int:
        return sum(rule["hits"] for rule in self.info.request("faults")["faults"])

    def speed(self, value: float) -> None:
        self.info.request("clock", "POST", {"speed": value})

    def client(self, service: str, account: str = daemon.ACCOUNT, region: str = daemon.REGION, **config: Any) -> Any:
        """A botocore client of this cloud; `config` goes to botocore's Config (retries, timeouts)."""
        import botocore.session
        from botocore.config import Config

        return botocore.session.Session().create_client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=account,
            aws_secret_access_key="local",
            verify=False,
            config=Config(**{"retries": {"total_max_attempts": 1}, **config}),
        )


def make_role(cloud: Any, *, allow: bool = False) -> str:
    """Make a role that Lambda, CodeDeploy and Step Functions may take; return its ARN."""
    name, iam = f"stepladder-test-{uuid4().hex[:8]}", cloud.client("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": list(SERVICES)}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])
    if allow:
        policy = {"Effect": "Allow", "Action": list(ALLOWED), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
        iam.put_role_policy(RoleName=name, PolicyName="tests", PolicyDocument=document)
    return arn
