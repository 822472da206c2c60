"""Work on messages of the topic."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import SNSEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[str]]:
    """Greet whom each message names; an event of anything else is an error."""
    return {"messages": [f"hello, {record.sns.message}" for record in SNSEvent(event).records]}
