"""Keep the stock of each article up to date from the stream of its movements. No movement counts twice."""

import os
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


@cache
def dynamodb() -> Any:
    """Return the client, made once for each execution environment."""
    return boto3.client("dynamodb")


def project(record: DynamoDBRecord) -> None:
    """Add one movement to its article's stock. What this raises makes Lambda send the record again."""
    movement = record.dynamodb.new_image
    article, quantity = movement["article"], int(movement["quantity"])
    table = os.environ["STOCK_TABLE"]
    # One transaction: the marker keeps a record that is sent again from being added again.
    try:
        dynamodb().transact_write_items(
            TransactItems=[
                {
                    "Put": {
                        "TableName": table,
                        "Item": {"id": {"S": f"movement#{movement['id']}"}},
                        "ConditionExpression": "attribute_not_exists(id)",
                    }
                },
                {
                    "Update": {
                        "TableName": table,
                        "Key": {"id": {"S": f"article#{article}"}},
                        "UpdateExpression": "ADD stock :quantity",
                        "ExpressionAttributeValues": {":quantity": {"N": str(quantity)}},
                    }
                },
            ]
        )
    except dynamodb().exceptions.TransactionCanceledException as error:
        if error.response["CancellationReasons"][0]["Code"] != "ConditionalCheckFailed":
            raise
        logger.info("counted before", movement=movement["id"])
        return
    logger.info("counted", article=article, quantity=quantity)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work on a batch of the stream and report the first record that failed."""
    return process_partial_response(event=event, record_handler=project, processor=processor, context=context)
