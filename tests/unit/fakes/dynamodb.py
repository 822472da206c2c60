"""One DynamoDB table in memory: the calls and the condition expressions that the ledger uses."""

# ruff: noqa: N803 - the parameters have AWS's own names

from __future__ import annotations

import re
import threading
from typing import Any

from botocore.exceptions import ClientError

from fakes.errors import Scripted, error

Item = dict[str, dict[str, Any]]


class FakeDynamoDB(Scripted):
    def __init__(self, *tables: str) -> None:
        super().__init__()
        self.tables: dict[str, dict[tuple[str, str], Item]] = {name: {} for name in tables}
        self._lock = threading.RLock()

    def _table(self, name: str) -> dict[tuple[str, str], Item]:
        if name not in self.tables:
            raise error("ResourceNotFoundException")
        return self.tables[name]

    def put_item(self, *, TableName: str, Item: Item, **condition: Any) -> dict[str, Any]:
        with self._lock:
            self.called("PutItem")
            self._check(TableName, _key(Item), condition)
            before = self._table(TableName).get(_key(Item))
            self._table(TableName)[_key(Item)] = dict(Item)
            self.answered("PutItem")
        return {"Attributes": before} if before and condition.get("ReturnValues") == "ALL_OLD" else {}

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> dict[str, Any]:
        assert ConsistentRead
        with self._lock:
            self.called("GetItem")
            item = self._table(TableName).get(_key(Key))
        return {"Item": dict(item)} if item else {}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self.called("BatchGetItem")
            ((name, wanted),) = RequestItems.items()
            items = [self._table(name).get(_key(key)) for key in wanted["Keys"]]
        return {"Responses": {name: [dict(item) for item in items if item]}, "UnprocessedKeys": {}}

    def update_item(self, *, TableName: str, Key: Item, UpdateExpression: str, **rest: Any) -> dict[str, Any]:
        with self._lock:
            self.called("UpdateItem")
            self._check(TableName, _key(Key), rest)
            assert re.fullmatch(r"SET (\w+ = :\w+(, )?)+", UpdateExpression), UpdateExpression
            for name, value in re.findall(r"(\w+) = (:\w+)", UpdateExpression):
                self._table(TableName)[_key(Key)][name] = rest["ExpressionAttributeValues"][value]
            self.answered("UpdateItem")
        return {}

    def delete_item(self, *, TableName: str, Key: Item, **condition: Any) -> dict[str, Any]:
        with self._lock:
            self.called("DeleteItem")
            self._check(TableName, _key(Key), condition)
            self._table(TableName).pop(_key(Key), None)
        return {}

    def query(
        self, *, TableName: str, ExpressionAttributeValues: Item, Limit: int = 100, **rest: Any
    ) -> dict[str, Any]:
        assert rest["KeyConditionExpression"] in {"pk = :pk AND begins_with(sk, :prefix)", "pk = :pk"}
        newest_first = not rest.get("ScanIndexForward", True)
        with self._lock:
            self.called("Query")
            pk, prefix = ExpressionAttributeValues[":pk"]["S"], ExpressionAttributeValues.get(":prefix", {"S": ""})["S"]
            keys = sorted(k for k in self._table(TableName) if k[0] == pk and k[1].startswith(prefix))
            if newest_first:
                keys.reverse()
            start = rest.get("ExclusiveStartKey")
            keys = keys[keys.index(_key(start)) + 1 :] if start else keys
            page = [dict(self._table(TableName)[key]) for key in keys[:Limit]]
        more = {"LastEvaluatedKey": {n: page[-1][n] for n in ("pk", "sk")}} if len(keys) > Limit else {}
        return {"Items": page, **more}

    def scan(self, *, TableName: str, ExpressionAttributeValues: Item, **rest: Any) -> dict[str, Any]:
        assert (rest["FilterExpression"], rest["ProjectionExpression"]) == ("begins_with(pk, :prefix)", "pk")
        with self._lock:
            self.called("Scan")
            prefix = ExpressionAttributeValues[":prefix"]["S"]
            keys = sorted(self._table(TableName))
            start = rest.get("ExclusiveStartKey")
            keys = [key for key in keys if not start or key > _key(start)]
        matching = [{"pk": {"S": pk}} for pk, _ in keys[:2] if pk.startswith(prefix)]
        more = {"LastEvaluatedKey": {"pk": {"S": keys[1][0]}, "sk": {"S": keys[1][1]}}} if len(keys) > 2 else {}
        return {"Items": matching, **more}

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:
        with self._lock:
            self.called("TransactWriteItems")
            reasons = []
            for action in TransactItems:
                ((_, body),) = action.items()
                try:
                    self._check(body["TableName"], _key(body.get("Item") or body["Key"]), body)
                    reasons.append({"Code": "None"})
                except ClientError:
                    reasons.append({"Code": "ConditionalCheckFailed"})
            if any(reason["Code"] != "None" for reason in reasons):
                raise error("TransactionCanceledException", CancellationReasons=reasons)
            for action in TransactItems:
                ((verb, body),) = action.items()
                if verb == "Put":
                    self._table(body["TableName"])[_key(body["Item"])] = dict(body["Item"])
                elif verb == "Delete":
                    self._table(body["TableName"]).pop(_key(body["Key"]), None)
            self.answered("TransactWriteItems")
        return {}

    def _check(self, table: str, key: tuple[str, str], condition: dict[str, Any]) -> None:
        text = condition.get("ConditionExpression")
        for name, meant in condition.get("ExpressionAttributeNames", {}).items():
            text = text.replace(name, meant)
        if text and not _holds(text, self._table(table).get(key), condition.get("ExpressionAttributeValues", {})):
            raise error("ConditionalCheckFailedException")


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _holds(text: str, item: Item | None, values: Item) -> bool:
    """Evaluate a condition: comparisons, attribute_not_exists, AND, OR, brackets."""
    text = re.sub(r"attribute_not_exists\((\w+)\)", lambda m: str(item is None or m[1] not in item), text)
    text = re.sub(r"(\w+) = (:\w+)", lambda m: str(bool(item) and item.get(m[1]) == values[m[2]]), text)
    assert re.fullmatch(r"(True|False|AND|OR|[() ])+", text), text
    return bool(eval(text.replace("AND", "and").replace("OR", "or")))
