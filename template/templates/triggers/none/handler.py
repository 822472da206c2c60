"""Answer a direct invocation."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


def greet(name: str) -> str:
    """Greet somebody by name."""
    logger.info("greeting", guest=name)
    return f"hello, {name}"


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Answer with a greeting; without a name it is an error, so that the caller and the alarm see it."""
    name = event.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("the event needs a name")
    return {"message": greet(name)}
