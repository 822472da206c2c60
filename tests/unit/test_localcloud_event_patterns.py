"""What a pattern selects: AWS's documented operators, and arrays as event-ruler's page describes them."""

from __future__ import annotations

import pytest

from localcloud.event_patterns import PatternError, check, matches, parse
from localcloud.services.lambda_.triggers import filters

EVENT = {
    "source": "aws.ec2",
    "time": "2026-10-02T18:43:48Z",
    "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-0", "arn:aws:s3:::x"],
    "detail": {
        "state": "running",
        "count": 5,
        "limit": 301.8,
        "ip": "10.0.0.33",
        "file": "dir/sub/a.PNG",
        "nothing": None,
        "flag": True,
        "empty": "",
        "employees": [{"name": "Ann", "role": "boss"}, {"name": "Bob", "role": "cook"}],
        "deep": {"c": {"d": "x"}},
        "a.b": 1,
    },
}


@pytest.mark.parametrize(
    ("detail", "selected"),
    [
        ({"state": ["running"]}, True),
        ({"state": ["stopped", "running"]}, True),
        ({"state": ["Running"]}, False),
        ({"state": [{"prefix": "run"}]}, True),
        ({"state": [{"prefix": {"equals-ignore-case": "RUN"}}]}, True),
        ({"file": [{"suffix": ".png"}]}, False),
        ({"file": [{"suffix": {"equals-ignore-case": ".png"}}]}, True),
        ({"state": [{"equals-ignore-case": "RUNNING"}]}, True),
        ({"state": [{"anything-but": "running"}]}, False),
        ({"state": [{"anything-but": ["stopped", "overloaded"]}]}, True),
        ({"state": [{"anything-but": {"prefix": "run"}}]}, False),
        ({"state": [{"anything-but": {"suffix": ["ed", "ing"]}}]}, False),
        ({"state": [{"anything-but": {"equals-ignore-case": ["RUNNING", "X"]}}]}, False),
        ({"file": [{"anything-but": {"wildcard": "*/lib/*"}}]}, True),
        ({"missing": [{"anything-but": "x"}]}, False),
        ({"count": [{"anything-but": [4, 5]}]}, False),
        ({"count": [5]}, True),
        ({"count": ["5"]}, False),
        ({"count": [{"numeric": [">", 0, "<=", 5]}]}, True),
        ({"count": [{"numeric": ["<", 5]}]}, False),
        ({"limit": [{"numeric": ["=", 3.018e2]}]}, True),
        ({"state": [{"numeric": [">", 0]}]}, False),
        ({"flag": [{"numeric": [">", 0]}]}, False),
        ({"flag": [True]}, True),
        ({"flag": [1]}, False),
        ({"ip": [{"cidr": "10.0.0.0/24"}]}, True),
        ({"ip": [{"cidr": "10.0.1.0/24"}]}, False),
        ({"state": [{"cidr": "10.0.0.0/24"}]}, False),
        ({"state": [{"exists": True}]}, True),
        ({"state": [{"exists": False}]}, False),
        ({"missing": [{"exists": False}]}, True),
        ({"deep": [{"exists": True}]}, False),
        ({"deep": {"c": {"d": [{"exists": True}]}}}, True),
        ({"gone": {"c": [{"exists": False}]}}, True),
        ({"nothing": [None]}, True),
        ({"nothing": [{"exists": True}]}, True),
        ({"missing": [None]}, False),
        ({"empty": [""]}, True),
        ({"file": [{"wildcard": "dir/*.PNG"}]}, True),
        ({"file": [{"wildcard": "dir/\\*.PNG"}]}, False),
        ({"$or": [{"count": [4]}, {"state": ["running"]}]}, True),
        ({"$or": [{"count": [4]}, {"state": ["stopped"]}], "flag": [True]}, False),
        ({"state": ["running"], "count": [4]}, False),
        ({"employees": {"name": ["Ann"], "role": ["boss"]}}, True),
        ({"employees": {"name": ["Ann"], "role": ["cook"]}}, False),
        ({"deep": {"c": {"d": ["x", "y"]}}}, True),
        ({"a": {"b": [1]}}, True),
        ({"a.b": [1]}, True),
        ({"deep.c": {"d": ["x"]}}, True),
    ],
    ids=str,
)
def test_a_pattern_selects_what_aws_says(detail, selected):
    check({"detail": detail})
    assert matches({"detail": detail}, EVENT) is selected


def test_one_value_of_an_array_is_enough():
    assert matches({"resources": [{"prefix": "arn:aws:s3"}]}, EVENT)
    assert not matches({"resources": ["arn:aws:sns"]}, EVENT)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"a": "b"}',
        '{"a": []}',
        '{"a": [[1]]}',
        '{"a": [{"begins": "x"}]}',
        '{"a": [{"prefix": 1}]}',
        '{"a": [{"prefix": "x", "suffix": "y"}]}',
        '{"a": [{"numeric": [">"]}]}',
        '{"a": [{"numeric": ["~", 1]}]}',
        '{"a": [{"numeric": [">", "1"]}]}',
        '{"a": [{"numeric": [">", 2e9]}]}',
        '{"a": [{"numeric": [">", 0, ">", 1]}]}',
        '{"a": [{"numeric": [">", 5, "<", 1]}]}',
        '{"a": [{"wildcard": "x/**/y"}]}',
        '{"a": [{"anything-but": {"prefix": ""}}]}',
        '{"a": [{"anything-but": {"suffix": {"equals-ignore-case": "x"}}}]}',
        '{"a": [{"exists": "yes"}]}',
        '{"a": [{"cidr": "10.0.0.0/99"}]}',
        '{"a": [{"anything-but": {"numeric": [">", 1]}}]}',
        '{"$or": [{"a": [1]}]}',
    ],
)
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(PatternError):
        parse(text)


@pytest.mark.parametrize(
    ("pattern", "body", "selected"),
    [
        ({"body": {"kind": ["order"]}}, '{"kind": "order"}', True),
        ({"body": {"kind": ["order"]}}, '{"kind": "note"}', False),
        ({"body": {"kind": ["order"]}}, "order", False),
        ({"body": ["order"]}, "order", True),
        ({"body": [{"prefix": "ord"}]}, "order", True),
        ({"body": ["order"]}, '{"kind": "order"}', False),
        ({"attributes": {"SenderId": ["me"]}}, '{"kind": "order"}', True),
        ({"attributes": {"SenderId": ["me"]}}, "order", True),
        ({}, "order", True),
    ],
    ids=str,
)
def test_a_body_meets_patterns_of_its_own_format(pattern, body, selected):
    assert filters.selects([pattern], {"body": body, "attributes": {"SenderId": "me"}}) is selected


@pytest.mark.parametrize(("text", "is_matched"), [("a" * 400, False), ("a" * 400 + "b", True), ("b", False)])
def test_a_wildcard_of_many_stars_is_decided_at_once(text, is_matched):
    assert matches({"name": [{"wildcard": "*a" * 20 + "*b"}]}, {"name": text}) is is_matched
