"""`inv serve`: whose requests its front takes, and which environment it serves unasked."""

from __future__ import annotations

import base64
import io
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from localcloud.launchers.runtime_api import REQUEST_LIMIT, InvocationOutcome
from localcloud.services.lambda_.execution.environments import InvocationReport
from stepladder.commands import debugger, serve, source_files
from stepladder.commands.serve_front import Front
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError
from stepladder.releases import variables
from stepladder.releases.variables import FunctionVariables
from stepladder.settings.load import Settings, load

AT = {"account": "123456789012", "region": "eu-west-1"}


class Function:
    """A fake of the function: keeps its events, answers `answer` or fails with `error`."""

    def __init__(self, answer: Any = None, error: str = "") -> None:
        self.answer, self.error = answer, error
        self.events: list[Any] = []

    def call(self, payload: bytes, request_id: str, client_context: str = "") -> InvocationReport:
        self.events.append(json.loads(payload))
        outcome = InvocationOutcome(json.dumps(self.answer).encode(), self.error)
        return InvocationReport(outcome, 1.0, None, b"its log")


class Fronted:
    """A front, and requests to it."""

    def __init__(self, function: Function, *kinds: str) -> None:
        self.err = io.StringIO()
        console = Console(err=self.err, out=io.StringIO(), live=False)
        raw = {"project": "orders", "rungs": ["staging"], "environments": {"staging": AT}, "triggers": list(kinds)}
        self.front = Front(function, serve._front_options(load(raw, Path()), "staging"), console)

    def send(
        self, target: str, method: str = "GET", body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], str]:
        sent: dict[str, str] = {}
        status = ""

        def start_response(given: str, pairs: list[tuple[str, str]]) -> None:
            nonlocal status
            status = given
            sent.update(pairs)

        names = {"host": "localhost:8000", **{name.replace("_", "-"): value for name, value in headers.items()}}
        environ = {
            "RAW_URI": target,
            "REQUEST_METHOD": method,
            "wsgi.input": io.BytesIO(body),
            "stepladder.headers": list(names.items()),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in names.items()},
        }
        body = b"".join(self.front(environ, start_response))
        return int(status.split(maxsplit=1)[0]), sent, body.decode()


INVOKE = "/2015-03-31/functions/any/invocations"


@pytest.mark.parametrize(
    ("kinds", "account"),
    [
        (("url",), "anonymous"),
        (("sqs", "url-iam"), "123456789012"),
        (("sqs", "http-api"), "123456789012"),
        ((), "anonymous"),
    ],
)
def test_a_request_is_an_event_as_the_functions_trigger_makes_it(kinds: tuple[str, ...], account: str) -> None:
    function = Function({"statusCode": 201, "body": "made"})
    status, headers, body = Fronted(function, *kinds).send("/a/b?c=1", "POST", b"x", x_own="v")
    (event,) = function.events
    assert (status, body, headers["Content-Length"]) == (201, "made", "4")
    assert (event["rawPath"], event["rawQueryString"], event["headers"]["x-own"]) == ("/a/b", "c=1", "v")
    assert (event["headers"]["host"], event["headers"]["x-forwarded-port"]) == ("localhost:8000", "8000")
    assert event["requestContext"]["accountId"] == account
    assert headers["x-amzn-RequestId"] == event["requestContext"]["requestId"]


@pytest.mark.parametrize("kinds", [("sqs",), ("schedule",), ("sqs", "schedule")])
def test_a_function_of_other_kinds_says_where_its_events_go(kinds: tuple[str, ...]) -> None:
    function = Function({"done": True})
    fronted = Fronted(function, *kinds)
    status, _, body = fronted.send("/")
    assert (status, function.events) == (404, [])
    assert f"what calls this function is {', '.join(kinds)}" in body
    url = "http://localhost:8000/2015-03-31/functions/orders/invocations"
    assert f"POST its event to {url}" in body
    assert fronted.send(url.removeprefix("http://localhost:8000"), "POST", b'{"Records": []}')[2] == '{"done": true}'
    assert function.events == [{"Records": []}]


def test_a_failure_is_a_502_with_its_cause_and_its_stack() -> None:
    raised = {"errorType": "KeyError", "errorMessage": "'no'", "stackTrace": ['  File "a.py", line 1\n']}
    fronted = Fronted(Function(raised, "Unhandled"), "url")
    assert fronted.send("/")[0::2] == (502, "KeyError: 'no'\n  File \"a.py\", line 1\n")
    assert re.search(r"^GET / 502 \d+ ms  KeyError: 'no'$", fronted.err.getvalue(), re.MULTILINE)
    status, headers, body = fronted.send(INVOKE, "POST")
    assert (status, headers["X-Amz-Function-Error"], json.loads(body)) == (200, "Unhandled", raised)


