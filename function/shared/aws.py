"""AWS clients, made once for each execution environment, and what their errors mean."""

from __future__ import annotations

import functools
import ipaddress
import os
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import PipelineError, TransientError
from stepladder.core.aws_models import read_quickly

E = TypeVar("E")
C = TypeVar("C")
R = TypeVar("R")

THROTTLES = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_SERVER_ERROR = 500


@functools.cache
def client(service: str, read_timeout: int = 60, region: str | None = None, *, attempts: int = 0) -> Any:
    """Return a client, of another region if one is given.

    It makes a few quick attempts of its own (`attempts`, else three or what AWS_MAX_ATTEMPTS says), because the state
    machine retries with longer pauses.
    """
    config = Config(
        connect_timeout=5,
        read_timeout=read_timeout,
        retries={"mode": "standard", **({"total_max_attempts": attempts} if attempts else {})},
        max_pool_connections=20,
        tcp_keepalive=True,
    )
    return _session().create_client(service, region_name=region, config=config)


@functools.cache
def _session() -> Any:
    """Return botocore's session, which boto3 wraps: the same clients, without its resources, and a start is sooner."""
    session = botocore.session.get_session()
    read_quickly(session)
    return session


def is_local() -> bool:
    """Say whether this runs in a local cloud: there the endpoint of AWS is on this machine."""
    host = urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def code(error: BaseException) -> str:
    """Return the AWS error code of an exception, or an empty text."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""


def explained(handler: Callable[[E, C], R]) -> Callable[[E, C], R]:
    """Wrap a handler: what may pass by itself becomes `TransientError`, which the definition retries.

    That is throttling, 5xx, lost connections, and answers that were cut short: botocore reads those as empty.

    An error of ours says all in its message. It goes without its stack, which Step Functions would keep: a hundred
    targets that fail share 256 KiB.
    """

    @functools.wraps(handler)
    def wrapped(event: E, context: C) -> R:
        try:
            return handler(event, context)
        except PipelineError as error:
            raise error.with_traceback(None) from None
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code(error) in THROTTLES or status >= _SERVER_ERROR:
                raise TransientError(str(error)) from error
            raise
        except BotoCoreError as error:
            raise TransientError(f"{type(error).__name__}: {error}") from error
        except KeyError as error:
            raise TransientError(f"an answer of AWS lacks {error}") from error

    return wrapped
