"""Name a request `(service, action)` as botocore does, with its account and region.

From the SigV4 scope, X-Amz-Target or Action=, and for REST protocols the HTTP traits of botocore's service model.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from localcloud.access.keys import user_key
from localcloud.cloud import ACCOUNT, REGION, AwsRequest, Cloud, Environ
from localcloud.protocol import codec

SERVICES = {  # signing name -> botocore's service name, where they differ; others go to Moto without an action's name
    "states": "stepfunctions",
    "monitoring": "cloudwatch",
    "email": "ses",
    "elasticloadbalancing": "elbv2",
    "tagging": "resourcegroupstaggingapi",
    "eventbridge": "events",
    "s3express": "s3",
    "s3-object-lambda": "s3",
    "s3-outposts": "s3",
}
_FORMS = ("query", "ec2")
_FORM = 1 << 20  # an action is named in the first bytes of a form: all else is a file that calls itself one
UNSIGNED = {"AssumeRoleWithWebIdentity": "sts", "AssumeRoleWithSAML": "sts"}
SCOPE = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
ACCOUNT_KEY = re.compile(r"\d{12}")


def identify(environ: Environ, body: bytes, cloud: Cloud) -> AwsRequest:
    """Read a WSGI request. `action` is empty when nothing names it, and `service` is s3 when nothing names that."""
    query = {k: v[0] for k, v in parse_qs(environ["QUERY_STRING"], keep_blank_values=True).items()}
    content_type = environ.get("CONTENT_TYPE", "")
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    form = _form_action(body) if content_type.startswith("application/x-www-form-urlencoded") else ""
    action = form or target.rpartition(".")[2]
    key, region, signing = _scope(environ, query)
    signed = bool(signing)
    if not signed:
        signing = UNSIGNED.get(action or query.get("Action", ""), "s3")
    service = _service(signing, target, environ)
    unknown = "json" if target else "rest-json"
    protocol = codec.protocol_of(service, content_type) if codec.is_known(service) else unknown
    if protocol.startswith("rest") and codec.is_known(service) and (signed or codec.operation_model(service, action)):
        action = ""  # method and path alone name it
    if form and protocol in _FORMS:  # one place for parameters, as Moto reads them
        environ["QUERY_STRING"] = "&".join(part for part in environ["QUERY_STRING"].split("&") if "X-Amz-" in part)
    request = AwsRequest(
        service=service,
        action=action or ("" if protocol.startswith("rest") else query.get("Action", "")),
        protocol=protocol,
        region=region or REGION,
        account=_account(environ, key, cloud),
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        query=query,
        headers=_headers(environ),
        body=body,
        environ=environ,
        cloud=cloud,
    )
    if not request.action and codec.is_known(service):
        request.action, request.uri_params = route_action(service, environ)
    return request


def _form_action(body: bytes) -> str:
    named = parse_qs(body.decode("utf-8", "replace")).get("Action") if b"ction=" in body[:_FORM] else None
    return named[0] if named else ""


def _scope(environ: Environ, query: dict[str, str]) -> tuple[str, str, str]:
    """Return access key id, region and signing name, or an empty text when the request is not signed."""
    text = environ.get("HTTP_AUTHORIZATION", "")
    if not text.startswith("AWS4") and "X-Amz-Credential" in query:
        text = f"Credential={query['X-Amz-Credential']}"
    match = SCOPE.search(text)
    return (match[1], match[2], match[3]) if match else ("", "", "")


def _service(signing: str, target: str, environ: Environ) -> str:
    name = SERVICES.get(signing.lower(), signing.lower())
    if name == "dynamodb" and target.startswith("DynamoDBStreams"):
        return "dynamodbstreams"
    if name == "apigateway" and environ["PATH_INFO"].startswith("/v2/"):
        return "apigatewayv2"
    if name == "s3" and (
        environ["PATH_INFO"].startswith("/v20180820/") or "s3-control" in environ.get("HTTP_HOST", "")
    ):
        return "s3control"
    return name


def _account(environ: Environ, key: str, cloud: Cloud) -> str:
    """Return the account of an access key id: its twelve digits, that of IAM's or STS's key, or the default."""
    issued = cloud.access.keys.get(key)
    if issued is not None:
        key = issued.account
    if ACCOUNT_KEY.fullmatch(key):
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = key
        return key
    held = user_key(key) if key.startswith("AKIA") else None
    if held is not None:
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = held[0]
        return held[0]
    named = environ.get("HTTP_X_MOTO_ACCOUNT_ID")
    if named:
        return str(named)
    if key.startswith(("AKIA", "ASIA", "LSIA")):
        from moto.iam.models import get_account_id_from

        return str(get_account_id_from(key))
    return ACCOUNT


def route_action(service: str, environ: Environ) -> tuple[str, dict[str, Any]]:
    """Name the action of a REST request by method and path, with the parameters in the path."""
    from moto.core.request import Request as MotoRequest
    from moto.core.routing import get_service_router
    from werkzeug.exceptions import NotFound

    try:
        operation, uri_params = get_service_router(service).match(MotoRequest(environ))
    except (NotFound, NotImplementedError):
        return "", {}
    return str(operation.name), dict(uri_params)


def _headers(environ: Environ) -> dict[str, str]:
    headers = {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")}
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").lower()] = environ[key]
    return headers