def test_what_no_http_answer_can_be_made_of_says_why() -> None:
    status, _, body = Fronted(Function({"statusCode": "much"}), "url").send("/")
    assert (status, "statusCode is 'much'" in body) == (502, True)


def test_what_streams_is_answered_whole() -> None:
    function = Function()
    report = InvocationReport(InvocationOutcome(b'{"statusCode": 201}' + bytes(8) + b"a\0b"), 1.0, None, b"")
    function.call = lambda *_: report  # type: ignore[method-assign,assignment]
    assert Fronted(function, "url").send("/")[0::2] == (201, "a\0b")


def test_pages_are_answered_by_the_urls_cors_and_without_it_by_the_function(tmp_path: Path) -> None:
    triggers = [{"kind": "url", "cors": {"allow_origins": ["http://localhost:5173"], "max_age_seconds": 9}}]
    options = serve._front_options(settings(tmp_path, triggers=triggers), "staging")
    function = Function({"statusCode": 200, "headers": {"access-control-allow-origin": "mine"}, "body": "x"})
    fronted = Fronted(function, "url")
    status, headers, _ = fronted.send("/", "OPTIONS", origin="http://localhost:5173")
    assert (status, headers["access-control-allow-origin"], len(function.events)) == (200, "mine", 1)
    fronted.front = Front(function, options, Console(err=fronted.err, live=False))
    status, headers, body = fronted.send("/", "OPTIONS", origin="http://localhost:5173")
    assert (status, body, headers["Access-Control-Max-Age"], len(function.events)) == (200, "", "9", 1)
    _, headers, _ = fronted.send("/", origin="http://localhost:5173")
    assert headers["Access-Control-Allow-Origin"] == "http://localhost:5173"
    assert "access-control-allow-origin" not in headers
    assert "Access-Control-Allow-Origin" not in fronted.send("/", origin="http://evil.example")[1]


@pytest.mark.parametrize(
    ("more", "kinds"),
    [
        ({}, ("url-iam",)),
        ({"trigger": "none"}, ()),
        ({"trigger": "sqs"}, ("sqs",)),
        ({"triggers": ["url", "sqs"]}, ("url", "sqs")),
        ({"triggers": []}, ()),
    ],
)
def test_the_kinds_are_those_of_the_environments_triggers(
    tmp_path: Path, more: dict[str, Any], kinds: tuple[str, ...]
) -> None:
    assert serve._front_options(settings(tmp_path, **more), "staging").kinds == kinds


def test_invoke_in_its_types() -> None:
    function = Function("done")
    fronted = Fronted(function, "url")
    status, headers, body = fronted.send(INVOKE, "POST", b"7", x_amz_log_type="Tail")
    assert (status, body, base64.b64decode(headers["X-Amz-Log-Result"])) == (200, '"done"', b"its log")
    assert headers["X-Amz-Executed-Version"] == "$LATEST"
    assert fronted.send(INVOKE, "POST", b"{}", x_amz_invocation_type="DryRun")[0] == 204
    assert function.events == [7]
    status, headers, _ = fronted.send(INVOKE, "POST", b"{no JSON")
    assert (status, headers["x-amzn-ErrorType"]) == (400, "InvalidRequestContentException")


def test_a_body_that_lambda_would_refuse_is_refused() -> None:
    function = Function()
    assert Fronted(function, "url").send("/", "POST", b"x" * (REQUEST_LIMIT + 1))[0] == 413
    assert function.events == []


def test_a_request_can_not_control_the_terminal() -> None:
    fronted = Fronted(Function("x"), "url")
    fronted.send("/\x1b[2Ja")
    assert "\x1b" not in fronted.err.getvalue()


def settings(tmp_path: Path, **more: Any) -> Settings:
    environments = {"staging": AT, "production": AT}
    return load(
        {"project": "orders", "rungs": ["staging", "production"], "environments": environments, **more}, tmp_path
    )


