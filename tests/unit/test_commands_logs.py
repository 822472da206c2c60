"""`inv logs` on fake AWS: one time line, without losing or doubling a line."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError
from fakes.deploy_harness import DeployHarness
from fakes.errors import error
from fakes.logs import CloudWatchLogs
from fakes.pipeline import target

from stepladder.aws_lambda import log_group
from stepladder.aws_lambda.log_group import LogGroup
from stepladder.commands import logs
from stepladder.core import interrupt
from stepladder.core.clock import Clock
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, InterruptedRunError, StepladderError
from stepladder.core.since import seconds
from stepladder.releases.rung import Rung

NOW = 1_800_000_000.0
MS = int(NOW * 1000)
LEVEL, MESSAGE = 48, 54  # columns
RUN = "arn:aws:states:eu-west-1:123456789012:execution:orders-promotion:run-1"


class Machine:
    """A fake of Step Functions with one execution."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.refusals: list[Exception] = []
        self.input: Any = {"rungs": [{"name": "staging", "targets": [target(environment="staging")]}]}

    def add(self, kind: str, at: int, **details: Any) -> None:
        number = len(self.events) + 1
        moment = datetime.fromtimestamp(at / 1000, UTC)
        self.events.append({"id": number, "previousEventId": number - 1, "type": kind, "timestamp": moment, **details})

    def list_executions(self, **_: Any) -> dict[str, Any]:
        return {"executions": [{"executionArn": RUN, "startDate": datetime.fromtimestamp(NOW, UTC)}]}

    def describe_execution(self, **_: Any) -> dict[str, Any]:
        started = datetime.fromtimestamp(NOW, UTC)
        return {"executionArn": RUN, "status": "RUNNING", "input": json.dumps(self.input), "startDate": started}

    def get_execution_history(self, *, maxResults: int, **_: Any) -> dict[str, Any]:  # noqa: N803 - as in AWS's API
        if self.refusals:
            raise self.refusals.pop()
        return {"events": self.events[::-1][:maxResults]}


class LogHarness:
    """A rung whose log and state machine are fakes; `polls` run one after another in place of pauses."""

    def __init__(self, harness: DeployHarness) -> None:
        self.harness = harness
        self.logs, self.machine = CloudWatchLogs(), Machine()
        self.polls: list[Callable[[], None]] = []
        self.group = "/aws/lambda/hello-staging"
        self.logs.groups[self.group] = []
        clients = {"logs": self.logs, "stepfunctions": self.machine}
        ordinary = harness.aws.client
        harness.aws.client = lambda name, **more: clients.get(name) or ordinary(name, **more)  # type: ignore[method-assign]

    def rung(self, *, as_json: bool = False) -> Rung:
        self.out, self.err = io.StringIO(), io.StringIO()
        console = Console(err=self.err, out=self.out, live=False, as_json=as_json)
        clock = Clock(sleep=self._sleep, now=lambda: NOW, jitter=lambda: 0.0)
        return Rung(self.harness.settings, "staging", self.harness.aws, console, "inv logs", clock)  # type: ignore[arg-type]

    def _sleep(self, seconds: float) -> None:
        if not seconds:  # a retry's
            return
        if not self.polls:
            raise KeyboardInterrupt
        self.polls.pop(0)()

    def show(self, **options: Any) -> list[str]:
        logs.show(self.rung(), **options)
        return self.out.getvalue().splitlines()

    def follow(self, **options: Any) -> list[str]:
        with pytest.raises(InterruptedRunError) as ended:
            logs.show(self.rung(), follow=True, **options)
        assert (ended.value.exit_code, ended.value.message) == (ExitCode.INTERRUPTED, "")
        return self.out.getvalue().splitlines()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogHarness:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    harness = DeployHarness(tmp_path)
    harness.deploy()
    return LogHarness(harness)


def words(lines: list[str]) -> list[str]:
    return [line.split()[-1] for line in lines]


def test_function_pipeline_and_state_machine_are_one_time_line(bench: LogHarness) -> None:
    bench.logs.put("/aws/lambda/hello-pipeline-verify", MS - 400, "third", "2026/11/26/[$LATEST]bb")
    bench.logs.put(bench.group, MS - 600, "first")
    bench.logs.put(bench.group, MS - 100, "[ERROR]\tt\t\tfifth")
    bench.machine.add("ExecutionStarted", MS - 500)
    bench.machine.add("MapIterationStarted", MS - 300, mapIterationStartedEventDetails={"name": "Rungs", "index": 0})
    bench.machine.add("TaskStateEntered", MS - 300, stateEnteredEventDetails={"name": "Validate"})
    assert bench.show() == [
        "2027-01-15T07:59:59.400Z function 3    -        -     first",
        "2027-01-15T07:59:59.500Z promotion     run-1    INFO  started: staging",
        "2027-01-15T07:59:59.600Z verify        -        -     third",
        "2027-01-15T07:59:59.700Z promotion     run-1    INFO  staging: validating",
        "2027-01-15T07:59:59.900Z function 3    -        ERROR fifth",
    ]


