"""Function URLs: who may call, what the function sees, what the caller gets."""

from __future__ import annotations

import base64
import json
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
import web_frameworks

pytestmark = pytest.mark.cloud

ECHO = "def handler(event, context):\n    return event\n"


def open_url(functions: Any, source: str = ECHO, *, auth: str = "NONE", allow: bool = True, **options: Any) -> str:
    """Make a function with a URL on its alias; return the URL."""
    settings = {
        key: options.pop(key) for key in ("Code", "Environment", "FunctionName", "Handler", "Timeout") if key in options
    }
    name = functions.create(source, **settings)
    version = functions.publish(name)
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    made = functions.client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType=auth, **options)
    if allow:
        permit(functions, name)
    return made["FunctionUrl"]


def permit(functions: Any, name: str) -> None:
    shared = {"FunctionName": name, "Qualifier": "live", "Principal": "*"}
    add = functions.client.add_permission
    add(**shared, StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
    add(**shared, StatementId="call", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)


def request(url: str, method: str = "GET", **options: Any) -> Any:
    return urllib3.request(method, url, retries=False, timeout=20, **options)


def own_name(url: str) -> str:
    """Return the function's own host name, with the port."""
    return f"{urlsplit(url).path.split('/')[2]}.lambda-url.localhost:{urlsplit(url).port}"


def raw(functions: Any, target: str, headers: Any = ()) -> tuple[int, dict[str, str], bytes]:
    """Send a request whose target and headers no library has touched; return status, headers and body."""
    sent = list(headers.items() if isinstance(headers, dict) else headers)
    if "Host" not in dict(sent):
        sent.append(("Host", urlsplit(functions.cloud.url).netloc))
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent), "Connection: close", "", ""]
    with socket.create_connection(("127.0.0.1", urlsplit(functions.cloud.url).port), timeout=20) as sock:
        sock.sendall("\r\n".join(lines).encode())
        head, _, body = b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n\r\n")
    status, *rest = head.decode("latin-1").split("\r\n")
    return int(status.split()[1]), {n.lower(): v for n, _, v in (line.partition(": ") for line in rest)}, body


def test_a_request_arrives_in_payload_format_two(functions: Any) -> None:
    url = open_url(functions)
    answer = request(
        url + "a/b?x=1&x=2&y=%20z",
        "POST",
        body=b'{"k": 1}',
        headers={"Content-Type": "application/json", "X-Own": "v", "Cookie": "a=1; b=2"},
    )
    event = json.loads(answer.data)
    assert (answer.status, event["version"], event["rawPath"]) == (200, "2.0", "/a/b")
    assert event["queryStringParameters"] == {"x": "1,2", "y": " z"}
    assert (event["headers"]["x-own"], event["cookies"]) == ("v", ["a=1", "b=2"])
    assert (event["body"], event["isBase64Encoded"]) == ('{"k": 1}', False)
    http = event["requestContext"]["http"]
    assert (http["method"], http["path"]) == ("POST", "/a/b")
    assert event["headers"]["x-forwarded-proto"] == "http"
    assert event["headers"]["host"] == f"{event['requestContext']['domainName']}:{event['headers']['x-forwarded-port']}"
    assert event["requestContext"]["domainName"].startswith(f"{event['requestContext']['apiId']}.lambda-url.")


@pytest.mark.parametrize(
    "path", ["/a%2Fb/caf%C3%A9%20x%3Fy", "/pa2%Fth/1", "/%", "//a/../b", "/a+b;c=d:e@f", "/%c3%A9"]
)
def test_a_path_keeps_its_encoding(functions: Any, path: str) -> None:
    url = open_url(functions)
    for target, headers in ((f"{urlsplit(url).path[:-1]}{path}", {}), (path, {"Host": own_name(url)})):
        status, _, body = raw(functions, target, headers)
        event = json.loads(body)
        assert (status, event["rawPath"], event["requestContext"]["http"]["path"]) == (200, path, path)


