"""Function URLs: who may call, what the function sees, what the caller gets."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import urllib3

pytestmark = pytest.mark.cloud

ECHO = "def handler(event, context):\n    return event\n"


def open_url(functions: Any, source: str = ECHO, *, auth: str = "NONE", allow: bool = True, **options: Any) -> str:
    """Make a function with a URL on its alias; return the URL."""
    name = functions.create(source)
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
    url = open_url(functions, allow=False)
    name = next(
        f["FunctionName"]
        for f in functions.client.list_functions(MaxItems=50)["Functions"]
        if any(
            c["FunctionUrl"] == url
            for c in functions.client.list_function_url_configs(FunctionName=f["FunctionName"])["FunctionUrlConfigs"]
        )
    )
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


def test_cors_is_answered_by_lambda_itself(functions: Any) -> None:
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 60}
    url = open_url(functions, Cors=cors)
    answer = request(url, "OPTIONS", headers={"Origin": "https://a.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert answer.data == b""
    assert "Access-Control-Allow-Origin" not in request(url, headers={"Origin": "https://b.example"}).headers


def test_an_unknown_url_is_not_found(functions: Any) -> None:
    assert request(f"{functions.cloud.url}/_url/{'a' * 32}/").status == 404


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
    assert request(made["FunctionUrl"]).status == 404
