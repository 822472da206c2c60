"""A local cloud under test."""

from __future__ import annotations

import functools
import json
from typing import Any
from uuid import uuid4

from localcloud import daemon
from localcloud.pytest_plugin import LocalCloud

SERVICES = ("codedeploy.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com")
ALLOWED = ("codedeploy:*", "dynamodb:*", "lambda:*", "sqs:*", "states:*")
"""What a role needs where permissions are enforced: everything that the tests' functions and machines call."""


class RunningCloud(LocalCloud):
    """A local cloud under test. `own`: it has pages, faults and a clock, which another endpoint hasn't."""

    own = True
    account, region = daemon.ACCOUNT, daemon.REGION

    @property
    def url(self) -> str:
        return self.endpoint

    @functools.cached_property
    def role(self) -> str:
        """A role that Lambda, CodeDeploy and Step Functions may take."""
        return make_role(self)

    def hits(self) -> int:
        return sum(rule["hits"] for rule in self.info.request("faults")["faults"])


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
