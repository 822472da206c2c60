import boto3
import pytest
from app.handler import handler, table
from moto import mock_aws


@pytest.fixture(autouse=True)
def orders(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # the shell may point at a local cloud
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("ORDERS_TABLE", "orders")
    table.cache_clear()
    with mock_aws():
        made = boto3.resource("dynamodb").create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield made
    table.cache_clear()


def test_an_order_is_stored_once_however_often_it_comes(event, context, orders):
    for _ in range(2):
        assert handler(event("event"), context) == {"batchItemFailures": []}
    assert [item["id"] for item in orders.scan()["Items"]] == ["smoke-1"]


def test_only_the_order_that_fails_goes_back(event, context, orders):
    assert handler(event("bad-event"), context) == {
        "batchItemFailures": [{"itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da"}]
    }
    assert [item["id"] for item in orders.scan()["Items"]] == ["smoke-1"]
