"""Work on messages from the queue, one by one: a message that fails goes back alone, not with its whole batch."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
# A batch that fails whole is answered like any other: its messages go back, and in the end to the dead-letter queue.
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def work(record: SQSRecord) -> str:
    """Greet the person that a message names. What this raises sends the message back to the queue."""
    name = record.json_body["name"]
    logger.info("greeting", guest=name, message_id=record.message_id)
    return f"hello, {name}"


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work on a batch and report which messages failed."""
    return process_partial_response(event=event, record_handler=work, processor=processor, context=context)
