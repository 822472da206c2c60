"""Roles for the local cloud's tests: whom they trust, and what they may do."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

SERVICES = (
    "codedeploy.amazonaws.com",
    "events.amazonaws.com",
    "lambda.amazonaws.com",
    "scheduler.amazonaws.com",
    "states.amazonaws.com",
)
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
"""For tests of something else than permissions."""


def document(*statements: dict[str, Any]) -> str:
    """Write a policy."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(*, services: Sequence[str] = (), principals: Sequence[str] = ()) -> str:
    """Write the trust policy for services, and for principals by their ARNs."""
    who: dict[str, list[str]] = {}
    if services:
        who["Service"] = list(services)
    if principals:
        who["AWS"] = list(principals)
    return document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": who})


def make(iam: Any, name: str, *statements: dict[str, Any], services: Sequence[str] = SERVICES) -> str:
    """Make a role that services may take; return its ARN. Without statements it may do everything."""
    arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(services=services))["Role"]["Arn"])
    iam.put_role_policy(RoleName=name, PolicyName="tests", PolicyDocument=document(*(statements or (EVERYTHING,))))
    return arn


def make_deployer(iam: Any, account: str, name: str = "deployer") -> None:
    """Make the role in another account that deploys there for `account`, unless it is there already."""
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(principals=[f"arn:aws:iam::{account}:root"]))
        iam.put_role_policy(RoleName=name, PolicyName="tests", PolicyDocument=document(EVERYTHING))


def let_services_send(sqs: Any, url: str, arn: str) -> None:
    """Let AWS's services send messages to a queue."""
    senders = {"Service": ["events.amazonaws.com", "s3.amazonaws.com", "sns.amazonaws.com"]}
    statement = {"Effect": "Allow", "Principal": senders, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(statement)})
