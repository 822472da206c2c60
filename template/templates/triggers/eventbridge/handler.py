"""Work on events of an EventBridge bus."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


def work(event: EventBridgeEvent) -> str:
    """Greet the person that an event names. The same event may come twice: make it safe to repeat."""
    name = event.detail["name"]
    logger.info("greeting", guest=name, event_id=event.get_id)
    return f"hello, {name}"


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Work on one event; one without a name is an error, so that EventBridge tries again and the alarm sees it."""
    return {"message": work(EventBridgeEvent(event))}
