"""The previews in the ledger: which there are, since when and until when. One partition, so one query lists all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stepladder.core.aws import error_code
from stepladder.core.names import is_preview
from stepladder.ledger import environment_items
from stepladder.ledger.bad_marks import BadMarks
from stepladder.ledger.items import CONDITION_FAILED, NOT_FOUND

if TYPE_CHECKING:
    from stepladder.ledger.schema import Preview


class Previews(BadMarks):
    """The previews of one project's table."""

    def previews(self) -> dict[str, Preview]:
        """Return the previews that exist, or are half made or half destroyed, by the name of their environment.

        They come in the order of their numbers. Without a ledger there are none. Jobs of pull requests write here, so
        a record under another name, such as a rung's, is none: what is listed gets destroyed unasked.
        """
        from stepladder.ledger.schema import PREVIEW, Preview

        query = {
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": PREVIEW.pk}},
        }
        items: list[environment_items.Item] = []
        try:
            for answer in self.pages("query", **query):
                self._note_time(answer)
                items += answer["Items"]
        except Exception as error:
            if error_code(error) == NOT_FOUND:
                return {}
            raise
        records: dict[str, Preview] = {}
        for raw in items:
            record = environment_items.record(Preview, raw)
            name = raw["sk"]["S"]
            if record and is_preview(name):
                texts = {key: value if isinstance(value, str) else "" for key, value in vars(record).items()}
                records[name] = replace(record, **texts)
        return dict(sorted(records.items(), key=lambda each: (len(each[0]), each[0])))

    def write_preview(self, environment: str, record: Preview) -> None:
        """Write that a preview is there, or until when."""
        from stepladder.ledger.schema import PREVIEW

        key = PREVIEW.key(environment=environment)
        self.client.put_item(TableName=self.table, Item=environment_items.item(key, record))

    def forget_preview(self, environment: str, record: Preview | None = None) -> None:
        """Delete the record of a preview of which nothing is left; without one nothing is done.

        With the `record` that was read before, one that a deploy has written since stays: something may be made again.
        """
        from stepladder.ledger.schema import PREVIEW

        request: dict[str, Any] = {"TableName": self.table, "Key": PREVIEW.key(environment=environment)}
        if record and record.deployed_at:
            request["ConditionExpression"] = "deployed_at = :seen"
            request["ExpressionAttributeValues"] = {":seen": {"S": record.deployed_at}}
        try:
            self.client.delete_item(**request)
        except Exception as error:
            if error_code(error) != CONDITION_FAILED:
                raise
