"""What the SDK's exceptions mean to a person, and a local cloud that isn't there."""

from __future__ import annotations

import socket
import time

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from fakes.errors import error

from stepladder import aws
from stepladder.aws import Aws
from stepladder.errors import ExitCode, NotReadyError


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (NoCredentialsError(), ExitCode.NOT_READY, "no AWS credentials that work"),
        (error("ExpiredToken", 403), ExitCode.NOT_READY, "ExpiredToken"),
        (EndpointConnectionError(endpoint_url="http://x"), ExitCode.NOT_READY, "can't be reached"),
        (error("AccessDeniedException", 403), ExitCode.FAILED, "may not call Fake"),
        (error("ResourceConflictException", 409), ExitCode.FAILED, "AWS refused Fake: ResourceConflictException"),
    ],
)
def test_an_exception_of_the_sdk_is_explained_by_its_code(raised: Exception, code: ExitCode, said: str) -> None:
    found = aws.explain(raised)
    assert found
    assert found.exit_code == code
    assert said in found.message


def test_any_other_exception_is_nobody_s_to_explain() -> None:
    assert aws.explain(ValueError("x")) is None


def test_a_local_cloud_that_isn_t_up_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    started = time.monotonic()
    with pytest.raises(NotReadyError, match="the local cloud doesn't answer") as caught:
        Aws("eu-west-1").client("lambda")
    assert time.monotonic() - started < 2
    assert "inv local.up" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:4600", True),
        ("http://localhost:4600", True),
        ("http://[::1]:4600", True),
        ("https://lambda.eu-west-1.amazonaws.com", False),
        ("", False),
    ],
)
def test_loopback_is_told_from_the_rest_of_the_world(url: str, local: bool) -> None:
    assert aws.is_loopback(url) is local
