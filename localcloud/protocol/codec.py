"""Read AWS requests and write AWS responses, in the protocol that the caller spoke.

The protocols' details come from botocore's service models, through Moto's own parsers and serializers.
"""

from __future__ import annotations

import functools
import io
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

SERVER_ERROR = 500


@dataclass
class Response:
    """A raw HTTP answer. `chunks` stand for the body where it comes bit by bit."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: Iterator[bytes] | None = None


class ServiceError(Exception):
    """An error as AWS would answer it: raise it from a handler.

    `fields` are further members of the error's shape, for example `{"Type": "User"}`.
    """

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


@functools.cache
def service_model(service: str) -> Any:
    """Return botocore's model of a service, with what Moto adds to it."""
    from moto.core.utils import get_service_model

    return get_service_model(service)


@functools.cache
def is_known(service: str) -> bool:
    """Say whether botocore has a model of a service under this name."""
    from botocore.exceptions import UnknownServiceError

    try:
        service_model(service)
    except UnknownServiceError:
        return False
    return True


@functools.cache
def operation_model(service: str, action: str) -> Any:
    """Return botocore's model of an action, or None when the service has no such action."""
    from botocore.model import OperationNotFoundError

    try:
        return service_model(service).operation_model(action)
    except OperationNotFoundError:
        return None


def protocol_of(service: str, content_type: str) -> str:
    """Return the protocol of a request: json, rest-json, query, rest-xml or ec2."""
    from moto.core.request import determine_request_protocol

    try:
        return str(determine_request_protocol(service_model(service), content_type))
    except NotImplementedError:
        return str(service_model(service).protocol)


def parse_request(operation: Any, protocol: str, environ: Mapping[str, Any], uri_params: Mapping[str, Any]) -> Any:
    """Return the action's parameters as a dict, named and typed as botocore takes them."""
    from moto.core.parse import PROTOCOL_PARSERS
    from moto.core.request import Request as MotoRequest

    request = MotoRequest(dict(environ))
    return PROTOCOL_PARSERS[protocol](operation, map_type=dict).parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data,
            "url_path": request.path,
            "url_params": dict(uri_params),
        }
    )


def serialize_result(operation: Any, protocol: str, result: Mapping[str, Any]) -> Response:
    """Write an action's result, a dict as boto3 would return it."""
    from moto.core.serialize import get_serializer_class

    serializer = get_serializer_class(operation.service_model.service_name, protocol)(operation)
    serialized = serializer.serialize(dict(result))
    body = serialized["body"]
    headers = {str(k): str(v) for k, v in serialized["headers"].items()}
    headers.setdefault("x-amzn-RequestId", str(uuid.uuid4()))
    if protocol == "json":  # the serializer says "text"
        headers["Content-Type"] = f"application/x-amz-json-{operation.service_model.metadata['jsonVersion']}"
    elif protocol == "rest-json":
        headers.setdefault("Content-Type", "application/json")
    return Response(serialized["status_code"], headers, body.encode() if isinstance(body, str) else body)


def serialize_request(operation: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """Write a request as botocore would send it: method, url_path, query_string, headers, body."""
    from botocore.serialize import create_serializer

    protocol = operation.service_model.resolved_protocol
    serialized: dict[str, Any] = create_serializer(protocol, include_validation=False).serialize_to_request(
        dict(params), operation
    )
    return serialized


def parse_response(operation: Any, response: Response, protocol: str) -> dict[str, Any]:
    """Read an answer as boto3 would return it, without ResponseMetadata. An error answer raises `ServiceError`."""
    from botocore.awsrequest import HeadersDict
    from botocore.parsers import create_parser

    # a streamed body stays one, as in boto3: `read()` it; given bytes, the parser would decode them as UTF-8
    streams = operation.has_streaming_output and response.status < HTTPStatus.MULTIPLE_CHOICES
    body = io.BytesIO(response.body) if streams else response.body
    raw = {"status_code": response.status, "headers": HeadersDict(response.headers), "body": body}
    parsed: dict[str, Any] = create_parser(protocol).parse(raw, operation.output_shape)
    error = parsed.pop("Error", None)
    parsed.pop("ResponseMetadata", None)
    if response.status >= 300:  # noqa: PLR2004 - HTTP's own boundary
        error = error or {}
        raise ServiceError(error.get("Code") or str(response.status), error.get("Message", ""), response.status)
    return parsed


def serialize_error(service: str, protocol: str, error: ServiceError) -> Response:
    """Write an error so that every SDK reads its code: in the shape of the protocol."""
    request_id = str(uuid.uuid4())
    if protocol in ("json", "rest-json"):
        return _json_error(service, error, request_id)
    if service == "s3":
        body = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        body += "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in error.fields.items())
        body += f"<RequestId>{request_id}</RequestId></Error>"
    elif protocol == "ec2":
        body = f"<Response><Errors><Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
        body += f"</Errors><RequestID>{request_id}</RequestID></Response>"
    else:
        kind = "Receiver" if error.status >= SERVER_ERROR else "Sender"
        body = f"<ErrorResponse><Error><Type>{kind}</Type><Code>{error.code}</Code>"
        body += f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    return Response(
        error.status,
        {"Content-Type": "text/xml", "x-amzn-RequestId": request_id},
        ('<?xml version="1.0" encoding="UTF-8"?>' + body).encode(),
    )


def _json_error(service: str, error: ServiceError, request_id: str) -> Response:
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "x-amzn-RequestId": request_id,
        "x-amzn-ErrorType": error.code,
    }
    if is_known(service) and "awsQueryCompatible" in service_model(service).metadata:
        headers["x-amzn-query-error"] = f"{error.code};{'Receiver' if error.status >= SERVER_ERROR else 'Sender'}"
    body = {"__type": error.code, "message": error.message, "Message": error.message, **error.fields}
    return Response(error.status, headers, json.dumps(body).encode())
