"""The last lines of a promotion: what was raised, how to undo what was moved, and how it ended."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stepladder.commands import promote
from stepladder.core.console import Console
from stepladder.promotion import closing, exceptions
from stepladder.promotion.executions import Execution
from stepladder.promotion.outcome import PromotionOutcome

RIC = (
    "[ERROR] RuntimeError: the guest book is gone\rTraceback (most recent call last):\r"
    '\xa0\xa0File "/var/task/app/handler.py", line 3, in handler\r\xa0\xa0\xa0\xa0return greet(event)\r'
    '\xa0\xa0File "/var/task/app/handler.py", line 9, in greet\r'
    '\xa0\xa0\xa0\xa0raise RuntimeError("the guest book is gone")'
)
STRUCTURED = json.dumps(
    {
        "timestamp": "2026-11-25T20:31:31Z",
        "level": "ERROR",
        "errorType": "RuntimeError",
        "errorMessage": "the guest book is gone",
        "stackTrace": ['  File "/var/task/app/handler.py", line 9, in greet\n    raise RuntimeError("gone")\n'],
    }
)


class Ledger:
    """Releases by environment: version and result."""

    def __init__(self, **releases: tuple[str, str]) -> None:
        self.releases = releases

    cause = ""

    def find(self, environment: str, release_id: str) -> Any:
        assert release_id == "r1"
        if environment not in self.releases:
            return None
        version, result = self.releases[environment]
        stamps = {"started_at": "2026-11-25T20:31:00Z", "ended_at": "2026-11-25T20:33:00Z"}
        return SimpleNamespace(cause=self.cause, version=version, result=result, kind="promote", **stamps)

    def succeeded(self, _environment: str) -> Iterator[Any]:
        return iter((SimpleNamespace(), SimpleNamespace()))  # there is an older one to return to


class Logs:
    """A log group in pages; `denied` refuses."""

    def __init__(self, *pages: list[tuple[str, int, str]], denied: bool = False) -> None:
        self.pages, self.denied, self.asked = pages, denied, []

    def filter_log_events(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        if self.denied:
            refusal = {"Error": {"Code": "AccessDeniedException", "Message": "no identity-based policy allows it"}}
            raise ClientError(refusal, "FilterLogEvents")
        number = int(request.get("nextToken", 0))
        page = self.pages[number] if self.pages else []
        events = [{"logStreamName": s, "timestamp": t, "message": m} for s, t, m in page]
        return {"events": events, **({"nextToken": str(number + 1)} if number + 1 < len(self.pages) else {})}


class StateMachine:
    """A state machine with one ledger and one log for every environment."""

    def __init__(self, ledger: Ledger, logs: Logs | None = None) -> None:
        self.said = io.StringIO()
        self.console = Console(err=self.said, live=False)
        self.ledger = ledger
        self.aws = SimpleNamespace(client=lambda _service: logs or Logs())
        self.settings = SimpleNamespace(rungs=(("staging",), ("qa",), ("production",)))

    def at(self, _environment: str) -> StateMachine:
        return self

    def link(self, _arn: str) -> str:
        return ""


def execution(*rungs: str, error: str = "RolledBack") -> Execution:
    told = [
        {"name": rung, "targets": [{"environment": e, "function": f"orders-{e}"} for e in rung.split("+")]}
        for rung in rungs
    ]
    digest = f"sha256:{'a' * 64}"
    given = {"release_id": "r1", "digest": digest, "git_commit": "c0ffee", "rungs": told}
    return Execution("arn:aws:states:eu-west-1:1:execution:m:qa-1", "FAILED", given, error)


def test_every_environment_that_was_moved_is_named_with_its_undo():
    machine = StateMachine(Ledger())
    targets = tuple(
        {"environment": e, "outcome": o}
        for e, o in (("staging", "unchanged"), ("qa", "succeeded"), ("produs", "succeeded"), ("prodeu", "succeeded"))
    )
    told = promote.conclude(machine, execution("staging", "qa", "produs+prodeu"), PromotionOutcome("promoted", targets))
    assert told["outcome"] == "promoted"
    assert machine.said.getvalue().splitlines() == [
        "undo: `inv rollback --env qa`",
        "undo: `inv rollback --env produs`",
        "undo: `inv rollback --env prodeu`",
        "promoted aaaaaaaaaaaa to qa, produs, prodeu",
    ]


def test_a_promotion_that_moved_nothing_offers_no_undo():
    machine = StateMachine(Ledger())
    targets = tuple({"environment": e, "outcome": "unchanged"} for e in ("staging", "qa", "production"))
    promote.conclude(machine, execution("staging", "qa", "production"), PromotionOutcome("promoted", targets))
    assert machine.said.getvalue() == "nothing had to move: production runs aaaaaaaaaaaa already\n"


def test_rungs_below_the_one_that_failed_keep_their_release_and_their_undo():
    ledger = Ledger(staging=("3", "failed"), qa=("7", "succeeded"))
    end = PromotionOutcome("rolled_back", ({"environment": "production", "outcome": "rolled_back"},))
    assert closing.moved(StateMachine(ledger), execution("staging", "qa", "production"), end) == ["qa"]


def test_the_oldest_exception_of_that_very_version_is_found_on_any_page():
    pages = (
        [("2026/11/25/[2]aa", 900, "[ERROR] ValueError: of the version before"), ("2026/11/25/[3]bb", 1000, "fine")],
        [("2026/11/25/[3]bb", 3000, "[ERROR] KeyError: later"), ("2026/11/25/[3]cc", 2000, RIC)],
    )
    logs = Logs(*pages)
    machine = StateMachine(Ledger(production=("3", "rolled_back")), logs)
    (found,) = exceptions.find(
        machine, execution("production"), ({"environment": "production", "outcome": "rolled_back"},)
    )
    assert found.headline == "the first exception of version 3 on production, at 00:00:02 UTC:"
    assert found.lines == (
        "RuntimeError: the guest book is gone",
        'File "app/handler.py", line 3, in handler',
        "  return greet(event)",
        'File "app/handler.py", line 9, in greet',
        '  raise RuntimeError("the guest book is gone")',
    )
    window = logs.asked[0]
    assert window["logGroupName"] == "/aws/lambda/orders-production"
    assert window["startTime"] < 1795638660000 < window["endTime"], "the release's own time, and some more"


@pytest.mark.parametrize(
    ("cause", "raised"),
    [
        ("ProbeFailedError: 1 of 9 requests failed: KeyError: later", "KeyError: later"),
        ("alarm orders-production-errors fired", "ValueError: often"),
    ],
    ids=["the one that the cause names", "what was raised most, and not what a smoke case expects"],
)
def test_an_exception_that_a_smoke_case_expects_is_not_taken_for_the_cause(cause, raised):
    lines = ["RuntimeError: expected", "ValueError: often", "KeyError: later", "ValueError: often"]
    ledger = Ledger(production=("3", "rolled_back"))
    ledger.cause = cause
    logs = Logs([("2026/11/25/[3]bb", 1000 + at, f"[ERROR] {line}") for at, line in enumerate(lines)])
    targets = ({"environment": "production", "outcome": "rolled_back"},)
    (found,) = exceptions.find(StateMachine(ledger, logs), execution("production"), targets)
    assert found.lines == (raised,)


def test_a_local_cloud_s_log_is_of_real_time_and_has_no_window(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4600")
    logs = Logs([])
    targets = ({"environment": "production", "outcome": "rolled_back"},)
    assert (
        exceptions.find(StateMachine(Ledger(production=("3", "rolled_back")), logs), execution("production"), targets)
        == []
    )
    assert "startTime" not in logs.asked[0]


def test_a_caller_who_may_not_read_the_log_is_told_so_and_nothing_else():
    machine = StateMachine(Ledger(production=("3", "rolled_back")), Logs(denied=True))
    end = PromotionOutcome("rolled_back", ({"environment": "production", "outcome": "rolled_back"},))
    closing.show_exceptions(machine, execution("production"), end)
    (line,) = machine.said.getvalue().splitlines()
    assert line.startswith("the log of production could not be read: these credentials may not call FilterLogEvents")


@pytest.mark.parametrize(
    ("outcome", "error", "looks"),
    [
        ("rolled_back", "DeploymentFailed", True),
        ("rollback_failed", "RollbackFailedError", True),
        ("failed", "SmokeFailedError", True),
        ("failed", "RefusedError", False),
        ("succeeded", "", False),
    ],
)
def test_the_log_is_read_where_a_version_ran_and_failed(outcome, error, looks):
    logs = Logs([])
    targets = ({"environment": "production", "outcome": outcome, "error": error},)
    exceptions.find(StateMachine(Ledger(production=("3", outcome)), logs), execution("production"), targets)
    assert bool(logs.asked) == looks


@pytest.mark.parametrize(
    ("message", "raised", "frames"),
    [
        pytest.param(RIC, "RuntimeError: the guest book is gone", 4, id="text"),
        pytest.param(STRUCTURED, "RuntimeError: the guest book is gone", 2, id="JSON"),
        pytest.param(
            "2026-11-25T20:31:31.000Z 1f Task timed out after 3.00 seconds",
            "Task timed out after 3.00 seconds",
            0,
            id="time out",
        ),
        pytest.param(
            "[ERROR] Runtime.ImportModuleError: Unable to import module 'app.handler': No module named 'pandas'",
            "Runtime.ImportModuleError: Unable to import module 'app.handler': No module named 'pandas'",
            0,
            id="import",
        ),
        pytest.param(
            'Traceback (most recent call last):\n  File "/var/task/app.py", line 1, in f\n    g()\nKeyError: 7',
            "KeyError: 7",
            2,
            id="printed by the handler",
        ),
        pytest.param("[ERROR] ValueError: \x1b[31mred\x1b[0m\x07", "ValueError: red", 0, id="control codes"),
        pytest.param(f"[ERROR] ValueError: {'x' * 900}", f"ValueError: {'x' * 187}…", 0, id="long"),
        pytest.param('{"errorType": 7, "stackTrace": "odd"}', "7", 0, id="JSON of another shape"),
    ],
)
def test_an_exception_is_read_in_every_format(message, raised, frames):
    assert exceptions.is_exception(message)
    said, below = exceptions.read(message)
    assert (said, len(below)) == (raised, frames)


@pytest.mark.parametrize(
    "message", ["START RequestId: 1 Version: 3", '{"level": "ERROR", "message": "slow"}', "{nonsense"]
)
def test_lines_that_are_no_exception_are_passed_over(message):
    assert not exceptions.is_exception(message)