def test_another_environment_than_the_lowest_is_confirmed_or_refused(tmp_path: Path) -> None:
    err = io.StringIO()
    console = Console(err=err, out=io.StringIO(), live=False)
    with pytest.raises(RefusedError, match="nobody confirmed") as refusal:
        serve.serve(settings(tmp_path), serve.ServeOptions(env="production", port=0), console)
    assert "`inv serve --env production --yes`" in refusal.value.hint
    assert "the function gets the variables of production" in err.getvalue()
    with pytest.raises(BadInputError):
        serve.serve(settings(tmp_path), serve.ServeOptions(env="prodution", confirmed=True), console)


@pytest.mark.parametrize("options", [{"port": -1}, {"port": 65_536}, {"debug_port": 70_000}], ids=str)
def test_what_is_no_port_is_refused(tmp_path: Path, options: dict[str, int]) -> None:
    console = Console(err=io.StringIO(), out=io.StringIO(), live=False)
    with pytest.raises(BadInputError, match="allowed: 0 to 65535"):
        serve.serve(settings(tmp_path), serve.ServeOptions(**options), console)


def test_a_port_where_another_listens_is_named(tmp_path: Path) -> None:
    console = Console(err=io.StringIO(), out=io.StringIO(), live=False)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        with pytest.raises(NotReadyError, match=f"port {port} is taken") as refusal:
            serve.serve(settings(tmp_path), serve.ServeOptions(port=port), console)
    assert refusal.value.kind == "port-taken"


def test_credentials_are_passed_only_to_a_function_that_needs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[profile dev]\naws_access_key_id = FROMPROFILE\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "dev")
    monkeypatch.setattr(serve.aws, "_session", serve.aws._session.__wrapped__)
    console = Console(err=io.StringIO(), out=io.StringIO(), live=False)

    def passed(values: dict[str, str]) -> dict[str, str]:
        read = settings(tmp_path, function={"environment": {"COLOUR": "red"}})
        return dict(serve._Credentials(read, "staging", FunctionVariables(values), console).read())

    assert passed({"COLOUR": "red"}) == {}
    table = passed({"COLOUR": "red", "TABLE": "made by Terraform"})
    assert table == {"AWS_ACCESS_KEY_ID": "FROMPROFILE", "AWS_SECRET_ACCESS_KEY": "s"}


def test_a_function_with_a_secret_gets_its_reference_and_the_credentials_to_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "MINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setattr(serve.aws, "_session", serve.aws._session.__wrapped__)
    read = settings(tmp_path, function={"secrets": {"DATABASE_URL": "ssm"}})
    own = variables.of(read, "staging")
    assert own.values == {"DATABASE_URL": "ssm:/orders/staging/DATABASE_URL"}
    console = Console(err=io.StringIO(), out=io.StringIO(), live=False)
    assert serve._Credentials(read, "staging", own, console).read()["AWS_ACCESS_KEY_ID"] == "MINE"


def test_without_debugpy_the_message_says_how_to_add_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debugger, "PACKAGE", "no_such_debugger")
    with pytest.raises(NotReadyError, match="there is no debugpy") as refusal:
        debugger.Debugger(5678, tmp_path, tmp_path)
    assert "`uv add --dev debugpy`" in refusal.value.hint


def test_a_container_has_no_debugger_and_the_message_says_what_has(tmp_path: Path) -> None:
    debugger.Debugger(0, tmp_path, tmp_path).refuse_container()
    with pytest.raises(NotReadyError, match="in a container") as refusal:
        debugger.Debugger(5678, tmp_path, tmp_path).refuse_container()
    assert "`stepladder.image.builder` to layers" in refusal.value.hint


def test_a_change_of_the_files_is_seen_and_what_tools_leave_is_none(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/handler.py").write_text("one")
    (tmp_path / "app/gone").symlink_to(tmp_path / "nowhere")
    before = source_files.signature(tmp_path)
    assert source_files.signature(tmp_path) == before
    (tmp_path / "app/__pycache__").mkdir()
    (tmp_path / "app/__pycache__/handler.cpython-313.pyc").write_text("compiled")
    (tmp_path / "app/.handler.py.swp").write_text("an editor's")
    assert source_files.signature(tmp_path) == before
    for change in (
        lambda: (tmp_path / "app/handler.py").write_text("other"),
        lambda: (tmp_path / "app/new.py").write_text(""),
        lambda: (tmp_path / "app/new.py").rename(tmp_path / "app/renamed.py"),
        (tmp_path / "app/renamed.py").unlink,
    ):
        change()
        assert source_files.signature(tmp_path) != before
        before = source_files.signature(tmp_path)
