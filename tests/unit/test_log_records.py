"""What is read of an event of a log group, whoever wrote it."""

from __future__ import annotations

import json

import pytest

from stepladder.aws_lambda.log_records import LogLine, parse, read

ID = "8f507cfc-0a1b-4c2d-8e3f-0123456789ab"
USED = "Memory Size: 256 MB\tMax Memory Used: 45 MB\t"
REPORT = f"REPORT RequestId: {ID}\t"
EXITED = "Error: Runtime exited with error: exit status 1\nRuntime.ExitError"
TIMEOUT = "Task timed out after 3.00 seconds"
MENTIONED = "it says Traceback (most recent call last): in a line"
FRAME = '  File "/var/task/app/handler.py", line 3, in handler\n    raise ValueError("boom")\n'


def platform(kind: str, **record: object) -> str:
    return json.dumps({"type": f"platform.{kind}", "record": record})


def facts(line: LogLine) -> tuple[str, str, str, bool]:
    return line.level, line.message, line.request_id, line.is_error


def test_a_line_of_lambdas_json_logger_with_its_exception() -> None:
    line = parse(
        json.dumps(
            {
                "timestamp": "2026-11-26T08:00:00Z",
                "level": "ERROR",
                "message": "no order",
                "logger": "root",
                "stackTrace": [FRAME],
                "errorType": "ValueError",
                "errorMessage": "boom",
                "requestId": ID,
                "location": "/var/task/app/handler.py:handler:3",
                "order": 7,
            }
        )
    )
    assert facts(line) == ("ERROR", "no order", ID, True)
    assert line.stack == (*FRAME.splitlines(), "ValueError: boom")
    assert line.fields == {"order": 7}


def test_what_the_handler_raised_in_json() -> None:
    text = json.dumps(
        {
            "timestamp": "t",
            "log_level": "ERROR",
            "errorMessage": "boom",
            "errorType": "ValueError",
            "requestId": ID,
            "stackTrace": [FRAME],
        }
    )
    line = parse(text)
    assert facts(line) == ("ERROR", "ValueError: boom", ID, True)
    assert line.stack == tuple(FRAME.splitlines())


def test_what_the_handler_raised_in_text_with_the_breaks_and_blanks_that_the_runtime_writes() -> None:
    line = parse(f"[ERROR] ValueError: boom\rTraceback (most recent call last):\r{FRAME}".replace("  ", "\xa0\xa0"))
    assert facts(line) == ("ERROR", "ValueError: boom", "", True)
    assert line.stack == ("Traceback (most recent call last):", *FRAME.splitlines())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"[WARNING]\t2026-11-26T08:00:00.1Z\t{ID}\tnearly full\n", ("WARNING", "nearly full", ID, False)),
        ("[INFO]\t2026-11-26T08:00:00.1Z\t\tbefore the first call", ("INFO", "before the first call", "", False)),
        (f"2026-11-26T08:00:00.1Z {ID} {TIMEOUT}\n", ("ERROR", TIMEOUT, ID, True)),
        (f"RequestId: {ID} {EXITED}", ("ERROR", EXITED, ID, True)),
        ("a word of its own", ("", "a word of its own", "", False)),
        ('{"no": "log record"}', ("", '{"no": "log record"}', "", False)),
        ("{not JSON", ("", "{not JSON", "", False)),
        ("[1, 2]", ("", "[1, 2]", "", False)),
        ('{"level": "info", "event": "paid", "request_id": "r"}', ("INFO", "paid", "r", False)),
        ('{"level": 50, "msg": "node"}', ("50", "node", "", False)),
        ('{"level": "ERROR", "message": {"a": 1}}', ("ERROR", '{"a": 1}', "", True)),
        (MENTIONED, ("", MENTIONED, "", False)),
    ],
)
def test_level_message_request_and_whether_it_is_an_error(text: str, expected: tuple[str, str, str, bool]) -> None:
    assert facts(parse(text)) == expected


@pytest.mark.parametrize("key", ["exception", "exc_info", "stack_trace"])
def test_an_exception_that_another_logger_wrote_as_one_text(key: str) -> None:
    trace = f"Traceback (most recent call last):\n{FRAME}ValueError: boom"
    line = parse(json.dumps({"level": "info", "event": "order", key: trace}))
    assert (line.is_error, line.stack) == (True, tuple(trace.splitlines()))


@pytest.mark.parametrize(
    ("text", "message", "is_error"),
    [
        (f"START RequestId: {ID} Version: 3", "", False),
        (f"END RequestId: {ID}", "", False),
        (
            f"REPORT RequestId: {ID}\tDuration: 12.35 ms\tBilled Duration: 13 ms\t{USED}",
            "took 12 ms, 45 of 256 MB",
            False,
        ),
        (
            f"REPORT RequestId: {ID}\tDuration: 3000 ms\tBilled Duration: 3000 ms\t{USED}Status: timeout",
            "took 3000 ms, 45 of 256 MB, timeout",
            True,
        ),
        (
            "INIT_REPORT Init Duration: 9.83 ms\tStatus: timeout",
            "INIT_REPORT Init Duration: 9.83 ms  Status: timeout",
            True,
        ),
        (platform("start", requestId=ID, version="3"), "", False),
        (
            platform("initReport", status="error", errorType="Runtime.ImportModuleError"),
            "init: error (Runtime.ImportModuleError)",
            True,
        ),
        (platform("report", requestId=ID, status="success", metrics={"durationMs": 1.2}), "took 1 ms", False),
    ],
)
def test_what_lambda_writes_is_short_or_hidden_and_an_error_when_it_says_so(
    text: str, message: str, is_error: bool
) -> None:
    line = parse(text)
    assert (line.platform, line.message, line.is_error) == (True, message, is_error)
    assert line.request_id in (ID, "")


def test_the_version_is_in_the_name_of_the_stream() -> None:
    event = {"timestamp": 5, "message": "hello", "eventId": "1"}
    assert read({**event, "logStreamName": "2026/11/26/[12]0a1b"}, "function", "g").version == "12"
    assert read({**event, "logStreamName": "2026/11/26/orders[$LATEST]0a1b"}, "function", "g").version == "$LATEST"
    assert read({**event, "logStreamName": "made by hand"}, "function", "g").version == ""
