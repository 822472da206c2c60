"""Make the request of a call that comes from inside the cloud, as botocore would send it over HTTP."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from localcloud.cloud import AwsRequest, Cloud, Environ
from localcloud.http.routing import route_action
from localcloud.protocol import codec


def compose(
    cloud: Cloud, service: str, action: str, params: Mapping[str, Any], region: str, account: str
) -> AwsRequest:
    """Return the request that botocore would send for a call."""
    operation = codec.operation_model(service, action)
    serialized = codec.serialize_request(operation, params)
    body = serialized["body"]
    if isinstance(body, Mapping):
        body = urlencode(body)
    body = body.read() if hasattr(body, "read") else body
    body = body.encode() if isinstance(body, str) else bytes(body)
    url = urlsplit(serialized["url_path"])
    query = (
        urlencode(serialized["query_string"], doseq=True)
        if isinstance(serialized["query_string"], Mapping)
        else serialized["query_string"]
    )
    query = "&".join(q for q in (url.query, query) if q)
    model = codec.service_model(service)
    scope = f"Credential={account}/20260101/{region}/{model.signing_name}/aws4_request"
    host = urlsplit(cloud.url).netloc
    environ: Environ = {
        "REQUEST_METHOD": serialized["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": url.path,
        "QUERY_STRING": query,
        "RAW_URI": f"{url.path}?{query}" if query else url.path,
        "SERVER_NAME": host.partition(":")[0],
        "SERVER_PORT": host.partition(":")[2],
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": host,
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
        "HTTP_X_MOTO_ACCOUNT_ID": account,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
    }
    for name, value in serialized["headers"].items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    if operation.service_model.resolved_protocol == "query":
        environ.setdefault("CONTENT_TYPE", "application/x-www-form-urlencoded; charset=utf-8")
    uri_params = route_action(service, environ)[1] if model.protocol.startswith("rest") else {}
    return AwsRequest(
        service=service,
        action=action,
        protocol=str(model.resolved_protocol),
        region=region,
        account=account,
        method=serialized["method"],
        path=url.path,
        query={},
        headers={k.lower(): str(v) for k, v in serialized["headers"].items()},
        body=body,
        environ=environ,
        uri_params=uri_params,
        cloud=cloud,
    )
