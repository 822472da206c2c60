"""HTTP APIs: which route a request takes, and what an answer becomes."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from localcloud.services.lambda_.triggers.http_api.answers import answered
from localcloud.services.lambda_.triggers.http_api.routes import select

KEYS = (
    *("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default", "ANY /x/{id}"),
    *("POST /x/{id}", "GET /", "GET /a/{b}/c"),
)


@pytest.mark.parametrize(
    ("method", "path", "key", "variables"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/pets/cat/1", "ANY /{proxy+}", {"proxy": "pets/cat/1"}),
        ("POST", "/x/7", "POST /x/{id}", {"id": "7"}),
        ("PUT", "/x/7", "ANY /x/{id}", {"id": "7"}),
        ("PUT", "/x/7/8", "ANY /{proxy+}", {"proxy": "x/7/8"}),
        ("GET", "/", "GET /", {}),
        ("POST", "/", "$default", {}),
        ("GET", "/a/é b/c", "GET /a/{b}/c", {"b": "é b"}),
    ],
)
def test_the_most_specific_route_takes_a_request(method, path, key, variables):
    match = select([SimpleNamespace(route_key=each) for each in KEYS], method, path)
    assert (match.route.route_key, match.variables) == (key, variables)


def test_a_request_that_no_route_matches_has_none():
    routes = [SimpleNamespace(route_key=key) for key in ("GET /pets/{id}", "ANY /{proxy+}")]
    assert select(routes, "GET", "/") is None
    assert select(routes[:1], "POST", "/pets/1") is None
    assert select(routes[:1], "GET", "/pets/") is None


@pytest.mark.parametrize(
    ("value", "version", "status", "kind", "body"),
    [
        ({"hello": 1}, "2.0", 200, "application/json", b'{"hello":1}'),
        ("text", "2.0", 200, "application/json", b"text"),
        ({"statusCode": 201, "body": "made"}, "2.0", 201, "text/plain;charset=UTF-8", b"made"),
        ({"statusCode": 200, "headers": {"content-type": "text/html"}, "body": "x"}, "2.0", 200, "text/html", b"x"),
        ({"statusCode": 200, "body": "AAE=", "isBase64Encoded": True}, "1.0", 200, "text/plain;charset=UTF-8", b"\0\1"),
        ({"hello": 1}, "1.0", 500, "application/json", b'{"message": "Internal Server Error"}'),
        ({"statusCode": "x"}, "2.0", 500, "application/json", b'{"message": "Internal Server Error"}'),
        ({"statusCode": 200, "headers": "x"}, "2.0", 500, "application/json", b'{"message": "Internal Server Error"}'),
    ],
)
def test_an_answer_is_what_the_format_makes_of_it(value, version, status, kind, body):
    answer = answered(json.dumps(value).encode(), version)
    headers = {name.lower(): each for name, each in answer.headers}
    assert (answer.status, headers["content-type"], answer.body) == (status, kind, body)


def test_lists_of_headers_leave_one_by_one():
    value = {
        "statusCode": 200,
        "headers": {"x-a": "1", "x-b": "0"},
        "multiValueHeaders": {"X-B": ["1", "2"], "Content-Type": ["text/css"]},
    }
    headers = answered(json.dumps(value).encode(), "1.0").headers
    assert sorted(headers) == [("Content-Type", "text/css"), ("X-B", "1"), ("X-B", "2"), ("x-a", "1")]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_an_answer_that_nests_too_deeply_is_the_functions_failure(version):
    answer = answered(b"[" * 100_000, version)
    assert (answer.status, bool(answer.why)) == (500, True)
