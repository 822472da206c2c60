"""Store orders from a queue. An order that fails goes back alone; one that comes twice is stored once."""

import os
from decimal import Decimal
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@cache
def table() -> Any:
    """Return the table that terraform/service/orders.tf makes."""
    return boto3.resource("dynamodb").Table(os.environ["ORDERS_TABLE"])


def store(record: SQSRecord) -> None:
    """Store one order. What this raises sends the message back to the queue."""
    order = record.json_body
    total = Decimal(str(order["total"]))
    if total < 0:
        raise ValueError(f"order {order['id']} has a negative total")
    try:
        table().put_item(
            Item={"id": order["id"], "customer": order["customer"], "total": total},
            ConditionExpression="attribute_not_exists(id)",
        )
    except table().meta.client.exceptions.ConditionalCheckFailedException:
        logger.info("stored before", order=order["id"])
        return
    logger.info("stored", order=order["id"])


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Store a batch of orders and report which messages failed."""
    return process_partial_response(event=event, record_handler=store, processor=processor, context=context)
