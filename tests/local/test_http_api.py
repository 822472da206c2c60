"""HTTP APIs: which function a request reaches, what it sees, what the caller gets."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

pytestmark = pytest.mark.cloud

SOURCE = """
import json
import time
def handler(event, context):
    path = event.get('rawPath') or event['path']
    if path.endswith('/slow'):
        time.sleep(1.5)
    if path.endswith('/fail'):
        raise ValueError
    if path.endswith('/own'):
        return {'statusCode': 201, 'headers': {'access-control-allow-origin': 'x'}, 'cookies': ['a=1'], 'body': 'made'}
    if path.endswith('/echo'):
        return {'statusCode': 200, 'body': json.dumps(event)}
    return event
"""


def request(url: str, method: str = "GET", **options: Any) -> Any:
    return urllib3.request(method, url, retries=False, timeout=20, **options)


class Api:
    """An API in front of the alias of one function."""

    def __init__(self, functions: Any) -> None:
        self.functions = functions
        self.client = functions.cloud.client("apigatewayv2")
        name = functions.create(SOURCE)
        version = functions.publish(name)
        made = functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
        self.alias = made["AliasArn"]

    def make(self, *routes: str, version: str = "2.0", permitted: bool = True, **options: Any) -> str:
        """Make an API with routes; return its address."""
        stage, authorization = options.pop("stage", "$default"), options.pop("authorization", "NONE")
        timeout = {"TimeoutInMillis": options.pop("timeout", 30_000)}
        api = self.client.create_api(Name=self.functions.name(), ProtocolType="HTTP", **options)
        named = {"ApiId": api["ApiId"]}
        region = self.functions.cloud.region
        uri = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{self.alias}/invocations"
        integration = self.client.create_integration(
            **named, IntegrationType="AWS_PROXY", IntegrationUri=uri, PayloadFormatVersion=version, **timeout
        )
        for route in routes:
            self.client.create_route(
                **named,
                RouteKey=route,
                AuthorizationType=authorization,
                Target=f"integrations/{integration['IntegrationId']}",
            )
        variables = {"colour": "red"}
        self.client.create_stage(**named, StageName=stage, AutoDeploy=True, StageVariables=variables)
        if permitted:
            self.functions.client.add_permission(
                FunctionName=self.alias,
                StatementId=api["ApiId"],
                Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com",
                SourceArn=f"arn:aws:execute-api:{region}:{self.functions.cloud.account}:{api['ApiId']}/*/*",
            )
        return str(self.client.get_api(**named)["ApiEndpoint"])


@pytest.fixture(scope="module")
def api(functions: Any) -> Api:
    return Api(functions)


def test_a_request_reaches_the_function_in_payload_format_two(functions: Any, api: Api) -> None:
    url = api.make("GET /items/{id}", "ANY /files/{proxy+}", "POST /")
    answer = request(
        f"{url}/items/caf%C3%A9%20x?q=1&q=%20z",
        headers={"X-Own": "v", "Cookie": "a=1; b=2"},
    )
    event = json.loads(answer.data)
    context = event["requestContext"]
    assert (answer.status, event["version"], event["routeKey"]) == (200, "2.0", "GET /items/{id}")
    assert (event["rawPath"], event["pathParameters"]) == ("/items/café x", {"id": "café x"})
    assert (event["rawQueryString"], event["queryStringParameters"]) == ("q=1&q=%20z", {"q": "1, z"})
    assert (event["headers"]["x-own"], event["cookies"]) == ("v", ["a=1", "b=2"])
    assert event["stageVariables"] == {"colour": "red"}
    assert (context["stage"], context["accountId"]) == ("$default", functions.cloud.account)
    assert context["domainName"] == f"{context['apiId']}.execute-api.localhost"
    assert (context["http"]["method"], context["requestId"]) == ("GET", answer.headers["Apigw-Requestid"])
    event = json.loads(request(f"{url}/files/a/b", "PUT", body=b"\x00\xff").data)
    assert (event["pathParameters"], event["isBase64Encoded"]) == ({"proxy": "a/b"}, True)
    assert base64.b64decode(event["body"]) == b"\x00\xff"
    event = json.loads(request(url, "POST", body=b"{}", headers={"Content-Type": "application/json"}).data)
    assert (event["rawPath"], event["body"], event["isBase64Encoded"]) == ("/", "{}", False)
    missing = request(f"{url}/items")
    assert (missing.status, json.loads(missing.data)) == (404, {"message": "Not Found"})
    host = f"{urlsplit(url).path.split('/')[2]}.execute-api.localhost:{urlsplit(url).port}"
    own = request(f"{functions.cloud.url}/items/1", headers={"Host": host})
    assert json.loads(own.data)["headers"]["host"] == host


def test_format_one_names_the_stage_and_all_values(api: Api) -> None:
    url = api.make("ANY /{proxy+}", version="1.0", stage="test")
    answer = request(f"{url}/test/own", headers={"X-Own": "v"})
    assert (answer.status, answer.data, answer.headers["Content-Type"]) == (201, b"made", "text/plain;charset=UTF-8")
    answer = request(f"{url}/test/a?x=1&x=2", "POST", body=b"hi", headers={"Content-Type": "text/plain"})
    assert (answer.status, json.loads(answer.data)) == (500, {"message": "Internal Server Error"})  # no statusCode
    event = json.loads(request(f"{url}/test/echo?x=1&x=2", headers={"X-Own": "v"}).data)
    assert (event["version"], event["resource"], event["path"]) == ("1.0", "/{proxy+}", "/test/echo")
    assert (event["queryStringParameters"], event["multiValueQueryStringParameters"]) == ({"x": "2"}, {"x": ["1", "2"]})
    assert (event["headers"]["X-Own"], event["pathParameters"]) == ("v", {"proxy": "echo"})
    assert (event["requestContext"]["stage"], event["body"]) == ("test", None)
    assert request(f"{url}/a").status == 404


def test_what_goes_wrong_is_answered_as_by_api_gateway(api: Api) -> None:
    url = api.make("$default")
    for address, status, message in (
        (f"{url}/fail", 500, "Internal Server Error"),
        (f"{api.make('$default', timeout=100)}/slow", 503, "Service Unavailable"),
    ):
        answer = request(address)
        assert (answer.status, json.loads(answer.data)) == (status, {"message": message})
    answer = request(api.make("$default", permitted=False))
    assert (answer.status, json.loads(answer.data)) == (500, {"message": "Internal Server Error"})
    unknown = url.replace(urlsplit(url).path.split("/")[2], "aaaaaaaa")
    assert request(unknown).status == 404


def signed(functions: Any, url: str, keys: Any, service: str = "execute-api") -> Any:
    """Send a request that is signed with these keys."""
    made = AWSRequest("GET", url)
    SigV4Auth(keys, service, functions.cloud.region).add_auth(made)
    return request(url, headers=dict(made.headers))


def test_a_route_for_iam_takes_who_may_invoke_it_and_signs(functions: Any, api: Api) -> None:
    url = api.make("$default", authorization="AWS_IAM") + "/x"
    answer = request(url)
    assert (answer.status, json.loads(answer.data)) == (403, {"message": "Forbidden"})
    answer = signed(functions, url, credentials(functions))
    assert answer.status == 200
    iam = json.loads(answer.data)["requestContext"]["authorizer"]["iam"]
    assert iam["accountId"] == functions.cloud.account
    users, name = functions.cloud.client("iam"), functions.name()
    arn = users.create_user(UserName=name)["User"]["Arn"]
    key = users.create_access_key(UserName=name)["AccessKey"]
    keys = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    assert signed(functions, url, keys).status == 403
    assert signed(functions, url, credentials(functions), "lambda").status == 403
    resource = "arn:aws:execute-api:*:*:*/$default/GET/x"
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    users.put_user_policy(UserName=name, PolicyName="call", PolicyDocument=document)
    answer = signed(functions, url, keys)
    assert json.loads(answer.data)["requestContext"]["authorizer"]["iam"]["userArn"] == arn
    assert signed(functions, url, Credentials(key["AccessKeyId"], "wrong")).status == 403


def credentials(functions: Any) -> Any:
    """Return the keys that the cloud's clients sign with."""
    return functions.client._request_signer._credentials


