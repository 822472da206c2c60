"""`inv serve` as a process: requests, saves, a debugger, and what is left when it has ended."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from debug_client import DebugClient
from served_project import ERROR_LINE, HANDLER, Served

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    project = Served(tmp_path_factory.mktemp("served"), named=True)
    project.start()
    yield project
    project.stop()


def test_a_request_is_the_event_of_the_handler_that_the_settings_name_and_is_shown_with_its_log(served: Served) -> None:
    answer = served.get("/a?b=1")
    assert (answer.status, answer.data, answer.headers["x-query"]) == (200, b"one", "b=1")
    assert "  INFO asked for /a\n" in served.printed
    assert "GET /a?b=1 200 " in served.printed


def test_the_function_has_the_variables_of_the_lowest_rung_and_no_credentials(served: Served) -> None:
    seen = served.get("/environment").json()
    assert (seen["colour"], seen["key"]) == ("red", None)


def test_the_next_request_after_a_save_runs_the_new_code_and_one_under_way_ends_with_the_old(served: Served) -> None:
    served.say("old")
    assert served.get("/").data == b"old"
    slow: list[bytes] = []
    under_way = threading.Thread(target=lambda: slow.append(served.get("/slow").data))
    under_way.start()
    while served.printed.count("asked for /slow") < 1:
        time.sleep(0.01)
    served.say("new")
    assert served.get("/").data == b"new"
    assert not slow, "it was still under way"
    served.go_on.touch()
    under_way.join()
    assert slow == [b"old"]


def test_a_syntax_error_is_answered_until_it_is_fixed(served: Served) -> None:
    served.handler.write_text("def handler(event, context:\n")
    answer = served.get("/")
    assert answer.status == 502
    assert "function/app/handler.py:1: '(' was never closed" in answer.data.decode()
    assert "[bad-handler]" in served.printed
    served.say("fixed")
    assert served.get("/").data == b"fixed"


def test_what_fails_while_it_is_imported_is_answered_too(served: Served) -> None:
    served.handler.write_text("raise LookupError('no database')\n\ndef handler(event, context):\n    return 1\n")
    answer = served.get("/")
    assert (answer.status, answer.data.decode().splitlines()[0]) == (502, "LookupError: no database")
    served.say("imported")
    assert served.get("/").data == b"imported"


def test_what_the_handler_raises_is_a_502_with_its_stack(served: Served) -> None:
    served.say("one")
    answer = served.get("/fail")
    assert (answer.status, answer.data.decode().splitlines()[0]) == (502, "KeyError: 'no'")
    assert f'File "/var/task/app/handler.py", line {ERROR_LINE}, in handler' in answer.data.decode()


def test_lambdas_own_invoke_takes_any_event(served: Served) -> None:
    client = boto3.client(
        "lambda", "eu-west-1", endpoint_url=served.url, aws_access_key_id="x", aws_secret_access_key="x"
    )
    answer = client.invoke(FunctionName="orders", Payload=json.dumps({"records": [1, 2]}), LogType="Tail")
    assert json.load(answer["Payload"]) == {"count": 2, "name": "orders-staging"}
    assert "FunctionError" not in answer
    failed = client.invoke(FunctionName="orders", Payload=b"{}")
    assert (failed["FunctionError"], json.load(failed["Payload"])["errorType"]) == ("Unhandled", "KeyError")
    assert client.invoke(FunctionName="orders", InvocationType="Event", Payload=b"{}")["StatusCode"] == 202
    assert "Invoke KeyError: 'rawPath'" in served.printed


def test_a_file_that_was_saved_as_it_was_reloads_nothing(served: Served) -> None:
    served.say("same")
    pid = served.get("/environment").json()["pid"]
    served.say("same")
    assert served.get("/environment").json()["pid"] == pid


def test_the_guides_commands_do_what_it_says(served: Served) -> None:
    served.say("guided")
    served.write("tests/events/event.json", '{"records": [1]}')
    guide = (ROOT / "docs/guides/everyday.md").read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL) for line in block.splitlines()]
    typed = [line.replace("localhost:8000", urlsplit(served.url).netloc) for line in lines if line.startswith("curl ")]
    typed += [line.replace("inv ", f"{sys.executable} -m invoke ", 1) for line in lines if "--local" in line]
    answers = []
    for line in typed:
        done = subprocess.run(
            line, shell=True, cwd=served.root, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, (line, done.stderr)
        answers.append(done.stdout)
    assert answers == ["guided", "guided", '{"count": 1, "name": "orders-staging"}', "guided"]
    for block in re.findall(r"```json\n(.*?)```", guide, re.DOTALL):
        json.loads(block)


def test_a_page_of_another_name_is_refused(served: Served) -> None:
    assert served.get("/", headers={"Host": "evil.example"}).status == 403
    assert served.get("/", headers={"Origin": "http://localhost:5173"}).status == 200
    invoke = "/2015-03-31/functions/f/invocations"
    assert served.get(invoke, "POST", body=b"{}", headers={"Origin": "http://localhost:5173"}).status == 403


def test_a_change_of_the_settings_says_that_a_new_start_is_needed(served: Served) -> None:
    path = served.root / "invoke.yaml"
    path.write_text(path.read_text() + "# more\n")
    served.get("/")
    assert served.printed.count("invoke.yaml has changed; start `inv serve` again") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_is_left_of_one_that_was_killed(served: Served) -> None:
    served.get("/")
    assert any("sandbox_main" in line for line in served.processes)
    assert served.end(signal.SIGKILL) == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while served.processes:
        assert time.monotonic() < deadline, served.processes
        time.sleep(0.02)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Served]:
    """A project of which one call may take a second; whoever starts it needn't end it."""
    project = Served(tmp_path, timeout=1)
    yield project
    project.stop()


def test_a_debugger_stops_in_the_file_that_is_edited_and_again_after_a_save(project: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    project.start("--debug-port", str(port))
    line = 1 + HANDLER.splitlines().index('    path = event["rawPath"]')
    answers: list[bytes] = []

    def save() -> None:
        project.say("two")
        time.sleep(1.1)  # longer than the function's timeout

    for word, meanwhile in (("one", save), ("two", lambda: None)):
        client = DebugClient(port)
        client.break_at(project.handler, line)
        request = threading.Thread(target=lambda: answers.append(project.get("/x").data))
        request.start()
        assert client.value_where_stopped("SAYS", meanwhile) == f"'{word}'"
        request.join()
        client.close()
        _wait_for_reload(project)
    assert answers == [b"one", b"two"]
    assert project.end(signal.SIGINT) == 130
    assert "error" not in project.printed
    assert "no debugger" not in project.printed
    assert not list((project.root / ".stepladder/cache").glob(".local-*"))


def _wait_for_reload(project: Served) -> None:
    """Wait until the new code is there; nobody needs to send a request for that."""
    while "reloaded" not in project.printed:
        time.sleep(0.02)
