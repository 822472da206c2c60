"""API Gateway's second interface: the action is the HTTP method, the resource is the path.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall
from localcloud.authorization.model import AccessRequest


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call needs."""
    from localcloud.protocol import codec

    operation = codec.operation_model("apigatewayv2", call.action)
    if operation is None:
        return None
    path = operation.http["requestUri"].partition("?")[0].removeprefix("/v2")
    members = operation.input_shape.members if operation.input_shape else {}
    wire_names = {shape.serialization.get("name", name): name for name, shape in members.items()}
    filled = re.sub(
        r"\{([^}+]+)\+?\}", lambda match: quote(call.text(str(wire_names.get(match[1], match[1]))), safe="$"), path
    )
    method = operation.http["method"]
    return [calls.request(call, f"apigateway:{method}", call.arn("apigateway", filled, account=""))]