def test_cors_is_answered_by_the_api(api: Api) -> None:
    cors = {"AllowOrigins": ["https://*.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-a"], "MaxAge": 60}
    url = api.make("GET /own", CorsConfiguration=cors)
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    answer = request(f"{url}/own", "OPTIONS", headers=asked)
    assert (answer.status, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET"
    answer = request(f"{url}/own", headers={"Origin": "https://a.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Access-Control-Allow-Origin" not in request(f"{url}/own", headers={"Origin": "https://b.test"}).headers


def test_stages_and_deployments_are_kept(functions: Any, api: Api, code: Any) -> None:
    client = api.client
    made = client.create_api(Name=functions.name(), ProtocolType="HTTP", Target=api.alias)
    named = {"ApiId": made["ApiId"]}
    (route,) = client.get_routes(**named)["Items"]
    assert route["RouteKey"] == "$default"
    client.create_stage(**named, StageName="test")
    assert request(f"{made['ApiEndpoint']}/test").status == 404  # nothing is deployed
    deployment = client.create_deployment(**named, StageName="test")["DeploymentId"]
    assert client.get_deployment(**named, DeploymentId=deployment)["DeploymentStatus"] == "DEPLOYED"
    assert request(f"{made['ApiEndpoint']}/test").status == 500  # it may not call the function
    limits = {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 2.0}
    stage = client.update_stage(**named, StageName="test", DefaultRouteSettings=limits, Description="d")
    assert (stage["Description"], stage["DeploymentId"]) == ("d", deployment)
    assert client.get_stage(**named, StageName="test")["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 5
    assert code(client.create_route, **named, RouteKey="$default") == "ConflictException"
    assert code(client.create_route, **named, RouteKey="GET /x", AuthorizationType="JWT") == "BadRequestException"
    assert code(client.get_deployment, **named, DeploymentId="missing") == "NotFoundException"
