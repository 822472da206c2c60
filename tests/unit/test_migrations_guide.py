"""The handler and the migration that docs/guides/migrations.md shows, as a release calls them."""

import re
from pathlib import Path

GUIDE = (Path(__file__).resolve().parents[2] / "docs/guides/migrations.md").read_text("utf-8")


def code(name, **given):
    """The names that the block which defines `name` has, beside those that are given."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    space = dict(given)
    exec(next(block for block in blocks if f"def {name}(" in block), space)
    return space[name]


class Items:
    """A table's items, as DynamoDB's client pages and updates them."""

    def __init__(self, *pages):
        self.pages = [list(page) for page in pages]

    def get_paginator(self, action):
        assert action == "scan"
        return self

    def paginate(self, **request):
        assert request == {"TableName": "orders", "FilterExpression": "attribute_not_exists(total)"}
        return [{"Items": [item for item in page if "total" not in item]} for page in self.pages]

    def update_item(self, **request):
        assert request["UpdateExpression"] == "SET total = if_not_exists(total, :total)"
        (item,) = [item for page in self.pages for item in page if item["id"] == request["Key"]["id"]]
        item.setdefault("total", request["ExpressionAttributeValues"][":total"])


def test_its_handler_runs_the_command_and_answers_everything_else():
    handler = code("handler", migrate=lambda: 3, answer=lambda event: {"statusCode": 200, "for": event})
    command = {"stepladder": {"command": "migrate", "release": "1", "environment": "staging"}}
    assert handler(command, None) == {"ok": True, "applied": 3}
    assert handler({"rawPath": "/"}, None)["for"] == {"rawPath": "/"}


def test_its_migration_gives_a_total_to_the_items_that_have_none_and_may_run_again():
    items = Items([{"id": {"S": "1"}}, {"id": {"S": "2"}, "total": {"N": "5"}}], [{"id": {"S": "3"}}])
    migrate = code("migrate", client=items, TABLE="orders", total_of=lambda _item: 7)
    assert migrate() == 2
    assert [item["total"]["N"] for page in items.pages for item in page] == ["7", "5", "7"]
    assert migrate() == 0