def test_every_page_is_read_also_behind_an_empty_one(bench: LogHarness) -> None:
    for number in range(10):
        bench.logs.put(bench.group, MS - 5, f"line-{number}", f"[{number % 3}]")
    assert sorted(words(bench.show())) == [f"line-{number}" for number in range(10)]


def test_lines_from_before_since_are_left_out(bench: LogHarness) -> None:
    bench.logs.put(bench.group, MS - 901_000, "old")
    bench.logs.put(bench.group, MS - 899_000, "new")
    assert words(bench.show()) == ["new"]
    assert words(bench.show(since="1h")) == ["old", "new"]


def test_following_shows_late_lines_and_equal_times_once_each(bench: LogHarness) -> None:
    bench.logs.put(bench.group, MS, "one")

    def late() -> None:
        bench.logs.put(bench.group, MS, "equal", "[4]")
        bench.logs.put(bench.group, MS - 30_000, "late")

    bench.polls = [late, lambda: bench.logs.put(bench.group, MS + 2000, "next"), lambda: None]
    assert words(bench.follow()) == ["one", "late", "equal", "next"]


def test_an_interrupt_that_python_drops_ends_it_after_the_read_under_way() -> None:
    class Lines:
        reads = 0

        def print_new(self, _since: int) -> int:
            self.reads += 1
            with contextlib.suppress(KeyboardInterrupt):  # as Python does while it finalises an object
                signal.raise_signal(signal.SIGINT)
            return 0

    lines: Any = Lines()
    clock: Any = SimpleNamespace(sleep=lambda _seconds: None)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InterruptedRunError):
        logs._follow(lines, 0, clock)
    assert lines.reads == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_line_from_the_future_hides_none_of_those_that_follow(bench: LogHarness) -> None:
    bench.logs.put(bench.group, MS + 3_600_000, "tomorrow")
    bench.polls = [lambda: bench.logs.put(bench.group, MS + 1000, "next")]
    assert words(bench.follow()) == ["tomorrow", "next"]


def test_of_a_long_log_only_what_can_come_again_is_kept_in_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_group, "_KNOWN", 100)
    fake = CloudWatchLogs(page=1000)
    for second in range(1000):
        fake.put("g", MS + second * 1000, f"{second}")
    group = LogGroup(fake, "g", "function", clock=Clock(now=lambda: NOW + 1000))
    assert len(list(group.lines(MS))) == 1000
    assert len(group._known) <= 200
    assert list(group.lines(MS)) == []


def test_following_shows_what_a_promotion_does_as_it_comes(bench: LogHarness) -> None:
    bench.machine.add("ExecutionStarted", MS)
    bench.polls = [
        lambda: bench.machine.add("ExecutionFailed", MS + 9, executionFailedEventDetails={"error": "E", "cause": "why"})
    ]
    lines = bench.follow()
    assert [line.split(maxsplit=3)[3] for line in lines] == ["INFO  started: staging", "ERROR failed: E: why"]


def test_a_throttled_read_is_repeated_and_loses_nothing(bench: LogHarness) -> None:
    bench.logs.put(bench.group, MS, "one")
    bench.logs.refusals = ["ThrottlingException"] * 3
    assert words(bench.show()) == ["one"]


def test_a_network_that_was_away_for_a_while_loses_no_line_of_a_promotion(bench: LogHarness) -> None:
    bench.machine.add("ExecutionStarted", MS)
    gone: Any = {"endpoint_url": "https://states.eu-west-1.amazonaws.com"}
    bench.machine.refusals = [
        error("ThrottlingException"),
        EndpointConnectionError(**gone),
        ConnectTimeoutError(**gone),
    ]
    assert [line[MESSAGE:] for line in bench.show()] == ["started: staging"]


def test_errors_only_with_their_stacks(bench: LogHarness) -> None:
    frame = '  File "a.py", line 1, in f\n'
    bench.logs.put(bench.group, MS - 9, "fine")
    for at, text in enumerate(("Traceback (most recent call last):", frame.rstrip(), "ValueError: printed")):
        bench.logs.put(bench.group, MS - 8 + at, text)
    bench.logs.put(
        bench.group,
        MS - 4,
        json.dumps({"log_level": "ERROR", "errorType": "KeyError", "errorMessage": "'id'", "stackTrace": [frame]}),
    )
    bench.machine.add("TaskFailed", MS - 2, taskFailedEventDetails={"error": "StillWaitingError", "cause": "a poll"})
    bench.machine.add("TaskFailed", MS - 1, taskFailedEventDetails={"error": "SmokeFailedError", "cause": "1 of 2"})
    lines = [line[LEVEL:] if line[0] != " " else line for line in bench.show(errors=True)]
    assert lines == [
        "ERROR ValueError: printed",
        "    Traceback (most recent call last):",
        '      File "a.py", line 1, in f',
        "    ValueError: printed",
        "ERROR KeyError: 'id'",
        '      File "a.py", line 1, in f',
        "WARN  promotion: SmokeFailedError: 1 of 2",
    ]


