"""Read items of the ledger's table, many in one call; `stepladder/ledger/schema.py` defines their attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from stepladder.core.clock import Clock
from stepladder.ledger.environment_items import Item

CONDITION_FAILED = "ConditionalCheckFailedException"
NOT_FOUND = "ResourceNotFoundException"
_BATCH = 100  # keys of one BatchGetItem
_CLOCKS_AGREE = 5.0  # seconds


class LedgerItems:
    """The items of one project's table. `client` is DynamoDB's."""

    def __init__(self, client: Any, table: str, *, clock: Clock | None = None) -> None:
        self.client = client
        self.table = table
        self.clock = clock or Clock()
        self.offset = 0.0  # seconds by which AWS's clock is ahead of this machine's, as the last read showed

    def _note_time(self, answer: Mapping[str, Any]) -> None:
        """Take AWS's time from an answer's Date; differences that a slow answer may make aren't any."""
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            remote = parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError):
            return
        offset = remote - self.clock.now()
        self.offset = offset if abs(offset) > _CLOCKS_AGREE else 0.0

    def pages(self, operation: str, **request: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the answers of a `query` or a `scan` of the table, a page each; one call for each."""
        request |= {"TableName": self.table, "ConsistentRead": True}
        while True:
            answer = getattr(self.client, operation)(**request)
            yield answer
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def partitions(self, prefix: str) -> set[str]:
        """Return the partition keys that begin with `prefix`; the whole table is read."""
        scan = {
            "FilterExpression": "begins_with(pk, :prefix)",
            "ExpressionAttributeValues": {":prefix": {"S": prefix}},
            "ProjectionExpression": "pk",
        }
        return {item["pk"]["S"] for answer in self.pages("scan", **scan) for item in answer["Items"]}

    def batch(self, keys: list[Item]) -> dict[tuple[str, str], Item]:
        """Return the items that exist of those with these keys, by partition and sort key.

        Costs one call for each hundred keys, and one more where DynamoDB left some unprocessed.
        """
        items = {}
        for start in range(0, len(keys), _BATCH):
            left: Any = {self.table: {"Keys": keys[start : start + _BATCH], "ConsistentRead": True}}
            while left:
                answer = self.client.batch_get_item(RequestItems=left)
                self._note_time(answer)
                for raw in answer["Responses"].get(self.table, []):
                    items[raw["pk"]["S"], raw["sk"]["S"]] = raw
                left = answer.get("UnprocessedKeys")
        return items
