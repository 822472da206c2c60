"""What the map of calls reads of the cloud: a call's own resources by their ids.

Every call on a table asks for the table's key. Moto's answer to DescribeTable costs as much as the call itself, so the
key is read straight out of Moto's store.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

Call = Callable[..., dict[str, Any]]


def reader(call: Call) -> Call:
    """Return a function that reads as `Cloud.call` does."""

    def read(service: str, action: str, params: Mapping[str, Any], *, region: str, account: str) -> dict[str, Any]:
        if (service, action) == ("dynamodb", "DescribeTable"):
            schema = _key_schema(str(params["TableName"]), region, account)
            if schema is not None:
                return {"Table": {"KeySchema": schema}}
        return call(service, action, params, region=region, account=account)

    return read


def _key_schema(name: str, region: str, account: str) -> Any:
    backends = getattr(sys.modules.get("moto.dynamodb.models"), "dynamodb_backends", None)
    table = backends[account][region].tables.get(name.rpartition("/")[2]) if backends else None
    return None if table is None else table.schema