def test_repeated_parameters_headers_and_cookies_are_joined(functions: Any) -> None:
    """As recorded on AWS: test_lambda_url_echo_http_fixture_default of LocalStack's tests, 2025-11-24."""
    url = open_url(functions)
    target = f"{urlsplit(url).path}?q=query&multiQuery=foo&multiQuery=%2Fbar&empty=&flag"
    sent = [
        ("X-Own", "a"),
        ("x-own", "b, c"),
        ("X_Own", "d"),
        ("Cookie", "a=1; b=2"),
        ("Cookie", "c=3"),
        ("X-Empty", ""),
    ]
    event = json.loads(raw(functions, target, sent)[2])
    assert event["queryStringParameters"] == {"multiQuery": "foo,/bar", "q": "query", "empty": "", "flag": ""}
    assert event["rawQueryString"] == "q=query&multiQuery=foo&multiQuery=%2Fbar&empty=&flag"
    assert event["cookies"] == ["a=1", "b=2", "c=3"]
    assert (event["headers"]["x-own"], event["headers"]["x_own"], event["headers"]["x-empty"]) == ("a,b, c", "d", "")


def test_what_a_client_says_of_its_own_origin_is_not_taken(functions: Any) -> None:
    said = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}
    event = json.loads(request(open_url(functions), headers=said).data)
    assert event["headers"]["x-forwarded-for"] == event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["headers"]["x-forwarded-proto"] == "http"


@pytest.mark.parametrize(
    ("body", "kind", "encoded"),
    [
        (b"a=1&b=2", "application/x-www-form-urlencoded", True),
        (b"--x", "multipart/form-data; boundary=x", True),
        (b"\xff\xfe", "text/plain", True),
        ("zażółć".encode(), "text/plain; charset=utf-8", False),
    ],
)
def test_a_body_arrives_whole_whatever_it_is(functions: Any, body: bytes, kind: str, encoded: bool) -> None:
    event = json.loads(request(open_url(functions), "POST", body=body, headers={"Content-Type": kind}).data)
    assert event["isBase64Encoded"] is encoded
    assert (base64.b64decode(event["body"]) if encoded else event["body"].encode()) == body


def test_the_functions_own_host_name_leads_to_it_on_every_path(functions: Any) -> None:
    url = open_url(functions)
    port, identity = urlsplit(url).port, urlsplit(url).path.split("/")[2]
    for host in (own_name(url), own_name(url).upper(), f"{identity}.lambda-url.us-east-1.on.aws"):
        for path in ("/", "/2015-03-31/functions", "/_stepladder/health", "/_url/x/"):
            status, _, body = raw(functions, path, {"Host": host})
            event = json.loads(body)
            assert (status, event["rawPath"], event["headers"]["host"]) == (200, path, host)
            assert event["requestContext"]["domainName"] == host.partition(":")[0]
    assert own_name(url).endswith(f":{port}")
    assert raw(functions, "/", {"Host": f"{'a' * 32}.lambda-url.localhost"})[0] == 403


def test_redirects_stay_within_the_function(functions: Any) -> None:
    source = (
        "def handler(event, context):\n"
        "    where = event['rawPath']\n"
        "    own = 'http://' + event['headers']['host']\n"
        "    to = {'/abs': own + '/there?a=1', '/rel': '/there', '/far': 'https://example.com/x', '/near': 'b'}\n"
        "    return {'statusCode': 307, 'headers': {'Location': to[where]}}\n"
    )
    url = open_url(functions, source)
    below = urlsplit(url).path[:-1]
    wanted = {"/abs": "/there?a=1", "/rel": "/there"}
    for path in ("/abs", "/rel", "/far", "/near"):
        by_name = raw(functions, path, {"Host": own_name(url)})[1]["location"]
        by_path = raw(functions, below + path)[1]["location"]
        if path in wanted:
            assert by_name in (wanted[path], f"http://{own_name(url)}{wanted[path]}")
            assert by_path == below + wanted[path]
        else:
            assert by_name == by_path == {"/far": "https://example.com/x", "/near": "b"}[path]


