"""What a person sees of a function's log."""

from __future__ import annotations

import json

import pytest

from stepladder.aws_lambda.log_lines import lines, shown

METRICS = {"durationMs": 12.345, "billedDurationMs": 95, "memorySizeMB": 256, "maxMemoryUsedMB": 45}
REPORT = (
    "REPORT RequestId: 8f50\tDuration: 12.35 ms\tBilled Duration: 95 ms\tMemory Size: 256 MB\tMax Memory Used: 45 MB\t"
)


def platform(kind: str, **record: object) -> str:
    return json.dumps({"time": "2026-11-21T00:00:00.000Z", "type": f"platform.{kind}", "record": record})


@pytest.mark.parametrize(
    "line",
    [
        "a word of its own",
        '{"level": "INFO", "message": "platform.start is what I watch"}',
        '{"type": "platform.report"} and no JSON after all',
        '{"type": "platform.mine"}',
        '{"type": "platform.report", "record": {"metrics": "mine"}}',
        "START of something",
        "REPORT: all is well",
    ],
)
def test_the_functions_own_lines_are_shown_as_they_are(line: str) -> None:
    assert shown(line) == line


@pytest.mark.parametrize(
    "line",
    [
        platform("initStart", phase="init"),
        platform("start", requestId="8f50", version="3"),
        platform("initReport", metrics={"durationMs": 80.1}, phase="init"),
        "START RequestId: 8f50 Version: 3",
        "END RequestId: 8f50",
        "INIT_START Runtime Version: python:3.13.v1",
        "XRAY TraceId: 1-5e3 SegmentId: 4 Sampled: true",
    ],
)
def test_what_lambda_writes_around_them_is_left_out_unless_asked_for(line: str) -> None:
    assert shown(line) == ""
    assert shown(line, whole=True) == line


@pytest.mark.parametrize(
    ("line", "summary"),
    [
        (platform("report", metrics=METRICS, status="success"), "took 12 ms, 45 of 256 MB"),
        (
            platform("report", metrics={**METRICS, "initDurationMs": 80.9}, status="error", errorType="KeyError"),
            "took 12 ms after 81 ms of init, 45 of 256 MB, error",
        ),
        (REPORT, "took 12 ms, 45 of 256 MB"),
        (f"{REPORT}Init Duration: 80.90 ms\tStatus: timeout", "took 12 ms after 81 ms of init, 45 of 256 MB, timeout"),
    ],
)
def test_lambdas_report_becomes_one_line_of_time_and_memory(line: str, summary: str) -> None:
    assert shown(line) == summary


STACK = ('  File "/var/task/app/handler.py", line 3, in handler', "    return 1 / 0", "           ~~^~~")
HEAD = "[ERROR] ZeroDivisionError: division by zero"
OWN = "[ERROR]\t2026-11-26T00:00:00Z\t8f50\tlogged\nTraceback (most recent call last):\n  File x, in y\nKeyError: 1"


def runtime_log(separator: str) -> str:
    """What Lambda's Python runtime writes of a call that failed, by its own indentation."""
    indented = [line.replace("  ", "\xa0\xa0") for line in STACK]
    return separator.join([HEAD, "Traceback (most recent call last):", *indented])


@pytest.mark.parametrize("separator", ["\r", "\n"], ids=["to standard output", "to Lambda's own socket"])
def test_the_stack_of_a_call_that_failed_is_left_to_its_answer(separator: str) -> None:
    log = f"before\n{runtime_log(separator)}\n{OWN}\nafter"
    assert lines(log) == ["before", HEAD, *OWN.splitlines(), "after"]
    assert lines(log, whole=True) == log.splitlines()


def test_a_stack_whose_beginning_the_log_has_lost_is_left_out_too() -> None:
    lost = runtime_log("\n").partition("return")[2]
    assert lines(f"{lost}\nafter")[1:] == ["after"]


def test_a_structured_line_of_a_call_that_failed_is_shown_without_its_stack() -> None:
    record = {"level": "ERROR", "errorType": "ZeroDivisionError", "errorMessage": "division by zero"}
    assert lines(json.dumps({**record, "stackTrace": list(STACK)})) == [HEAD]
    assert lines(json.dumps({"level": "INFO", "stackTrace": "mine", "errorType": "mine"})) != [HEAD]


@pytest.mark.parametrize(
    "line",
    [
        "REPORT RequestId: 8f50",
        "REPORT RequestId: 8f50\tDuration: 1.2.3 ms\t",
        "REPORT RequestId: 8f50\tMax Memory Used: 45 MB\t",
        platform("report", metrics={"durationMs": None}),
        f'{"[" * 100_000}"platform.report"',
        f'{"[" * 100_000}"stackTrace" "errorType"',
    ],
)
def test_a_line_that_only_begins_like_lambdas_own_is_shown_as_it_is(line: str) -> None:
    assert shown(line) == line


def test_a_report_is_summed_up_by_those_of_its_metrics_that_are_numbers() -> None:
    metrics = {"durationMs": "12", "initDurationMs": "long", "maxMemoryUsedMB": None}
    assert shown(platform("report", metrics=metrics)) == "took 12 ms"
