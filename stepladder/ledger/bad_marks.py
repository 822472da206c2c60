"""The marks of bad images in the ledger: deploy and promote refuse a digest that has one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from stepladder.core.aws import error_code
from stepladder.ledger import environment_items
from stepladder.ledger.items import CONDITION_FAILED, NOT_FOUND, LedgerItems
from stepladder.ledger.transaction import transact

if TYPE_CHECKING:
    from stepladder.ledger.schema import Bad, Unmarked


class BadMarks(LedgerItems):
    """The bad marks of one project's table."""

    def mark_bad(self, digest: str, mark: Bad) -> None:
        """Mark a digest, so that deploy and promote refuse it; the first mark stays."""
        try:
            self.client.put_item(**self.mark_item(digest, mark))
        except Exception as error:
            if error_code(error) != CONDITION_FAILED:
                raise

    def mark_item(self, digest: str, mark: Bad) -> dict[str, object]:
        """Return the put of a mark, which fails where there is one."""
        from stepladder.ledger.schema import BAD

        key = BAD.key(digest=digest)
        return {
            "TableName": self.table,
            "Item": environment_items.item(key, mark),
            "ConditionExpression": "attribute_not_exists(pk)",
        }

    def is_bad(self, digest: str) -> Bad | None:
        """Return why a digest is marked, or None."""
        from stepladder.ledger.schema import BAD, Bad

        answer = self.client.get_item(TableName=self.table, Key=BAD.key(digest=digest), ConsistentRead=True)
        return environment_items.record(Bad, answer.get("Item"))

    def marks(self, digests: Iterable[str]) -> dict[str, Bad]:
        """Return the marks of those digests that have one, in one call for each hundred."""
        from stepladder.ledger.schema import BAD, Bad

        keys = [BAD.key(digest=digest) for digest in sorted(set(digests) - {""})]
        read = {
            pk.removeprefix("digest#"): environment_items.record(Bad, raw) for (pk, _), raw in self.batch(keys).items()
        }
        return {digest: bad for digest, bad in read.items() if bad}

    def unmarked(self, digest: str) -> list[Unmarked]:
        """Return the marks of a digest that were removed, oldest first."""
        from stepladder.ledger.schema import UNMARKED, Unmarked

        key = UNMARKED.key(digest=digest, time="")
        answer = self.client.query(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": key["pk"], ":prefix": key["sk"]},
            ConsistentRead=True,
        )
        read = (environment_items.record(Unmarked, raw) for raw in answer["Items"])
        return [record for record in read if record]

    def marked(self, beginning: str) -> set[str]:
        """Return every digest that begins so and is, or was, marked; nothing without a ledger."""
        try:
            partitions = self.partitions(f"digest#{beginning}")
        except Exception as error:
            if error_code(error) == NOT_FOUND:
                return set()
            raise
        return {partition.removeprefix("digest#") for partition in partitions}

    def unmark(self, digest: str, mark: Bad, done: Unmarked) -> bool:
        """Remove a digest's mark and record who did, in one call; return whether that mark was still there."""
        from stepladder.ledger.schema import BAD, UNMARKED

        record = replace(done, marked_at=mark.marked_at, marked_by=mark.by, marked_why=mark.why)
        item = environment_items.item(UNMARKED.key(digest=digest, time=done.unmarked_at), record)
        delete = {
            "TableName": self.table,
            "Key": BAD.key(digest=digest),
            "ConditionExpression": "marked_at = :seen",
            "ExpressionAttributeValues": {":seen": {"S": mark.marked_at}},
        }
        return not transact(
            self.client, self.clock, [{"Put": {"TableName": self.table, "Item": item}}, {"Delete": delete}]
        )
