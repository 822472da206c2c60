"""Work on messages of an SNS topic."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import SNSEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


def work(message: str) -> str:
    """Greet the person that a message names. The same message may come twice: make it safe to repeat."""
    name = json.loads(message)["name"]
    logger.info("greeting", guest=name)
    return f"hello, {name}"


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[str]]:
    """Work on what SNS sends, one message a call; one that fails is an error, so that Lambda tries again."""
    return {"messages": [work(record.sns.message) for record in SNSEvent(event).records]}
