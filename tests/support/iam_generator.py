"""Combinations of callers, accounts, policies of every kind and conditions, by a seeded generator."""

from __future__ import annotations

import random
from typing import Any

from iam_cases import (
    ACCOUNT,
    ANOTHER,
    AS_ROLE,
    AS_SERVICE,
    AS_USER,
    FUNCTION,
    KEY,
    OBJECT,
    QUEUE,
    TABLE,
    TARGET_ROLE,
    PolicyCase,
    policy,
)
from iam_tables import PRINCIPALS

_ACTIONS = (
    ("s3:GetObject", OBJECT),
    ("s3:ListBucket", "arn:aws:s3:::data"),
    ("sqs:SendMessage", QUEUE),
    ("dynamodb:Query", TABLE),
    ("lambda:InvokeFunction", FUNCTION),
    ("kms:Decrypt", KEY),
    ("sts:AssumeRole", TARGET_ROLE),
)
_KEYS: dict[str, tuple[str, ...]] = {
    "aws:useragent": ("curl", "boto3"),
    "aws:sourceip": ("10.0.0.1", "203.0.113.9"),
    "aws:multifactorauthpresent": ("true", "false"),
    "aws:sourcearn": (f"arn:aws:sns:us-east-1:{ACCOUNT}:topic", "arn:aws:s3:::data"),
    "aws:multifactorauthage": ("5", "500"),
    "aws:currenttime": ("2025-06-30T12:00:00Z", "2026-06-30T12:00:00Z"),
    "aws:tagkeys": ("a", "b", "c"),
}
_OPERATORS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "aws:useragent": (
        ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"),
        ("curl", "CURL", "c*", "b?to3", "${aws:PrincipalTag/team}"),
    ),
    "aws:sourceip": (("IpAddress", "NotIpAddress"), ("10.0.0.0/8", "203.0.113.0/24", "10.0.0.1")),
    "aws:multifactorauthpresent": (("Bool", "Null"), ("true", "false")),
    "aws:sourcearn": (
        ("ArnLike", "ArnNotLike", "ArnEquals", "ArnNotEquals"),
        (f"arn:aws:sns:*:{ACCOUNT}:*", "arn:aws:s3:::data", "arn:aws:s3:*:*:d?ta"),
    ),
    "aws:multifactorauthage": (
        ("NumericLessThan", "NumericGreaterThanEquals", "NumericEquals", "NumericNotEquals"),
        ("5", "60", "500"),
    ),
    "aws:currenttime": (
        ("DateLessThan", "DateGreaterThan", "DateEquals"),
        ("2026-01-01T00:00:00Z", "2025-06-30T12:00:00Z"),
    ),
    "aws:tagkeys": (
        (
            "ForAllValues:StringEquals",
            "ForAnyValue:StringEquals",
            "ForAllValues:StringNotEquals",
            "ForAnyValue:StringLike",
        ),
        ("a", "b", "c*"),
    ),
}


def generated(count: int, seed: int) -> list[PolicyCase]:
    """Return combinations of callers, accounts, policies of every kind, and conditions."""
    source = random.Random(seed)
    return [_generated(source, number) for number in range(count)]


def _generated(source: random.Random, number: int) -> PolicyCase:
    caller = source.choice([AS_ROLE, AS_ROLE, AS_ROLE, AS_USER, AS_SERVICE])
    action, resource = source.choice(_ACTIONS)
    account = source.choice([ACCOUNT, ACCOUNT, ANOTHER])
    resource = resource.replace(ACCOUNT, account)
    context = {key: _some_values(source, key) for key in source.sample(sorted(_KEYS), k=4)}
    own = bool(caller.arn)
    has_policy = action.startswith("kms:") or source.random() < 0.7  # no key is without
    return PolicyCase(
        f"generated {number}",
        caller,
        action,
        resource,
        account,
        context,
        identity=tuple(_policy(source, action, resource) for _ in range(source.randint(0, 2))) if own else (),
        boundary=_policy(source, action, resource) if own and source.random() < 0.3 else None,
        session=_policy(source, action, resource) if caller is AS_ROLE and source.random() < 0.3 else None,
        resource_policy=_policy(source, action, resource, principals=True) if has_policy else None,
    )


def _some_values(source: random.Random, key: str) -> tuple[str, ...]:
    if key == "aws:tagkeys":
        return tuple(source.sample(_KEYS[key], k=source.randint(1, 3)))
    return (source.choice(_KEYS[key]),)


def _policy(source: random.Random, action: str, resource: str, *, principals: bool = False) -> dict[str, Any]:
    count = source.randint(1, 3)
    return policy(*(_statement(source, action, resource, principals=principals) for _ in range(count)))


def _statement(source: random.Random, action: str, resource: str, *, principals: bool) -> dict[str, Any]:
    service = action.partition(":")[0]
    statement: dict[str, Any] = {"Effect": source.choice(["Allow", "Allow", "Allow", "Deny"])}
    named = source.choice([action, f"{service}:*", "*", f"{service}:Describe*", action[:-3] + "*", "iam:*"])
    statement[source.choice(["Action"] * 5 + ["NotAction"])] = named
    trust = principals and service == "sts"
    if not trust:
        patterns = ["*", resource, resource[:-2] + "*", resource[:-1] + "?", resource + "x"]
        statement[source.choice(["Resource"] * 5 + ["NotResource"])] = source.choice(patterns)
    if principals:
        element = (
            "NotPrincipal" if statement["Effect"] == "Deny" and not trust and source.random() < 0.2 else "Principal"
        )
        statement[element] = source.choice(list(PRINCIPALS.values()))
    if source.random() < 0.5:
        statement["Condition"] = _condition(source)
    return statement


def _condition(source: random.Random) -> dict[str, Any]:
    block: dict[str, dict[str, Any]] = {}
    for key in source.sample(sorted(_OPERATORS), k=source.randint(1, 2)):
        operators, values = _OPERATORS[key]
        operator = source.choice(operators)
        if operator != "Null" and ":" not in operator and source.random() < 0.2:
            operator += "IfExists"
        block.setdefault(operator, {})[key] = source.sample(values, k=source.randint(1, min(2, len(values))))
    return block