def test_json_is_one_document_a_line_with_all_that_is_known(bench: LogHarness) -> None:
    bench.logs.put(bench.group, MS, "two\nlines \x1b[31mred")
    bench.machine.add("ExecutionStarted", MS + 1)
    logs.show(bench.rung(as_json=True))
    first, second = map(json.loads, bench.out.getvalue().splitlines())
    assert (first["time"], first["source"], first["version"]) == ("2027-01-15T08:00:00.000Z", "function", "3")
    assert (first["message"], first["log_group"]) == ("two\nlines \x1b[31mred", bench.group)
    assert (second["source"], second["request_id"], second["event_type"]) == ("promotion", "run-1", "ExecutionStarted")


def test_a_line_can_not_control_the_terminal(bench: LogHarness) -> None:
    bench.logs.put(bench.group, MS, "a\x1b[2Jb\rc\x07\n\tindented")
    first, *more = bench.show()
    assert (first.split()[-1], more) == ("ab", ["    c", "        indented"])


def test_half_a_pair_of_unicode_is_shown_as_json_writes_it(bench: LogHarness) -> None:
    bench.logs.put(bench.group, MS, '{"level": "INFO", "message": "cut \\ud83d", "who": "\\udc00"}')
    (line,) = bench.show()
    assert line.encode().decode().endswith("cut \\ud83d  who=\\udc00")


def test_lambdas_own_lines_are_short_unless_all_are_wanted(bench: LogHarness) -> None:
    bench.logs.put(bench.group, MS, "START RequestId: 1 Version: 3")
    bench.logs.put(bench.group, MS, "hello")
    assert words(bench.show()) == ["hello"]
    assert [line[MESSAGE:] for line in bench.show(whole=True)] == [
        "START RequestId: 1 Version: 3",
        "hello",
    ]


def test_an_execution_that_somebody_started_with_another_input_is_shown_too(bench: LogHarness) -> None:
    bench.machine.input = ["what"]
    bench.machine.add("ExecutionStarted", MS)
    assert "started: run-1" in bench.show()[0]


def test_nothing_is_said_so_with_the_time_from_which_on(bench: LogHarness) -> None:
    assert bench.show() == []
    assert "nothing since 2027-01-15T07:45:00.000Z in staging" in bench.err.getvalue()


def test_an_environment_that_was_never_deployed_is_refused(tmp_path: Path) -> None:
    bench = LogHarness(DeployHarness(tmp_path))
    del bench.logs.groups[bench.group]
    with pytest.raises(StepladderError) as refusal:
        bench.show()
    assert (refusal.value.kind, refusal.value.hint) == ("nothing-live", "`inv deploy --env staging` makes it")


def test_a_log_group_that_is_gone_is_named(bench: LogHarness) -> None:
    del bench.logs.groups[bench.group]
    bench.logs.put(f"{bench.group}-other", MS, "of another function")
    with pytest.raises(StepladderError, match="staging has no log group /aws/lambda/hello-staging") as refusal:
        bench.show()
    assert refusal.value.kind == "log-group-missing"


def test_what_a_group_has_yielded_is_forgotten_only_when_it_can_not_come_again() -> None:
    fake = CloudWatchLogs(page=1000)
    group = LogGroup(fake, "g", "function", clock=Clock(now=lambda: NOW + 1000))
    for second in range(300):
        fake.put("g", MS + second * 1000, f"{second}")
        assert [line.message for line in group.lines(MS)] == [f"{second}"]
    assert len(group._known) <= 62


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", 90),
        ("15m", 900),
        ("2H", 7200),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("2w", 1_209_600),
        ("2027-01-15T07:59:50", 10),
        ("2027-01-15T08:59:50+01:00", 10),
        ("2027-01-15T07:59:50.000Z", 10),
        ("2027-01-15", 28_800),
    ],
)
def test_since_is_how_long_ago_or_when(text: str, ago: float) -> None:
    assert seconds(text, NOW) == NOW - ago


@pytest.mark.parametrize(
    "text",
    [
        "15",
        "m",
        "yesterday",
        pytest.param("9" * 5000 + "d", id="more than a number holds"),
        "15 minutes",
        "-5m",
        "2027-13-01",
        "2027-01-16",
    ],
)
def test_any_other_since_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInputError, match=r"allowed: how long ago|still to come") as refusal:
        seconds(text, NOW)
    assert refusal.value.hint == "for example `--since 15m`"


def test_an_interrupt_that_python_drops_is_noted_and_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[type[BaseException]] = []
    monkeypatch.setattr("sys.unraisablehook", lambda args: printed.append(args.exc_type))
    with interrupt.noted() as interrupted:
        for kind in (KeyboardInterrupt, ValueError):
            sys.unraisablehook(SimpleNamespace(exc_type=kind))  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupted.is_set()
    assert printed == [ValueError]