GOOD = [
    ("text", b"text", 200),
    ({"a": 1, "ż": [1.5, None, True]}, '{"a":1,"ż":[1.5,null,true]}'.encode(), 200),
    (["hello", 3, True], b'["hello",3,true]', 200),
    (None, b"null", 200),
    ({"statusCode": "418", "body": "tea"}, b"tea", 418),
    ({"statusCode": 200, "body": {"a": 1}}, b'{"a":1}', 200),
    ({"statusCode": 200, "body": "aGk=\n", "isBase64Encoded": True}, b"hi", 200),
    ({"statusCode": 200, "body": "ż", "headers": None, "cookies": None}, "ż".encode(), 200),
    ({"statusCode": 404}, b"", 404),
]


@pytest.mark.parametrize(("value", "body", "status"), GOOD)
def test_an_answer_of_any_kind_is_sent(functions: Any, value: Any, body: bytes, status: int) -> None:
    """A text, a list and a number are as recorded on AWS: test_lambda_url_invocation of LocalStack's tests."""
    answer = request(open_url(functions, f"def handler(event, context):\n    return {value!r}\n"))
    assert (answer.status, answer.data, answer.headers["Content-Type"]) == (status, body, "application/json")


BAD = [
    *({"statusCode": code} for code in (0, 99, 100, 101, 199, 600, 1000, -1, 200.5, "abc", "", None, True, [200])),
    *({"statusCode": 200, "headers": {"X-Own": v}} for v in ("a\r\nSet-Cookie: b=1", "a\nb", "a\rb", "a\x00b", ["a"])),
    *({"statusCode": 200, "headers": {name: "v"}} for name in ("", "a b", "a\r\nb", "ż", "a:b")),
    *({"statusCode": 200, "headers": value} for value in ("text", ["a"], 5)),
    *({"statusCode": 200, "cookies": value} for value in ("a=1", [1], ["a=1\r\nX: y"], {"a": 1})),
    *({"statusCode": 200, "body": text, "isBase64Encoded": True} for text in ("a", "ż", "a===", "*")),
    {"statusCode": 200, "body": "\ud800"},
    {"statusCode": 200, "headers": {"X-Own": "x" * 70_000}},
    {"statusCode": 200, "headers": {f"X-{n}": "x" for n in range(200)}},
    {"a": float("nan")},
    {"a": float("inf")},
]


def test_what_no_answer_can_be_made_of_is_a_bad_gateway_and_splits_nothing(functions: Any) -> None:
    """All of them by one function, over one connection: an answer that were split or cut would spoil the next."""
    source = f"inf = float('inf')\nnan = float('nan')\nBAD = {BAD!r}\n"
    source += "def handler(event, context):\n    return BAD[int(event['rawPath'][1:])]\n"
    pool = urllib3.HTTPConnectionPool("127.0.0.1", urlsplit(functions.cloud.url).port, maxsize=1, retries=False)
    below = urlsplit(open_url(functions, source)).path
    for number, value in enumerate(BAD):
        answer = pool.request("GET", f"{below}{number}", timeout=20)
        assert (answer.status, answer.data, value) == (502, b"Internal Server Error", value)
        assert "Set-Cookie" not in answer.headers
    assert pool.num_connections == 1


def test_header_values_leave_as_texts(functions: Any) -> None:
    given = {
        "X-Number": 5,
        "X-Float": 1.5,
        "X-True": True,
        "X-None": None,
        "X-Letters": "zażółć €",
        "Content-Length": "99",
    }
    value = {"statusCode": 200, "headers": given, "body": "four"}
    _, headers, body = raw(functions, urlsplit(open_url(functions, f"def handler(e, c):\n    return {value!r}\n")).path)
    assert [headers[name] for name in ("x-number", "x-float", "x-true")] == ["5", "1.5", "true"]
    assert headers["x-letters"].encode("latin-1").decode() == "zażółć €"
    assert (headers["content-length"], body) == ("4", b"four")
    assert "x-none" not in headers


