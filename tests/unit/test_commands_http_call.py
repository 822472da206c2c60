"""`inv function.invoke --path`: the event that a request makes, and the answer as HTTP."""

from __future__ import annotations

import base64
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.access.callers import Caller, root_of
from localcloud.services.lambda_.triggers import url_events
from localcloud.services.lambda_.triggers.http_api import payloads
from stepladder.commands import http_call
from stepladder.commands.call import CallOptions
from stepladder.commands.http_trigger import HttpTrigger
from stepladder.core import http_event
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError
from stepladder.core.http_event import HttpAddress, HttpRequest
from stepladder.settings.load import Settings, load


def settings(tmp_path: Path, trigger: str) -> Settings:
    at = {"account": "123456789012", "region": "eu-west-1"}
    return load(
        {"project": "orders", "trigger": trigger, "rungs": ["staging"], "environments": {"staging": at}}, tmp_path
    )


def test_the_event_is_the_one_that_the_local_clouds_url_makes() -> None:
    headers = [("Accept", "a"), ("accept", "b"), ("Cookie", "x=1; y=2"), ("X-Forwarded-For", "9.9.9.9")]
    headers += [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("x-amzn-trace-id", "Root=1"),
        ("User-Agent", "me"),
    ]
    request = HttpRequest("POST", "/a%20b/c", "q=1&q=2&empty=&%C3%A9=%20", headers, b"k=v", "HTTP/1.1")
    environ = {"REQUEST_METHOD": "POST", "REMOTE_ADDR": "127.0.0.1", "stepladder.headers": headers}
    function: Any = SimpleNamespace(key=SimpleNamespace(account="123456789012"))
    for caller in ("", "AKIA"):
        address = HttpAddress("123456789012", "id.lambda-url.localhost", "4600", "http", "id", "127.0.0.1", caller)
        made = http_event.event(request, address)
        expected = url_events.made(
            environ,
            function,
            "id",
            host="id.lambda-url.localhost:4600",
            path=request.path,
            query=request.query,
            body=request.body,
            caller=Caller(root_of("123456789012", "eu-west-1").principal, caller) if caller else None,
        )
        for each in (made, expected):
            for key in ("requestId", "time", "timeEpoch"):
                del each["requestContext"][key]
        assert made == expected


@pytest.mark.parametrize(
    ("kind", "host", "account", "signed"),
    [
        ("url", ".lambda-url.eu-west-1.on.aws", "anonymous", False),
        ("url-iam", ".lambda-url.eu-west-1.on.aws", "123456789012", True),
        ("none", ".lambda-url.eu-west-1.on.aws", "anonymous", False),
    ],
)
def test_the_event_is_as_the_functions_own_trigger_makes_it(
    tmp_path: Path, kind: str, host: str, account: str, signed: bool
) -> None:
    made = http_call.event(settings(tmp_path, kind), "staging", http_call.request("/x"))
    context = made["requestContext"]
    assert context["domainName"].endswith(host)
    assert (made["headers"]["host"], made["headers"]["x-forwarded-proto"]) == (context["domainName"], "https")
    assert (context["accountId"], "authorizer" in context) == (account, signed)


ROUTES = ("GET /orders/{id}", "POST /orders", "ANY /files/{path+}")


def test_the_event_is_the_one_that_the_local_clouds_http_api_makes() -> None:
    headers = [("Accept", "a"), ("Cookie", "x=1; y=2"), ("x-amzn-trace-id", "Root=1"), ("User-Agent", "me")]
    request = HttpRequest("GET", "/orders/a%20b", "q=1&q=2", headers, b"k=v", "HTTP/1.1")
    environ = {"REQUEST_METHOD": "GET", "REMOTE_ADDR": "127.0.0.1", "stepladder.headers": headers}
    trigger = HttpTrigger("http-api", "123456789012", "eu-west-1", ROUTES)
    address = replace(trigger.address, host="id.execute-api.localhost", port="4600", scheme="http", api_id="id")
    made = trigger.event(request, address)
    expected = payloads.version_two(
        payloads.ApiRequest(
            environ=environ,
            api="id",
            account="123456789012",
            stage="$default",
            stage_variables={},
            route_key="GET /orders/{id}",
            variables={"id": "a b"},
            host="id.execute-api.localhost:4600",
            path="/orders/a b",
            query=request.query,
            body=request.body,
            identity=None,
            request_id="",
        )
    )
    assert made is not None
    for each in (made, expected):
        each["headers"].pop("x-amzn-trace-id")
        for key in ("requestId", "time", "timeEpoch"):
            del each["requestContext"][key]
    assert made == expected


def test_an_http_api_passes_on_what_one_of_its_routes_takes_and_names_its_own_host() -> None:
    trigger = HttpTrigger("http-api", "123456789012", "eu-west-1", ROUTES)
    made = trigger.event(HttpRequest("PUT", "/files/a/b%20c"), trigger.address)
    assert made is not None
    assert (made["routeKey"], made["pathParameters"], made["rawPath"]) == (ROUTES[2], {"path": "a/b c"}, "/files/a/b c")
    assert made["requestContext"]["domainName"] == "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
    assert trigger.event(HttpRequest("DELETE", "/orders/7"), trigger.address) is None


