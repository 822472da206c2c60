"""Work on objects that were put into a bucket."""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import S3Event
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


def work(bucket: str, key: str) -> str:
    """Greet the person that an object is named after. The same event may come twice: make it safe to repeat."""
    name = PurePosixPath(key).stem
    if name.startswith("."):
        raise ValueError(f"{key} names nobody")
    logger.info("greeting", guest=name, bucket=bucket)
    return f"hello, {name}"


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[str]]:
    """Work on what S3 sends, mostly one object a call; one that fails is an error, so that Lambda tries again."""
    objects = [(record.s3.bucket.name, unquote_plus(record.s3.get_object.key)) for record in S3Event(event).records]
    return {"messages": [work(bucket, key) for bucket, key in objects]}
