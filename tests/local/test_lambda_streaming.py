"""Answers that are streamed: through a URL and through the API, by the runtime loop that the guide shows."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import urllib3
from test_lambda_urls import open_url, request

pytestmark = pytest.mark.cloud

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "streaming.md"
HANDLER = """
import os, time
from app import streaming

def answer(event):
    path = event["rawPath"]
    if path == "/refused":
        raise ValueError("not this")
    head = {"statusCode": 201, "headers": {"X-Own": "v"}, "cookies": ["a=1"]}
    return ({"statusCode": 9} if path == "/odd" else head), pieces(path)

def pieces(path):
    yield b"first"
    while path == "/waits" and not os.path.exists(os.environ["GO_ON"]):
        time.sleep(0.01)
    if path == "/breaks":
        os._exit(3)
    yield b"last"

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    streaming.serve(answer)
"""


def loop() -> str:
    """Return the guide's runtime loop."""
    blocks = re.findall(r"^   ```python\n(.*?)^   ```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return "".join(line[3:] if line.strip() else line for line in blocks[0].splitlines(keepends=True))


@pytest.fixture(scope="module")
def name(functions: Any) -> str:
    return str(functions.name())


@pytest.fixture(scope="module")
def streams(functions: Any, name: str, tmp_path_factory: Any) -> tuple[str, Path]:
    """Return the URL of a function that streams, and the file for which it waits."""
    go_on = tmp_path_factory.mktemp("streams") / "go-on"
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        for module, text in {"__init__": "", "streaming": loop(), "handler": HANDLER}.items():
            archive.writestr(f"app/{module}.py", text)
    url = open_url(
        functions,
        FunctionName=name,
        InvokeMode="RESPONSE_STREAM",
        Code={"ZipFile": code.getvalue()},
        Handler="app.handler.handler",
        Environment={"Variables": {"GO_ON": str(go_on)}},
    )
    return url, go_on


def test_bytes_reach_the_caller_before_the_function_ends(streams: tuple[str, Path]) -> None:
    url, go_on = streams
    answer = request(url + "waits", preload_content=False)
    assert answer.read1() == b"first"
    go_on.touch()
    assert answer.read() == b"last"
    assert (answer.status, answer.headers["X-Own"], answer.headers["Set-Cookie"]) == (201, "v", "a=1")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["x-amzn-RequestId"]


def test_a_stream_that_breaks_off_cuts_the_connection(streams: tuple[str, Path]) -> None:
    with pytest.raises(urllib3.exceptions.ProtocolError):
        request(streams[0] + "breaks")
    assert request(streams[0]).data == b"firstlast", "the next call has an environment of its own"


@pytest.mark.parametrize("path", ["refused", "odd"])
def test_what_fails_before_it_streams_and_what_is_no_status_are_bad_gateways(
    streams: tuple[str, Path], path: str
) -> None:
    assert request(streams[0] + path).status == 502


def test_a_head_request_gets_the_head_alone(streams: tuple[str, Path]) -> None:
    answer = request(streams[0], "HEAD")
    assert (answer.status, answer.headers["X-Own"], answer.data) == (201, "v", b"")


@pytest.mark.usefixtures("streams")
def test_the_api_streams_events_and_invoke_gives_all_at_once(functions: Any, name: str) -> None:
    event = b'{"rawPath": "/"}'
    answer = functions.client.invoke_with_response_stream(FunctionName=name, Qualifier="live", Payload=event)
    *pieces, end = answer["EventStream"]
    head, _, body = b"".join(piece["PayloadChunk"]["Payload"] for piece in pieces).partition(bytes(8))
    assert (json.loads(head)["statusCode"], body, answer["ExecutedVersion"]) == (201, b"firstlast", "1")
    assert end == {"InvokeComplete": {}}
    whole = functions.client.invoke(FunctionName=name, Qualifier="live", Payload=event)["Payload"].read()
    assert whole == head + bytes(8) + body
    failed = functions.client.invoke_with_response_stream(FunctionName=name, Payload=b'{"rawPath": "/refused"}')
    (end,) = failed["EventStream"]
    assert json.loads(end["InvokeComplete"]["ErrorDetails"])["errorMessage"] == "not this"


def test_a_handler_that_does_not_stream_answers_through_such_a_url_too(functions: Any) -> None:
    source = "def handler(event, context):\n    return {'statusCode': 404, 'body': 'no'}\n"
    answer = request(open_url(functions, source, InvokeMode="RESPONSE_STREAM"))
    assert (answer.status, answer.data) == (404, b"no")