@pytest.mark.parametrize("given", ["${local.routes}", ["GET /orders", "${local.route}"]])
def test_a_route_that_only_terraform_knows_may_be_any(tmp_path: Path, given: Any) -> None:
    places = {name: {"account": "123456789012", "region": "eu-west-1"} for name in ("staging", "production")}
    triggers = [{"kind": "http-api", "routes": given}]
    raw = {"project": "orders", "rungs": list(places), "environments": places, "triggers": triggers}
    made = http_call.event(load(raw, tmp_path), "staging", http_call.request("/else"))
    assert (made["routeKey"], made["rawPath"]) == ("$default", "/else")


@pytest.mark.parametrize("kind", ["sqs", "schedule"])
def test_a_function_that_gets_no_http_says_what_to_give_it(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadInputError, match=f"what calls the function in staging is {kind}") as refusal:
        http_call.event(settings(tmp_path, kind), "staging", http_call.request("/x"))
    assert refusal.value.hint == "give its event with `--event tests/events/event.json`"


def test_the_flags_make_the_request_that_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    made = http_call.request("/a b?x=1#part", query="y=é", data='{"k": 1}', headers=["X-Own:  v ", "ACCEPT: text/html"])
    assert (made.method, made.path, made.query, made.body) == ("POST", "/a%20b", "x=1&y=%C3%A9", b'{"k": 1}')
    assert dict(made.headers)["content-type"] == "application/json"
    assert ("X-Own", "v") in made.headers
    assert [value for name, value in made.headers if name.lower() == "accept"] == ["text/html"]
    assert (http_call.request("/").method, http_call.request("/", "put").method) == ("GET", "PUT")
    source, sink = os.pipe()
    os.write(sink, b"\x00\xff")
    os.close(sink)
    with os.fdopen(source) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        made = http_call.request("/", data="-")
    assert (made.body, dict(made.headers)["content-type"]) == (b"\x00\xff", "application/octet-stream")
    event = http_event.event(made, http_event.on_aws("url", "1", "eu-west-1"))
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\x00\xff", True)


def test_a_body_that_is_to_be_typed_where_nobody_can_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(BadInputError, match="standard input is closed"):
        http_call.request("/", data="-")


def test_a_path_and_a_query_may_hold_bytes_that_are_no_text() -> None:
    made = http_call.request(os.fsdecode(b"/\xff"), query=os.fsdecode(b"x=\xfe"))
    assert (made.path, made.query) == ("/%FF", "x=%FE")


def test_a_body_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "body").write_text("plain")
    made = http_call.request("/", data=f"@{tmp_path / 'body'}")
    assert (made.body, dict(made.headers)["content-type"]) == (b"plain", "text/plain; charset=utf-8")
    with pytest.raises(BadInputError, match="can't be read: No such file"):
        http_call.request("/", data="@missing")


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ({"path": "x"}, "--path is 'x'; allowed: what begins with a slash"),
        ({"path": "/", "method": "G T"}, "--method is 'G T'"),
        ({"path": "/", "headers": ["no colon"]}, "--header is 'no colon'"),
        ({"path": "/", "headers": ["a: b\r\nc: d"]}, "--header is"),
        ({"path": "/", "headers": [": v"]}, "--header is"),
    ],
)
def test_what_no_request_can_hold_is_refused(flags: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInputError, match=why.replace("\\", "\\\\")):
        http_call.request(**flags)


@pytest.mark.parametrize(
    "options",
    [
        {"data": "x"},
        {"method": "POST"},
        {"header": ("a: b",)},
        {"query": "a=1"},
        {"path": "/", "event": "e.json"},
        {"path": "/", "payload": "{}"},
        {"local": True, "version": "3"},
    ],
    ids=str,
)
def test_flags_that_contradict_each_other_are_refused_before_anything_is_read(options: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        CallOptions(**options).check()


def shown(answer: Any, *, as_json: bool = False) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    status = http_call.show(answer, Console(err=err, out=out, live=False, as_json=as_json))
    return status, err.getvalue(), out.getvalue()


def test_an_answer_is_printed_as_http_and_its_body_is_data() -> None:
    status, err, out = shown({"statusCode": 201, "headers": {"x-a": "é"}, "cookies": ["c=1"], "body": "made"})
    assert (status, out) == (201, "made\n")
    assert err == "HTTP 201 Created\nx-a: é\nContent-Type: application/json\nSet-Cookie: c=1\n\n"


def test_an_answer_without_a_status_is_one_of_200() -> None:
    assert shown({"a": 1})[0::2] == (200, '{"a":1}\n')


def test_json_is_what_the_function_returned() -> None:
    answer = {"statusCode": 404, "body": "no"}
    status, err, out = shown(answer, as_json=True)
    assert (status, err, json.loads(out)) == (404, "", answer)


def test_what_no_answer_can_be_made_of_is_a_502_that_says_why() -> None:
    status, err, out = shown({"statusCode": 42})
    assert (status, json.loads(out)) == (502, {"statusCode": 42})
    assert "statusCode is 42; allowed: 200 to 599" in err


@pytest.mark.parametrize(("status", "fails"), [(200, False), (404, False), (500, True), (502, True), (599, True)])
def test_only_a_server_error_is_a_failure(status: int, fails: bool) -> None:
    assert http_call.failure(status).startswith(f"the function answered {status}") is fails