def test_an_answer_without_content_has_no_length_and_a_status_has_its_words(functions: Any) -> None:
    url = open_url(functions, "def handler(e, c):\n    return {'statusCode': int(e['rawPath'][1:]), 'body': 'x'}\n")
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=20) as sock:
        for status in (204, 200):
            sock.sendall(f"GET {urlsplit(url).path}{status} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        sock.sendall(f"GET {urlsplit(url).path}304 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        said = b"".join(iter(lambda: sock.recv(65536), b"")).decode("latin-1")
    first, second, third = re.split(r"(?=HTTP/1\.1 )", said)[1:]
    assert first.startswith("HTTP/1.1 204 No Content\r\n")
    assert "content-length" not in first.lower()
    assert second.startswith("HTTP/1.1 200 OK\r\n")
    assert second.endswith("\r\n\r\nx")
    assert third.startswith("HTTP/1.1 304 Not Modified\r\n")
    assert third.endswith("\r\n\r\n")


def test_a_request_above_six_megabytes_is_refused_by_the_number_that_is_said(functions: Any) -> None:
    url = open_url(functions, "def handler(event, context):\n    return {'statusCode': 200}\n")
    answer = request(url, "POST", body=b"x" * 6_291_456, headers={"Content-Type": "text/plain"})
    assert answer.status == 413
    assert b"smaller than 6291456 bytes" in answer.data
    assert request(url, "POST", body=b"x" * 6_291_455, headers={"Content-Type": "text/plain"}).status == 200


@pytest.mark.parametrize("adapter", ["starlette_mangum", "flask_serverless_wsgi"])
def test_a_web_framework_answers_through_the_url(functions: Any, frameworks: Path, adapter: str) -> None:
    path = {"PYTHONPATH": f"{frameworks}:{web_frameworks.FOLDER}"}
    url = open_url(functions, f"from {adapter} import handler\n", Environment={"Variables": path}, Timeout=30)
    answer = request(f"{url}hello/caf%C3%A9")
    assert (answer.status, json.loads(answer.data)) == (200, {"message": "hello, café"})
    if adapter == "flask_serverless_wsgi":
        binary = bytes(range(256))
        echoed = request(f"{url}echo", "POST", body=binary, headers={"Content-Type": "application/octet-stream"})
        assert echoed.data == binary
        moved = raw(functions, "/away", {"Host": own_name(url)})[1]
        assert moved["location"] == f"http://{own_name(url)}/back"
        cookie = moved["set-cookie"].partition(";")[0]
        back = json.loads(raw(functions, "/back?v=1&v=2", {"Host": own_name(url), "Cookie": cookie})[2])
        assert (back["seen"], back["url"]) == ("away", f"http://{own_name(url)}/back?v=1&v=2")


def test_a_binary_body_comes_as_base64(functions: Any) -> None:
    url = open_url(functions)
    answer = request(url, "PUT", body=b"\x00\xff", headers={"Content-Type": "application/octet-stream"})
    event = json.loads(answer.data)
    assert event["isBase64Encoded"]
    assert base64.b64decode(event["body"]) == b"\x00\xff"


def test_an_answer_sets_status_headers_and_cookies(functions: Any) -> None:
    value = {"statusCode": 201, "headers": {"X-Own": "v"}, "cookies": ["a=1", "b=2"], "body": "made"}
    answer = request(open_url(functions, f"def handler(event, context):\n    return {value!r}\n"))
    assert (answer.status, answer.data, answer.headers["X-Own"]) == (201, b"made", "v")
    assert answer.headers.getlist("Set-Cookie") == ["a=1", "b=2"]
    assert answer.headers["Content-Type"] == "application/json"


def test_a_base64_answer_is_decoded(functions: Any) -> None:
    value = {"statusCode": 200, "body": base64.b64encode(b"\x01\x02").decode(), "isBase64Encoded": True}
    assert request(open_url(functions, f"def handler(event, context):\n    return {value!r}\n")).data == b"\x01\x02"


def test_a_plain_value_is_the_body(functions: Any) -> None:
    answer = request(open_url(functions, "def handler(event, context):\n    return {'hello': 'you'}\n"))
    assert (answer.status, json.loads(answer.data)) == (200, {"hello": "you"})


def test_a_failing_function_is_a_bad_gateway(functions: Any) -> None:
    assert request(open_url(functions, "def handler(event, context):\n    raise ValueError\n")).status == 502


def test_a_public_url_needs_both_permissions(functions: Any) -> None:
    name = functions.create(ECHO)
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=functions.publish(name))
    made = functions.client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
    url = made["FunctionUrl"]
    assert request(url).status == 403
    permit(functions, name)
    assert request(url).status == 200
    functions.client.remove_permission(FunctionName=name, Qualifier="live", StatementId="call")
    assert request(url).status == 403


