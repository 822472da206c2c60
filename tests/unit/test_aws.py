"""What the SDK's exceptions mean to a person, and a local cloud that isn't there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import botocore.credentials
import botocore.session
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    LoginRefreshRequired,
    MissingDependencyException,
    NoCredentialsError,
)
from fakes.errors import error

from stepladder.core import aws
from stepladder.core.aws import Aws
from stepladder.core.errors import ExitCode, NotReadyError


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (NoCredentialsError(), ExitCode.NOT_READY, "no AWS credentials that work"),
        (LoginRefreshRequired(), ExitCode.NOT_READY, "`aws login` is no good any more"),
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


def test_a_session_of_aws_login_needs_a_package_or_a_profile_and_the_hint_has_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by botocore itself, from a profile as `aws login` writes it (botocore 1.41, November 2025)."""
    (tmp_path / "config").write_text("[profile work]\nlogin_session = arn:aws:iam::123456789012:user/jo\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "work")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(botocore.credentials, "EC", None)  # as without awscrt
    session = botocore.session.Session()
    with pytest.raises(MissingDependencyException) as raised:
        session.create_client("sts", region_name="eu-west-1").get_caller_identity()
    found = aws.explain(raised.value)
    assert found
    assert (found.exit_code, "aws login" in found.message) == (ExitCode.NOT_READY, True)
    source = "aws configure export-credentials --profile work --format process"
    assert f"`aws configure set credential_process '{source}' --profile stepladder`" in found.hint
    assert "Terraform older than 1.15" in found.hint


def test_any_other_exception_is_nobody_s_to_explain() -> None:
    assert aws.explain(ValueError("x")) is None


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An endpoint that answers everything with 500, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_invocation_is_sent_once_and_waited_for_as_long_as_the_function_may_run(broken: list[str]) -> None:
    client = Aws("eu-west-1").client("lambda", lasting=900)
    with pytest.raises(ClientError):
        client.invoke(FunctionName="f")
    assert len(broken) == 1
    assert client.meta.config.read_timeout > 900
    client.close()


@pytest.mark.timing("an answer is bounded to 15 s")
def test_a_local_cloud_that_isn_t_up_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    started = time.monotonic()
    with pytest.raises(NotReadyError, match="the local cloud doesn't answer") as caught:
        Aws("eu-west-1").client("lambda")
    assert time.monotonic() - started < 15  # the SDK would try for half a minute
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


@pytest.mark.parametrize("body", [b'{"Name": "live", "Funct', b"\x00", b"<html>proxy</html>"])
def test_an_answer_that_is_no_whole_json_is_no_empty_one(body: bytes) -> None:
    model = SimpleNamespace(name="GetAlias", has_streaming_output=False)
    answer = {"headers": {"content-type": "application/json"}, "status_code": 200, "body": body}
    with pytest.raises(aws.GarbledAnswerError, match="the answer to GetAlias is no whole answer") as raised:
        aws._check_whole(model, answer)
    assert aws.is_unreachable(raised.value), "a read is repeated"
    assert not aws.is_unreachable(raised.value, unsent=True), "it may have been done"
    explained = aws.explain(raised.value)
    assert explained
    assert explained.exit_code == ExitCode.NOT_READY


@pytest.mark.parametrize(
    ("streams", "kind", "status", "body"),
    [
        (False, "application/json", 200, b""),
        (False, "application/x-amz-json-1.0", 200, b'{"Item": {}}'),
        (True, "application/json", 200, b"a function's own bytes"),
        (False, "text/xml", 200, b"<a/>"),
        (False, "application/json", 500, b"oops"),
    ],
    ids=["nothing", "json", "a stream", "xml", "an error"],
)
def test_other_answers_are_botocore_s_to_read(streams: bool, kind: str, status: int, body: bytes) -> None:
    model = SimpleNamespace(name="Call", has_streaming_output=streams)
    aws._check_whole(model, {"headers": {"content-type": kind}, "status_code": status, "body": body})
