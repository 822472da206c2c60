"""Run on a schedule."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


def run(time: str) -> str:
    """Do the work that is due at `time` (ISO 8601, UTC). The same time may come twice: make it safe to repeat."""
    logger.info("running", due=time)
    return f"hello from {time}"


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Run once for an event of the schedule; anything else is an error, so that the alarm sees it."""
    if "time" not in event:
        raise ValueError("this is no event of a schedule: it has no time")
    return {"message": run(EventBridgeEvent(event).time)}