def test_a_url_for_iam_takes_signed_requests_only(functions: Any) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = open_url(functions, auth="AWS_IAM", allow=False)
    assert request(url).status == 403
    signed = AWSRequest("GET", url)
    SigV4Auth(Credentials("123456789012", "local"), "lambda", "us-east-1").add_auth(signed)
    answer = request(url, headers=dict(signed.headers))
    assert answer.status == 200
    assert json.loads(answer.data)["requestContext"]["authorizer"]["iam"]["accountId"] == "123456789012"
    signed = AWSRequest("GET", url)
    SigV4Auth(Credentials("123456789012", "local"), "execute-api", "us-east-1").add_auth(signed)
    answer = request(url, headers=dict(signed.headers))
    assert (answer.status, "scoped to correct service: 'lambda'" in answer.data.decode()) == (403, True)


def test_cors_is_answered_by_lambda_itself(functions: Any) -> None:
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 60}
    cors |= {"AllowCredentials": True, "AllowHeaders": ["x-own"], "ExposeHeaders": ["x-of-ours"]}
    url = open_url(functions, auth="AWS_IAM", Cors=cors)
    answer = request(url, "OPTIONS", headers={"Origin": "https://a.example"})
    assert (answer.status, answer.data) == (200, b""), "a browser signs no preflight"
    assert {n: v for n, v in answer.headers.items() if n.startswith("Access-Control-")} == {
        "Access-Control-Allow-Origin": "https://a.example",
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET",
        "Access-Control-Allow-Headers": "x-own",
        "Access-Control-Max-Age": "60",
        "Access-Control-Expose-Headers": "x-of-ours",
    }
    assert "Access-Control-Allow-Origin" not in request(url, headers={"Origin": "https://b.example"}).headers


def test_a_url_that_leaves_cors_answers_no_preflight_any_more(functions: Any) -> None:
    name = functions.name()
    url = open_url(functions, FunctionName=name, Cors={"AllowOrigins": ["*"]})
    headers = {"Origin": "https://a.example"}
    assert request(url, headers=headers).headers["Access-Control-Allow-Origin"] == "*"
    functions.client.update_function_url_config(FunctionName=name, Qualifier="live", Cors={})
    answer = request(url, "OPTIONS", headers=headers)
    assert json.loads(answer.data)["requestContext"]["http"]["method"] == "OPTIONS", "the function answers"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_unknown_url_is_forbidden(functions: Any) -> None:
    """As recorded on AWS: test_lambda_url_non_existing_url of LocalStack's tests."""
    answer = request(f"{functions.cloud.url}/_url/{'a' * 32}/")
    assert (answer.status, answer.data) == (403, b'{"Message":null}')
    assert answer.headers["x-amzn-ErrorType"] == "AccessDeniedException"


def test_a_url_belongs_to_one_qualifier_and_goes_with_it(functions: Any, code: Any) -> None:
    url = open_url(functions)
    client = functions.client
    name = functions.create()
    assert code(client.get_function_url_config, FunctionName=name) == "ResourceNotFoundException"
    made = client.create_function_url_config(FunctionName=name, AuthType="NONE")
    assert made["FunctionUrl"] != url
    assert code(client.create_function_url_config, FunctionName=name, AuthType="NONE") == "ResourceConflictException"
    assert client.update_function_url_config(FunctionName=name, AuthType="AWS_IAM")["AuthType"] == "AWS_IAM"
    client.delete_function_url_config(FunctionName=name)
    assert request(made["FunctionUrl"]).status == 403
