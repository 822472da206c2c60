"""A local cloud under test."""

from __future__ import annotations

import functools
from typing import Any
from uuid import uuid4

import roles

from localcloud import daemon
from localcloud.pytest_plugin import LocalCloud

ALLOWED = (
    *("cloudwatch:*", "codedeploy:*", "dynamodb:*", "ec2:*", "events:*", "lambda:*", "logs:*"),
    *("s3:*", "sns:*", "sqs:*", "states:*"),
)
"""What a role needs: everything that the tests' functions and machines call."""


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


def make_role(cloud: Any) -> str:
    """Make a role that AWS's services may take; return its ARN."""
    allowed = {"Effect": "Allow", "Action": list(ALLOWED), "Resource": "*"}
    return roles.make(cloud.client("iam"), f"stepladder-test-{uuid4().hex[:8]}", allowed)
