"""Cases of policies by hand: every condition operator, every way to name a caller, an action and a resource."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from iam_cases import (
    ACCOUNT,
    ANOTHER,
    AS_ROLE,
    AS_SERVICE,
    AS_USER,
    KEY,
    LIST,
    OBJECT,
    QUEUE,
    READ,
    ROLE,
    SEND,
    SESSION,
    TARGET_ROLE,
    USER,
    PolicyCase,
    policy,
)

from localcloud.authorization.model import Principal

FROM_TOPIC = {"aws:sourcearn": (f"arn:aws:sns:eu-west-1:{ACCOUNT}:topic",)}
CONDITIONS: tuple[tuple[str, str, Any, dict[str, tuple[str, ...]]], ...] = (
    ("StringEquals", "aws:UserAgent", "curl", {"aws:useragent": ("curl",)}),
    ("StringEquals", "aws:UserAgent", "cURL", {"aws:useragent": ("curl",)}),
    ("StringEquals", "aws:UserAgent", ["a", "curl"], {"aws:useragent": ("curl",)}),
    ("StringEquals", "aws:UserAgent", "curl", {}),
    ("StringNotEquals", "aws:UserAgent", "curl", {}),
    ("StringNotEquals", "aws:UserAgent", ["a", "curl"], {"aws:useragent": ("curl",)}),
    ("StringNotEquals", "aws:UserAgent", ["a", "b"], {"aws:useragent": ("curl",)}),
    ("StringEqualsIfExists", "aws:UserAgent", "curl", {}),
    ("StringEqualsIfExists", "aws:UserAgent", "curl", {"aws:useragent": ("wget",)}),
    ("StringEqualsIgnoreCase", "aws:UserAgent", "CURL", {"aws:useragent": ("curl",)}),
    ("StringNotEqualsIgnoreCase", "aws:UserAgent", "CURL", {"aws:useragent": ("curl",)}),
    ("StringLike", "aws:UserAgent", "cu?l*", {"aws:useragent": ("curl/8",)}),
    ("StringLike", "aws:UserAgent", "Cu?l*", {"aws:useragent": ("curl/8",)}),
    ("StringLike", "aws:UserAgent", "c.*", {"aws:useragent": ("curl/8",)}),
    ("StringLike", "aws:UserAgent", "curl${*}", {"aws:useragent": ("curl*",)}),
    ("StringLike", "aws:UserAgent", "curl${*}", {"aws:useragent": ("curlx",)}),
    ("StringLike", "aws:UserAgent", "curl${$}{x}", {"aws:useragent": ("curl${x}",)}),
    ("StringNotLike", "aws:UserAgent", "cu?l*", {"aws:useragent": ("curl/8",)}),
    ("StringNotLike", "aws:UserAgent", "cu?l*", {}),
    ("StringEquals", "aws:UserAgent", "${aws:PrincipalTag/team}", {"aws:useragent": ("red",)}),
    ("StringEquals", "aws:UserAgent", "${aws:PrincipalTag/nobody}", {"aws:useragent": ("red",)}),
    ("StringNotEquals", "aws:UserAgent", "${aws:PrincipalTag/nobody}", {"aws:useragent": ("red",)}),
    ("StringEquals", "aws:UserAgent", "${aws:PrincipalTag/nobody, 'red'}", {"aws:useragent": ("red",)}),
    ("NumericEquals", "s3:max-keys", "10", {"s3:max-keys": ("10",)}),
    ("NumericEquals", "s3:max-keys", 10, {"s3:max-keys": ("10",)}),
    ("NumericEquals", "s3:max-keys", "10.0", {"s3:max-keys": ("10",)}),
    ("NumericNotEquals", "s3:max-keys", "10", {"s3:max-keys": ("10",)}),
    ("NumericNotEquals", "s3:max-keys", "ten", {"s3:max-keys": ("10",)}),
    ("NumericLessThan", "s3:max-keys", "10", {"s3:max-keys": ("10",)}),
    ("NumericLessThan", "s3:max-keys", "10", {"s3:max-keys": ("9",)}),
    ("NumericLessThanEquals", "s3:max-keys", "10", {"s3:max-keys": ("10",)}),
    ("NumericLessThanEquals", "s3:max-keys", "10", {}),
    ("NumericLessThanEqualsIfExists", "s3:max-keys", "10", {}),
    ("NumericGreaterThan", "s3:max-keys", "10", {"s3:max-keys": ("11",)}),
    ("NumericGreaterThan", "s3:max-keys", "10", {"s3:max-keys": ("9",)}),
    ("NumericGreaterThanEquals", "s3:max-keys", ["10", "3"], {"s3:max-keys": ("4",)}),
    ("DateLessThan", "aws:CurrentTime", "2026-01-01T00:00:00Z", {"aws:currenttime": ("2025-06-30T12:00:00Z",)}),
    ("DateLessThan", "aws:CurrentTime", "2025-01-01T00:00:00Z", {"aws:currenttime": ("2025-06-30T12:00:00Z",)}),
    ("DateGreaterThan", "aws:CurrentTime", "2025-01-01", {"aws:currenttime": ("2025-06-30T12:00:00Z",)}),
    ("DateEquals", "aws:CurrentTime", "2025-06-30T12:00:00Z", {"aws:currenttime": ("2025-06-30T12:00:00Z",)}),
    ("DateEquals", "aws:CurrentTime", "2025-06-30T14:00:00+02:00", {"aws:currenttime": ("2025-06-30T12:00:00Z",)}),
    ("DateNotEquals", "aws:CurrentTime", "2025-06-30T12:00:00Z", {"aws:currenttime": ("2025-06-30T12:00:00Z",)}),
    ("DateLessThanEquals", "aws:CurrentTime", "2025-06-30T12:00:00Z", {"aws:currenttime": ("2025-06-30T12:00:00Z",)}),
    (
        "DateGreaterThanEquals",
        "aws:CurrentTime",
        "2025-06-30T12:00:01Z",
        {"aws:currenttime": ("2025-06-30T12:00:00Z",)},
    ),
    ("Bool", "aws:SecureTransport", "true", {}),
    ("Bool", "aws:SecureTransport", True, {}),
    ("Bool", "aws:SecureTransport", "False", {}),
    ("Bool", "aws:MultiFactorAuthPresent", "true", {}),
    ("Bool", "aws:MultiFactorAuthPresent", "false", {}),
    ("BoolIfExists", "aws:MultiFactorAuthPresent", "false", {}),
    ("Null", "aws:MultiFactorAuthPresent", "true", {}),
    ("Null", "aws:MultiFactorAuthPresent", True, {}),
    ("Null", "aws:SecureTransport", "true", {}),
    ("Null", "aws:SecureTransport", "false", {}),
    ("IpAddress", "aws:SourceIp", "203.0.113.0/24", {"aws:sourceip": ("203.0.113.9",)}),
    ("IpAddress", "aws:SourceIp", "203.0.113.0/24", {"aws:sourceip": ("203.0.114.9",)}),
    ("IpAddress", "aws:SourceIp", "203.0.113.9", {"aws:sourceip": ("203.0.113.9",)}),
    ("IpAddress", "aws:SourceIp", "2001:db8::/32", {"aws:sourceip": ("2001:db8:1::1",)}),
    ("IpAddress", "aws:SourceIp", "2001:db8::/32", {"aws:sourceip": ("203.0.113.9",)}),
    ("IpAddress", "aws:SourceIp", ["10.0.0.0/8", "203.0.113.0/24"], {"aws:sourceip": ("203.0.113.9",)}),
    ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24", {"aws:sourceip": ("203.0.113.9",)}),
    ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24", {"aws:sourceip": ("10.1.1.1",)}),
    ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24", {}),
    (
        "ArnEquals",
        "aws:SourceArn",
        f"arn:aws:sns:*:{ACCOUNT}:topic",
        FROM_TOPIC,
    ),
    (
        "ArnLike",
        "aws:SourceArn",
        "arn:aws:sns:*:*:top?c",
        FROM_TOPIC,
    ),
    ("ArnLike", "aws:SourceArn", "arn:aws:sns:*", FROM_TOPIC),
    ("ArnLike", "aws:SourceArn", "arn:aws:s*:topic", FROM_TOPIC),
    (
        "ArnNotEquals",
        "aws:SourceArn",
        f"arn:aws:sns:*:{ACCOUNT}:topic",
        FROM_TOPIC,
    ),
    (
        "ArnNotLike",
        "aws:SourceArn",
        "arn:aws:sns:*:*:other",
        FROM_TOPIC,
    ),
    ("ArnNotLike", "aws:SourceArn", "arn:aws:sns:*:*:other", {}),
    ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/work*", {}),
    ("ArnEquals", "aws:PrincipalArn", SESSION, {}),
    ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"], {"aws:tagkeys": ("a", "b")}),
    ("ForAllValues:StringEquals", "aws:TagKeys", ["a"], {"aws:tagkeys": ("a", "b")}),
    ("ForAllValues:StringEquals", "aws:TagKeys", ["a"], {}),
    ("ForAllValues:StringLike", "aws:TagKeys", ["a*", "b*"], {"aws:tagkeys": ("a1", "b2")}),
    ("ForAllValues:StringNotEquals", "aws:TagKeys", ["a"], {"aws:tagkeys": ("b", "c")}),
    ("ForAllValues:StringNotEquals", "aws:TagKeys", ["b"], {"aws:tagkeys": ("b", "c")}),
    ("ForAnyValue:StringEquals", "aws:TagKeys", ["a"], {"aws:tagkeys": ("a", "b")}),
    ("ForAnyValue:StringEquals", "aws:TagKeys", ["c"], {"aws:tagkeys": ("a", "b")}),
    ("ForAnyValue:StringEquals", "aws:TagKeys", ["a"], {}),
    ("ForAnyValue:StringNotEquals", "aws:TagKeys", ["a"], {"aws:tagkeys": ("a", "b")}),
    ("ForAnyValue:StringNotEquals", "aws:TagKeys", ["a"], {"aws:tagkeys": ("a",)}),
    ("ForAnyValue:StringNotEquals", "aws:TagKeys", ["a"], {}),
    ("ForAnyValue:StringLikeIfExists", "aws:TagKeys", ["a"], {}),
    ("StringEquals", "aws:TagKeys", ["a"], {"aws:tagkeys": ("a", "b")}),
    ("StringNotEquals", "aws:TagKeys", ["a"], {"aws:tagkeys": ("c", "b")}),
)
"""Operator, key, the policy's value, and the request's keys."""


def of_conditions() -> list[PolicyCase]:
    """Return every condition in an Allow, and in a Deny of what is allowed otherwise."""
    cases = []
    for operator, key, value, context in CONDITIONS:
        condition = {operator: {key: value}}
        base = LIST if key.startswith("s3:") else replace(LIST, action="s3:CreateBucket") if "TagKeys" in key else SEND
        named = f"{operator} {key} {value} of {context}"
        own = {"Action": base.action, "Resource": "*"}
        allow = policy({**own, "Condition": condition})
        deny = policy(own, {**own, "Effect": "Deny", "Condition": condition})
        cases.append(replace(base, name=f"allow {named}", context=context, identity=(allow,)))
        cases.append(replace(base, name=f"deny {named}", context=context, identity=(deny,)))
    return cases


def _grant(principal: Any, action: str, resource: str | None, **more: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Principal": principal, "Action": action, **more}
    return policy({**statement, "Resource": resource} if resource else statement)


ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
PRINCIPALS: dict[str, Any] = {
    "everybody": "*",
    "every AWS principal": {"AWS": "*"},
    "the account": ROOT,
    "the account's number": {"AWS": ACCOUNT},
    "another account": {"AWS": ANOTHER},
    "the role": {"AWS": ROLE},
    "the session": {"AWS": SESSION},
    "another session": {"AWS": SESSION.replace("/run", "/other")},
    "another role": {"AWS": f"{ROLE}2"},
    "the user": {"AWS": USER},
    "a service": {"Service": "sns.amazonaws.com"},
    "another service": {"Service": "s3.amazonaws.com"},
    "several": {"AWS": [f"{ROLE}2", ROLE], "Service": "sns.amazonaws.com"},
}
CALLERS = {"role": AS_ROLE, "user": AS_USER, "service": AS_SERVICE, "nobody": Principal()}
TARGETS = (
    ("sqs:SendMessage", QUEUE),
    ("kms:Decrypt", KEY),
    ("sts:AssumeRole", TARGET_ROLE),
)


def of_principals() -> list[PolicyCase]:
    """Return every way to name a caller, of this account and of another, with and without policies of its own."""
    cases = []
    for (action, resource), (who, caller), (named, principal) in product(TARGETS, CALLERS.items(), PRINCIPALS.items()):
        trust = action.startswith("sts:")
        for account, effect in ((ACCOUNT, "Allow"), (ANOTHER, "Allow"), (ACCOUNT, "Deny")):
            of_account = resource.replace(ACCOUNT, account)
            grant = _grant(principal, action, None if trust else of_account, Effect=effect)
            own = policy({"Action": action, "Resource": of_account})
            nothing = policy({"Action": "s3:GetObject", "Resource": "*"})
            base = PolicyCase("", caller, action, of_account, account, resource_policy=grant)
            title = f"{who} {action} in {account} where {effect} names {named}"
            cases.append(replace(base, name=title))
            if not caller.arn:
                continue
            cases.append(replace(base, name=f"{title}, own policy", identity=(own,)))
            cases.append(replace(base, name=f"{title}, own policy, narrow boundary", identity=(own,), boundary=nothing))
            cases.append(replace(base, name=f"{title}, wide boundary", boundary=own))
            cases.append(replace(base, name=f"{title}, narrow boundary", boundary=nothing))
            if caller is AS_ROLE:
                cases.append(replace(base, name=f"{title}, narrow session", session=nothing))
                cases.append(replace(base, name=f"{title}, wide session", session=own))
                cases.append(
                    replace(base, name=f"{title}, own policy, narrow session", identity=(own,), session=nothing)
                )
    return cases


NAMES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("a wildcard in the action", {"Action": "s3:Get*", "Resource": "*"}),
    ("a question mark in the action", {"Action": "s3:GetObjec?", "Resource": "*"}),
    ("the action in another case", {"Action": "S3:getobject", "Resource": "*"}),
    ("every action", {"Action": "*", "Resource": "*"}),
    ("another action", {"Action": "s3:PutObject", "Resource": "*"}),
    ("not this action", {"NotAction": "s3:GetObject", "Resource": "*"}),
    ("not another action", {"NotAction": ["s3:Put*", "iam:*"], "Resource": "*"}),
    ("the resource", {"Action": "*", "Resource": OBJECT}),
    ("the bucket only", {"Action": "*", "Resource": "arn:aws:s3:::data"}),
    ("the bucket's objects", {"Action": "*", "Resource": "arn:aws:s3:::data/*"}),
    ("a question mark in the resource", {"Action": "*", "Resource": "arn:aws:s3:::data/in/?.json"}),
    ("a wildcard over slashes", {"Action": "*", "Resource": "arn:aws:s3:::data/*.json"}),
    ("the resource in another case", {"Action": "*", "Resource": "arn:aws:s3:::DATA/*"}),
    ("an ARN cut short", {"Action": "*", "Resource": "arn:aws:s3"}),
    ("an ARN cut short with a wildcard", {"Action": "*", "Resource": "arn:aws:s3*"}),
    ("wildcards in every part", {"Action": "*", "Resource": "arn:*:*:*:*:*"}),
    ("a wildcard that would reach over colons", {"Action": "*", "Resource": "arn:aws:*data/in/1.json"}),
    ("not this resource", {"Action": "*", "NotResource": OBJECT}),
    ("not another resource", {"Action": "*", "NotResource": "arn:aws:s3:::other/*"}),
    ("several resources", {"Action": "*", "Resource": ["arn:aws:s3:::other/*", OBJECT]}),
    ("a variable in the resource", {"Action": "*", "Resource": "arn:aws:s3:::data/${aws:PrincipalTag/dir}/*"}),
    ("a default in the resource", {"Action": "*", "Resource": "arn:aws:s3:::data/${aws:PrincipalTag/none, 'in'}/*"}),
    ("a variable without value", {"Action": "*", "Resource": "arn:aws:s3:::data/${aws:PrincipalTag/none}/*"}),
    (
        "not what a variable without value names",
        {"Action": "*", "NotResource": "arn:aws:s3:::${aws:PrincipalTag/none}/*"},
    ),
)


def of_names() -> list[PolicyCase]:
    """Return every way to name an action and a resource, in an Allow and in a Deny."""
    caller = replace(AS_ROLE, tags={"team": "red", "dir": "in"})
    everything = {"Action": "*", "Resource": "*"}
    cases = []
    for named, statement in NAMES:
        allow, deny = policy(statement), policy(everything, {**statement, "Effect": "Deny"})
        base = replace(READ, principal=caller)
        cases.append(replace(base, name=f"allow {named}", identity=(allow,)))
        cases.append(replace(base, name=f"deny {named}", identity=(deny,)))
        cases.append(replace(base, name=f"old language, {named}", identity=({**allow, "Version": "2008-10-17"},)))
    return cases
