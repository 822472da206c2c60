"""Answer requests to the HTTP API."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
app = APIGatewayHttpResolver()


@app.get("/")
def greet() -> dict[str, str]:
    """Greet whoever calls."""
    return {"message": "hello"}


@app.get("/hello/<name>")
def greet_by_name(name: str) -> dict[str, str]:
    """Greet somebody by name."""
    logger.info("greeting", guest=name)
    return {"message": f"hello, {name}"}


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a request; what no route takes is answered with 404."""
    return app.resolve(event, context)
