import boto3
import pytest
from app.handler import dynamodb, handler
from moto import mock_aws


@pytest.fixture(autouse=True)
def stock(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # the shell may point at a local cloud
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("STOCK_TABLE", "stock")
    dynamodb.cache_clear()
    with mock_aws():
        made = boto3.resource("dynamodb").create_table(
            TableName="stock",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield made
    dynamodb.cache_clear()


def counted(stock):
    return stock.get_item(Key={"id": "article#smoke"})["Item"]["stock"]


def test_a_movement_counts_once_however_often_it_comes(event, context, stock):
    for _ in range(2):
        assert handler(event("event"), context) == {"batchItemFailures": []}
    assert counted(stock) == 5


def test_the_record_that_fails_is_reported_and_the_others_count(event, context, stock):
    answered = handler(event("bad-event"), context)
    assert answered == {"batchItemFailures": [{"itemIdentifier": "111000000000000000000000002"}]}
    assert counted(stock) == 5
