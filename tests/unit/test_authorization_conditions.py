"""Conditions of policies: operators, set operators and missing keys, by AWS's pages.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import base64
import time

import pytest

from localcloud.authorization.conditions import ConditionKeys, Match, all_match
from localcloud.authorization.documents import parse_policy

ARN = "arn:aws:sns:eu-west-1:111122223333:topic"


def matches(operator, value, *values, variables=True, **others):
    keys = ConditionKeys({**({"k": values} if values else {}), **others})
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {"K": value}}}
    document = parse_policy({"Version": "2012-10-17", "Statement": statement})
    return all_match(document.statements[0].conditions, keys, variables=variables)[0] is Match.YES


@pytest.mark.parametrize(
    ("operator", "policy", "request_value", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("stringequals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringNotEqualsIgnoreCase", "a", "A", False),
        ("StringLike", "a?c*", "abcd", True),
        ("StringLike", "a.c", "abc", False),
        ("StringNotLike", "a*", "b", True),
        ("NumericEquals", 10, "10.0", True),
        ("NumericNotEquals", "10", "11", True),
        ("NumericNotEquals", "ten", "11", False),
        ("NumericLessThan", "10", "9.5", True),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "10", False),
        ("NumericGreaterThanEquals", "10", "x", False),
        ("NumericLessThan", "NaN", "1", False),
        ("NumericEquals", "sNaN", "1", False),
        ("NumericNotEquals", "NaN", "1", False),
        ("DateEquals", "2025-06-30T12:00:00Z", "2025-06-30T14:00:00+02:00", True),
        ("DateEquals", "1751284800", "2025-06-30T12:00:00Z", True),
        ("DateNotEquals", "2025-06-30", "2025-06-30T00:00:00Z", False),
        ("DateLessThan", "2025-07", "2025-06-30T12:00:00Z", True),
        ("DateLessThanEquals", "2025", "2025-01-01", True),
        ("DateGreaterThan", "2025-06-30T12:00:00Z", "2025-06-30T12:00:01Z", True),
        ("DateGreaterThanEquals", "soon", "2025-06-30T12:00:01Z", False),
        ("Bool", "true", "true", True),
        ("Bool", True, "True", True),
        ("Bool", "false", "true", False),
        ("Bool", "yes", "true", False),
        ("BinaryEquals", base64.b64encode(b"\x01\x02").decode(), "AQI=", True),
        ("BinaryEquals", "AQI=", "AQM=", False),
        ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
        ("IpAddress", "203.0.113.0/24", "203.0.114.9", False),
        ("IpAddress", "203.0.113.9", "203.0.113.9", True),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("IpAddress", "2001:db8::/32", "203.0.113.9", False),
        ("NotIpAddress", "203.0.113.0/24", "10.0.0.1", True),
        ("NotIpAddress", ["203.0.113.0/24", "10.0.0.0/8"], "10.0.0.1", False),
        ("ArnEquals", "arn:aws:sns:*:111122223333:t?pic", ARN, True),
        ("ArnLike", "arn:aws:sns:*:*:*", ARN, True),
        ("ArnLike", "arn:aws:sqs:*:*:*", ARN, False),
        ("ArnLike", "arn:aws:s*:111122223333:topic:x", ARN, False),
        ("ArnNotEquals", "arn:aws:sns:*:*:other", ARN, True),
        ("ArnNotLike", "arn:aws:sns:*:*:*", ARN, False),
        ("ArnLike", "arn:aws:sns:*:*:*", "no ARN", False),
        ("Null", "true", "a", False),
        ("Null", "false", "a", True),
    ],
)
def test_an_operator_compares_as_aws_says(operator, policy, request_value, expected):
    assert matches(operator, policy, request_value) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("StringEquals", False),
        ("StringNotEquals", True),
        ("StringNotLike", True),
        ("ArnNotLike", True),
        ("NotIpAddress", True),
        ("NumericLessThan", False),
        ("StringEqualsIfExists", True),
        ("BoolIfExists", True),
        ("ForAllValues:StringEquals", True),
        ("ForAllValues:StringNotEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringNotEquals", False),
        ("ForAnyValue:StringEqualsIfExists", False),
    ],
)
def test_a_missing_key_matches_what_is_negated_and_what_need_not_exist(operator, expected):
    assert matches(operator, "x") is expected


def test_null_asks_for_a_missing_key():
    assert matches("Null", "true")
    assert matches("Null", True)
    assert not matches("Null", "false")


@pytest.mark.parametrize(
    ("operator", "policy", "values", "expected"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], ("a", "b"), True),
        ("ForAllValues:StringEquals", ["a"], ("a", "b"), False),
        ("ForAllValues:StringLike", ["a*"], ("a1", "a2"), True),
        ("ForAllValues:StringNotEquals", ["c"], ("a", "b"), True),
        ("ForAllValues:StringNotEquals", ["b"], ("a", "b"), False),
        ("ForAnyValue:StringEquals", ["b", "c"], ("a", "b"), True),
        ("ForAnyValue:StringEquals", ["c"], ("a", "b"), False),
        ("ForAnyValue:StringNotEquals", ["a"], ("a", "b"), True),
        ("ForAnyValue:StringNotEquals", ["a"], ("a",), False),
        ("ForAnyValue:ArnLike", ["arn:aws:sns:*:*:*"], (ARN, "x"), True),
        ("StringEquals", ["a"], ("a", "b"), False),
        ("StringNotEquals", ["c"], ("a", "b"), False),
    ],
)
def test_several_values_of_a_request_take_a_set_operator(operator, policy, values, expected):
    assert matches(operator, policy, *values) is expected


@pytest.mark.parametrize(
    ("policy", "value", "expected"),
    [
        ("${aws:username}", "ada", True),
        ("${AWS:UserName}/*", "ada/notes", True),
        ("${aws:PrincipalTag/none}", "", False),
        ("${aws:PrincipalTag/none, 'public'}", "public", True),
        ("${aws:PrincipalTag/none,'public'}-*", "public-x", True),
        ("${*}${?}${$}", "*?$", True),
        ("${*}", "x", False),
        ("${tagged}", "*", True),
        ("${tagged}", "x", False),
    ],
)
def test_a_variable_stands_for_its_value_and_never_for_a_wildcard(policy, value, expected):
    others = {"aws:username": ("ada",), "tagged": ("*",), "several": ("a", "b")}
    assert matches("StringLike", policy, value, **others) is expected


def test_a_pattern_of_many_wildcards_costs_no_more_than_its_text_is_long():
    begin = time.process_time()
    assert not matches("StringLike", "*a" * 30 + "*b", "a" * 2000)
    assert matches("StringLike", "a*?b*b?*", "axxbxxbbx")
    assert not matches("StringLike", "*ab*ba", "xaba")
    assert time.process_time() - begin < 1


def test_a_key_of_several_values_is_no_variable():
    assert not matches("StringLike", "${several}", "a", several=("a", "b"))


def test_a_variable_without_value_matches_neither_a_text_nor_all_others():
    assert not matches("StringEquals", "${none}", "x")
    assert not matches("StringNotEquals", "${none}", "x")


def test_the_old_language_has_no_variables():
    assert not matches("StringLike", "${aws:username}", "ada", variables=False, **{"aws:username": ("ada",)})
    assert matches("StringLike", "${aws:username}", "${aws:username}", variables=False)


def test_all_keys_of_all_operators_must_match():
    statement = {
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringEquals": {"a": "1", "b": ["2", "3"]}, "Bool": {"c": "true"}},
    }
    (parsed,) = parse_policy({"Version": "2012-10-17", "Statement": [statement]}).statements
    keys = {"a": ("1",), "b": ("3",), "c": ("true",)}
    assert all_match(parsed.conditions, ConditionKeys(keys), variables=True)[0] is Match.YES
    for name in keys:
        fewer = ConditionKeys({key: values for key, values in keys.items() if key != name})
        assert all_match(parsed.conditions, fewer, variables=True)[0] is Match.NO
