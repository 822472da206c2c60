"""Work on the changes of a table, one by one, in their order."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
# A batch that fails whole is answered like any other: it is tried again from the first change that failed.
processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


def work(record: DynamoDBRecord) -> str:
    """Greet the person of an item. What this raises brings the change again, and all that came after it."""
    image = record.dynamodb.new_image if record.dynamodb else {}
    name = image["name"]
    logger.info("greeting", guest=name, event_id=record.event_id)
    return f"hello, {name}"


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work on a batch and report which changes failed."""
    return process_partial_response(event=event, record_handler=work, processor=processor, context=context)
