"""Invocations: answers, errors, timeouts, crashes, logs, metrics, routing, throttling."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import needs
import pytest
from asking import until

from localcloud import process_start
from stepladder.aws_lambda import log_lines

pytestmark = pytest.mark.cloud

SLEEPY = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"


def test_a_handler_gets_its_event_and_a_context(functions: Any) -> None:
    name = functions.create(
        "def handler(event, context):\n"
        "    return [event, context.function_name, context.invoked_function_arn, context.memory_limit_in_mb,\n"
        "            context.get_remaining_time_in_millis(), context.aws_request_id, context.log_group_name]\n",
        MemorySize=256,
        Timeout=20,
    )
    result, answer = functions.invoke(name, {"a": 1})
    event, own_name, arn, memory, left, request_id, group = result
    assert (event, own_name, memory, group) == ({"a": 1}, name, "256", f"/aws/lambda/{name}")
    assert arn == f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert 15_000 < left <= 20_000
    assert request_id == answer["ResponseMetadata"]["RequestId"]
    assert answer["ExecutedVersion"] == "$LATEST"


def test_the_environment_is_lambdas_and_nothing_of_the_hosts_leaks(
    functions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = functions.create(
        "import os, sys\ndef handler(event, context):\n    return [dict(os.environ), os.getcwd(), sys.path]\n",
        Environment={"Variables": {"COLOUR": "blue"}},
    )
    (variables, folder, path), _ = functions.invoke(name)
    assert variables.pop("COLOUR") == "blue"
    assert variables["LAMBDA_TASK_ROOT"] == folder == path[0]
    assert variables["AWS_ENDPOINT_URL"] == functions.cloud.url
    assert variables["AWS_ACCESS_KEY_ID"].startswith("ASIA"), "credentials of the function's own role"
    assert variables["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
    assert variables["TZ"] == ":UTC"
    known = (
        "AWS_",
        "LAMBDA_",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "LANG",
        "LC_CTYPE",
        "TZ",
        "PATH",
        "PYTHONPATH",
        "HOME",
        "TMPDIR",
    )
    assert [v for v in variables if not v.startswith(known)] == []
    assert not [entry for entry in path if entry.endswith("site-packages")]


def test_boto3_is_there_and_talks_to_the_local_cloud(functions: Any) -> None:
    name = functions.create(
        "import boto3\ndef handler(event, context):\n    return boto3.client('sts').get_caller_identity()['Account']\n",
        Timeout=30,
        MemorySize=512,
    )
    assert functions.invoke(name)[0] == "123456789012"


def test_what_a_handler_raises_comes_back_with_its_type_and_trace(functions: Any) -> None:
    name = functions.create("def handler(event, context):\n    raise KeyError('missing')\n")
    result, answer = functions.invoke(name, LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert result["errorType"] == "KeyError"
    assert "app.py" in result["stackTrace"][0]
    log = base64.b64decode(answer["LogResult"]).decode()
    assert "app.py" in log
    assert "[ERROR] KeyError: 'missing'" in log_lines.lines(log)
    assert "app.py" not in "".join(log_lines.lines(log))


@pytest.mark.parametrize(
    ("source", "handler", "kind"),
    [
        pytest.param("import nowhere\n", "app.handler", "Runtime.ImportModuleError", id="an import that fails"),
        pytest.param("def handler(:\n", "app.handler", "Runtime.UserCodeSyntaxError", id="a syntax error"),
        pytest.param("x = 1\n", "app.handler", "Runtime.HandlerNotFound", id="a missing handler"),
        pytest.param("x = 1\n", "handler", "Runtime.MalformedHandlerName", id="a handler without module"),
        pytest.param("import sys\nsys.exit(3)\n", "app.handler", "Runtime.ExitError", id="an exit while loading"),
    ],
)
def test_a_failing_init_is_reported_with_lambdas_error_type(
    functions: Any, source: str, handler: str, kind: str
) -> None:
    name = functions.create(source, Handler=handler)
    result, answer = functions.invoke(name)
    assert (answer["FunctionError"], result["errorType"]) == ("Unhandled", kind)


@pytest.mark.timing("a new environment is bounded to 25 s")
def test_a_timeout_ends_the_environment_and_says_so(functions: Any) -> None:
    name = functions.create("import time\nprint('loaded')\n" + SLEEPY, Timeout=1)
    began = time.monotonic()
    result, answer = functions.invoke(name, 30, LogType="Tail")
    assert time.monotonic() - began < 25
    assert answer["FunctionError"] == "Unhandled"
    assert result["errorType"] == "Sandbox.Timedout"
    assert result["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert "Task timed out after 1.00 seconds" in functions.tail(answer)
    assert functions.invoke(name, 0)[0] == 0
    assert functions.log(name).count("loaded") == 2


def test_a_crash_of_the_process_is_an_exit_error_and_the_next_call_works(functions: Any) -> None:
    name = functions.create(
        "import os\ndef handler(event, context):\n    if event: os._exit(event)\n    return 'fine'\n"
    )
    result, answer = functions.invoke(name, 7)
    assert (answer["FunctionError"], result["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert result["errorMessage"].endswith("Runtime exited with error: exit status 7")
    assert functions.invoke(name, 0)[0] == "fine"


def test_a_killed_process_names_the_signal(functions: Any) -> None:
    name = functions.create("import os\ndef handler(event, context):\n    os.kill(os.getpid(), 9)\n")
    assert functions.invoke(name)[0]["errorMessage"].endswith("Runtime exited with error: signal: killed")


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (
            "def again(n):\n        return again(n + 1)\n    again(0)",
            "RecursionError",
            "maximum recursion depth exceeded",
        ),
        ("raise ValueError('x' * 400_000)", "ValueError", "x" * 400_000),
    ],
    ids=["a traceback of a thousand frames", "a message of 400 kB"],
)
def test_a_long_report_of_a_failure_is_taken_whole(functions: Any, body: str, kind: str, message: str) -> None:
    name = functions.create(
        f"import os\nPID = os.getpid()\ndef handler(event, context):\n    if event: return PID\n    {body}\n"
    )
    first = functions.invoke(name, 1)[0]
    result, answer = functions.invoke(name)
    assert (answer["FunctionError"], result["errorType"]) == ("Unhandled", kind)
    assert result["errorMessage"].startswith(message)
    assert functions.invoke(name, 1)[0] == first  # the environment lives on


def test_an_interrupt_is_reported_in_lambdas_words(functions: Any) -> None:
    name = functions.create("def handler(event, context):\n    raise KeyboardInterrupt\n")
    result, _ = functions.invoke(name)
    assert (result["errorType"], result["errorMessage"].partition("Error: ")[2]) == (
        "Runtime.ExitError",
        "Runtime exited with error: signal: interrupt",
    )


def test_a_line_without_an_end_is_in_its_own_invocations_log(functions: Any) -> None:
    name = functions.create("def handler(event, context):\n    print(event, end='')\n")
    for word in ("first", "second"):
        tail = functions.tail(functions.invoke(name, word, LogType="Tail")[1])
        assert [line for line in tail.splitlines() if line in ("first", "second", "firstsecond")] == [word]


def test_a_function_over_its_memory_is_killed(functions: Any) -> None:
    name = functions.create(
        "import time\ndef handler(event, context):\n    x = b'x' * 2**28\n    time.sleep(20)\n", Timeout=25
    )
    assert functions.invoke(name)[0]["errorType"] == "Runtime.ExitError"


def test_an_answer_over_six_megabytes_is_refused(functions: Any) -> None:
    name = functions.create("def handler(event, context):\n    return 'x' * event\n", Timeout=30, MemorySize=1024)
    assert functions.invoke(name, 7_000_000)[0]["errorType"] == "Function.ResponseSizeTooLarge"
    assert len(functions.invoke(name, 5_000_000)[0]) == 5_000_000


def test_a_request_over_six_megabytes_or_no_json_is_refused(functions: Any, code: Any) -> None:
    name = functions.create()
    big = json.dumps("x" * (6_291_456 - 1)).encode()  # with its quotes one byte too much
    with pytest.raises(functions.client.exceptions.RequestTooLargeException, match="limit 6291456 bytes"):
        functions.client.invoke(FunctionName=name, Payload=big)
    assert functions.client.invoke(FunctionName=name, Payload=big[:-2] + b'"')["StatusCode"] == 200
    assert code(functions.client.invoke, FunctionName=name, Payload=b"NaN") == "InvalidRequestContentException"
    assert code(functions.client.invoke, FunctionName=name, Payload=b"[" * 200_000) == "InvalidRequestContentException"
    assert code(functions.client.invoke, FunctionName=name, Payload=b"{no json") == "InvalidRequestContentException"


def test_a_warm_environment_is_reused_and_an_update_retires_it(functions: Any) -> None:
    source = "import uuid\nME = uuid.uuid4().hex\ndef handler(event, context):\n    return ME\n"
    name = functions.create(source)
    first = functions.invoke(name)[0]
    assert functions.invoke(name)[0] == first
    functions.client.update_function_configuration(FunctionName=name, Environment={"Variables": {"NEW": "1"}})
    functions.wait(name)
    assert functions.invoke(name)[0] != first


def test_invocations_at_once_get_an_environment_each(functions: Any) -> None:
    name = functions.create(
        "import time, uuid\nME = uuid.uuid4().hex\ndef handler(event, context):\n    time.sleep(2)\n    return ME\n",
        Timeout=20,
    )
    results: list[Any] = []

    def call(client: Any) -> None:
        answer = client.invoke(FunctionName=name)
        results.append(json.loads(answer["Payload"].read()))

    threads = [threading.Thread(target=call, args=[functions.cloud.client("lambda")]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 4


def test_reserved_concurrency_throttles_with_429(functions: Any, code: Any) -> None:
    name = functions.create(SLEEPY, Timeout=20)
    functions.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert code(functions.client.invoke, FunctionName=name, Payload=b"0") == "TooManyRequestsException"
    functions.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    busy = threading.Thread(
        target=functions.cloud.client("lambda").invoke, kwargs={"FunctionName": name, "Payload": b"3"}
    )
    busy.start()
    until(lambda: functions.log(name), bool)  # it has begun
    assert code(functions.client.invoke, FunctionName=name, Payload=b"0") == "TooManyRequestsException"
    busy.join()
    functions.client.delete_function_concurrency(FunctionName=name)
    assert functions.invoke(name, 0)[0] == 0


def test_a_weighted_alias_routes_by_its_weights(functions: Any) -> None:
    name = functions.create()
    first = functions.publish(name)
    functions.update(name, "def handler(event, context):\n    return 2\n")
    second = functions.publish(name)
    functions.client.create_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion=first,
        RoutingConfig={"AdditionalVersionWeights": {second: 0.25}},
    )
    functions.order("seed", seed=7)
    seen = Counter(functions.invoke(name, Qualifier="live")[1]["ExecutedVersion"] for _ in range(200))
    assert set(seen) == {first, second}
    assert 30 <= seen[second] <= 70


@pytest.fixture
def streams_keep_their_order() -> bool:
    """Whether a line to stdout is logged before a later one to stderr: a process writes both into one pipe."""
    return True


def test_the_log_has_lambdas_own_lines_around_the_functions(functions: Any, streams_keep_their_order: bool) -> None:
    name = functions.create(
        "import sys\ndef handler(event, context):\n    print('out')\n    print('err', file=sys.stderr)\n"
    )
    _, answer = functions.invoke(name, LogType="Tail")
    lines = functions.log(name)
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert lines[0] == f"START RequestId: {request_id} Version: $LATEST"
    own = lines[1:3] if streams_keep_their_order else sorted(lines[1:3], reverse=True)
    assert own == ["out", "err"]
    assert lines[3] == f"END RequestId: {request_id}"
    assert lines[4].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert "Init Duration" in lines[4]
    assert functions.tail(answer).splitlines() == lines


def test_a_json_log_has_platform_events(functions: Any) -> None:
    name = functions.create(
        "import logging\ndef handler(event, context):\n    logging.getLogger().warning('careful')\n",
        LoggingConfig={"LogFormat": "JSON"},
    )
    functions.invoke(name)
    start, line, report = [json.loads(text) for text in functions.log(name)]
    assert (start["type"], report["type"], report["record"]["status"]) == (
        "platform.start",
        "platform.report",
        "success",
    )
    assert (line["level"], line["message"]) == ("WARNING", "careful")


def test_invocations_and_errors_are_measured_per_function_alias_and_version(functions: Any) -> None:
    name = functions.create("def handler(event, context):\n    return 1 / event\n")
    version = functions.publish(name)
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    for event in (1, 1, 0):
        functions.invoke(name, event, Qualifier="live")
    functions.invoke(name, 1)
    alias = {"FunctionName": name, "Resource": f"{name}:live"}
    assert _sum(functions, "Invocations", {"FunctionName": name}) == 4
    assert _sum(functions, "Invocations", alias) == 3
    assert _sum(functions, "Errors", {**alias, "ExecutedVersion": version}) == 1
    assert _sum(functions, "Errors", {"FunctionName": name, "Resource": name}) == 0


def _sum(functions: Any, metric: str, dimensions: dict[str, str]) -> float:
    now = datetime.now(UTC)
    points = functions.cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": k, "Value": v} for k, v in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(days=2000),
        Period=86400 * 3000,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def test_a_dry_run_runs_nothing(functions: Any, code: Any) -> None:
    name = functions.create()
    answer = functions.client.invoke(FunctionName=name, InvocationType="DryRun")
    assert (answer["StatusCode"], answer["Payload"].read()) == (204, b"")
    missing = code(functions.client.invoke, FunctionName=name, InvocationType="DryRun", Qualifier="9")
    assert missing == "ResourceNotFoundException"


def test_a_function_runs_under_the_python_that_it_asks_for(functions: Any) -> None:
    version = needs.another_python()[0]
    name = functions.create(
        "import sys\ndef handler(event, context):\n    return list(sys.version_info[:2])\n", Runtime=f"python{version}"
    )
    assert functions.invoke(name)[0] == [int(part) for part in version.split(".")]


@pytest.mark.timing("one of sixty calls must take less than 10 ms")
def test_a_warm_invocation_takes_less_than_ten_milliseconds(functions: Any) -> None:
    name = functions.create()
    functions.invoke(name)
    times = []
    for _ in range(60):
        began = time.perf_counter()
        functions.invoke(name)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.010  # the least: other work on the machine isn't ours, and a wait would be in each


def test_an_idle_environment_that_died_is_replaced_unseen(functions: Any) -> None:
    name = functions.create("import os\ndef handler(event, context):\n    return os.getpid()\n")
    import os

    first = functions.invoke(name)[0]
    os.kill(first, 9)
    until(lambda: process_start.started_at(first), lambda started: not started)
    second, answer = functions.invoke(name)
    assert "FunctionError" not in answer
    assert second != first
