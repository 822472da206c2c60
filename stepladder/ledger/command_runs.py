"""The runs of release commands in the ledger: by target, image and command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stepladder.core.aws import error_code
from stepladder.ledger import environment_items
from stepladder.ledger.items import CONDITION_FAILED, NOT_FOUND
from stepladder.ledger.previews import Previews

if TYPE_CHECKING:
    from stepladder.ledger.schema import SentCommand


class CommandRuns(Previews):
    """The runs of release commands of one project's table."""

    def command_run(self, target: str, digest: str, command_key: str) -> SentCommand | None:
        """Return the last run of a command for an image on a target."""
        from stepladder.ledger.schema import COMMAND, SentCommand

        key = COMMAND.key(environment=target, digest=digest, command=command_key)
        answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        return environment_items.record(SentCommand, answer.get("Item"))

    def write_command_run(self, target: str, command_key: str, run: SentCommand, was: SentCommand | None) -> bool:
        """Write a run if the one that was read is still the last; say whether it was."""
        from stepladder.ledger.schema import COMMAND, unchanged_run

        key = COMMAND.key(environment=target, digest=run.digest, command=command_key)
        condition, values = unchanged_run(was)
        compared = {"ExpressionAttributeValues": values} if values else {}
        try:
            self.client.put_item(
                TableName=self.table, Item=environment_items.item(key, run), ConditionExpression=condition, **compared
            )
        except Exception as error:
            if error_code(error) != CONDITION_FAILED:
                raise
            return False
        return True

    def command_runs(self, target: str, digest: str = "") -> list[tuple[str, SentCommand]]:
        """Return the last runs on a target, newest first, each with its command's key; of one image if it is given."""
        from stepladder.ledger.schema import SentCommand

        prefix = f"{digest}#" if digest else "sha256:"
        query = {
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": {":pk": {"S": f"command#{target}"}, ":prefix": {"S": prefix}},
        }
        try:
            items = [raw for answer in self.pages("query", **query) for raw in answer["Items"]]
        except Exception as error:
            if error_code(error) == NOT_FOUND:
                return []
            raise
        read = ((raw["sk"]["S"].rpartition("#")[2], environment_items.record(SentCommand, raw)) for raw in items)
        runs = [(command, run) for command, run in read if run]
        return sorted(runs, key=lambda each: each[1].began_at, reverse=True)
