"""DynamoDB: items, their keys and attributes, and what transactions and batches are made of.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.authorization import calls
from localcloud.authorization.calls import partiql
from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.model import AccessRequest

Item = Mapping[str, Mapping[str, Any]]

ITEM_CALLS = frozenset({"DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"})
_IN_TRANSACTION = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
_EXPRESSIONS = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
_LEGACY = ("AttributesToGet", "AttributeUpdates", "Expected", "KeyConditions", "QueryFilter", "ScanFilter")
_WORDS = frozenset(
    "SET REMOVE ADD DELETE AND OR NOT BETWEEN IN ATTRIBUTE_EXISTS ATTRIBUTE_NOT_EXISTS ATTRIBUTE_TYPE BEGINS_WITH "  # noqa: SIM905
    "CONTAINS SIZE IF_NOT_EXISTS LIST_APPEND".split()
)
_NAME = re.compile(r"(?<![\w.:#])[#A-Za-z_][\w#-]*")
_STREAM = re.compile(r"(arn:[^:]+:dynamodb:[^:]+:\d+:table/[^/]+/stream/[^|]+)")


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call on items or streams needs. Calls on tables are left to the tables of the map."""
    if call.service == "dynamodbstreams":
        return _stream(call)
    if call.action in partiql.CALLS:
        return list(partiql.accesses(call))
    if call.action in ITEM_CALLS:
        return [_item_access(call, call.action, call.params)]
    if call.action in ("TransactGetItems", "TransactWriteItems"):
        return list(_transaction(call))
    return list(_batches(call)) if call.action in ("BatchGetItem", "BatchWriteItem") else None


def _batches(call: AwsCall) -> Iterable[AccessRequest]:
    for table, request in dict(call.params.get("RequestItems") or {}).items():
        if call.action == "BatchGetItem":
            yield _batch(call, table, list(request["Keys"]), request)
        else:
            yield _batch(call, table, [_written(each) for each in request], {})


def _written(request: Mapping[str, Any]) -> Item:
    item: Item = (request.get("PutRequest") or {}).get("Item") or (request.get("DeleteRequest") or {}).get("Key") or {}
    return item


def _stream(call: AwsCall) -> Iterable[AccessRequest] | None:
    if call.action == "ListStreams":
        return [calls.request(call, "dynamodb:ListStreams", "*")]
    arn = call.text("StreamArn")
    if not arn and (match := _STREAM.search(call.text("ShardIterator"))):
        arn = match[1]
    return [calls.request(call, f"dynamodb:{call.action}", arn)] if arn else None


def _transaction(call: AwsCall) -> Iterable[AccessRequest]:
    for each in call.params.get("TransactItems") or ():
        for kind, request in each.items():
            yield _item_access(call, _IN_TRANSACTION[kind], request, enclosing=call.action)


def _batch(call: AwsCall, table: str, keys: list[Item], request: Mapping[str, Any]) -> AccessRequest:
    hash_key = _hash_key(call, table, "")
    leading = None if hash_key is None else _leading(keys, hash_key)
    names = {name for key in keys for name in key} | set(_named(request))
    more = _more(call, leading, names)
    return calls.request(call, f"dynamodb:{call.action}", _table_arn(call, table), more)


def _item_access(call: AwsCall, action: str, request: Mapping[str, Any], enclosing: str = "") -> AccessRequest:
    table, index = str(request.get("TableName", "")), str(request.get("IndexName") or "")
    arn = _table_arn(call, table) + (f"/index/{index}" if index else "")
    item: Item = request.get("Item") or request.get("Key") or {}
    leading: tuple[str, ...] | None = () if action == "Scan" else None
    if action != "Scan":
        hash_key = _hash_key(call, table, index)
        if hash_key is not None:
            leading = _leading([item], hash_key) if item else _queried(request, hash_key)
    more = _more(call, leading, {*item, *_named(request)})
    more["dynamodb:enclosingoperation"] = (enclosing,) if enclosing else ()
    more["dynamodb:returnvalues"] = (str(request.get("ReturnValues", "NONE")),)
    more["dynamodb:select"] = (_selected(request),) if action in ("GetItem", "Query", "Scan") else ()
    return calls.request(call, f"dynamodb:{action}", arn, more)


def _more(call: AwsCall, leading: tuple[str, ...] | None, names: set[str]) -> dict[str, tuple[str, ...] | None]:
    return {
        "dynamodb:attributes": tuple(sorted(names)),
        "dynamodb:leadingkeys": leading,
        "dynamodb:returnconsumedcapacity": (call.text("ReturnConsumedCapacity") or "NONE",),
    }


def _selected(request: Mapping[str, Any]) -> str:
    if select := request.get("Select"):
        return str(select)
    specific = request.get("ProjectionExpression") or request.get("AttributesToGet")
    return "SPECIFIC_ATTRIBUTES" if specific else "ALL_ATTRIBUTES"


def _table_arn(call: AwsCall, table: str) -> str:
    return table if table.startswith("arn:") else call.arn("dynamodb", f"table/{table}")


def _hash_key(call: AwsCall, table: str, index: str) -> str | None:
    """Return the name of the partition key of a table or an index, or None when nothing says it."""
    try:
        description = call.read(
            "dynamodb", "DescribeTable", of=table if table.startswith("arn:") else "", TableName=table
        )["Table"]
    except UnknownAccessError:
        return None
    schemas = [description]
    if index:
        indexes = [
            *(description.get("GlobalSecondaryIndexes") or ()),
            *(description.get("LocalSecondaryIndexes") or ()),
        ]
        schemas = [each for each in indexes if each["IndexName"] == index]
    return next(
        (str(key["AttributeName"]) for each in schemas for key in each["KeySchema"] if key["KeyType"] == "HASH"), None
    )


def _leading(items: Iterable[Item], hash_key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_text(item[hash_key]) for item in items if hash_key in item))


def _text(value: Any) -> str:
    """Return the text of an attribute's value: `{"S": "x"}` is x."""
    plain = next(iter(value.values()), "") if isinstance(value, Mapping) else value
    return base64.b64encode(plain).decode() if isinstance(plain, bytes) else str(plain)


def _queried(request: Mapping[str, Any], hash_key: str) -> tuple[str, ...] | None:
    """Return the partition key that a query names, or None when its expression isn't understood."""
    if condition := (request.get("KeyConditions") or {}).get(hash_key):
        return tuple(_text(value) for value in condition.get("AttributeValueList") or ())
    names = {alias for alias, name in (request.get("ExpressionAttributeNames") or {}).items() if name == hash_key}
    values = request.get("ExpressionAttributeValues") or {}
    for left, right in re.findall(r"([#:\w.-]+)\s*=\s*([#:\w.-]+)", str(request.get("KeyConditionExpression", ""))):
        for name, value in ((left, right), (right, left)):
            if name in {hash_key, *names} and value in values:
                return (_text(values[value]),)
    return None


def _named(request: Mapping[str, Any]) -> Iterable[str]:
    """Yield the names of the attributes in a request's expressions: of a path, its first part."""
    aliases = request.get("ExpressionAttributeNames") or {}
    for expression in _EXPRESSIONS:
        for name in _NAME.findall(str(request.get(expression) or "")):
            if name.upper() not in _WORDS:
                yield str(aliases.get(name, name))
    for parameter in _LEGACY:
        yield from request.get(parameter) or ()
