"""The release command of `inv deploy`: before smoke cases and traffic, once for an image, never again in silence."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from fakes.deploy_harness import TABLE, DeployHarness, digest
from fakes.errors import BROKEN, DENIED, THROTTLED
from fakes.rollback import roll_back

from stepladder.commands import ledger_command
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.promotion import closing
from stepladder.releases import command_run, release_command
from stepladder.settings.load import load

COMMAND: dict[str, Any] = {"command": "migrate", "timeout_seconds": 10}
LOST = [
    ReadTimeoutError(endpoint_url="https://lambda"),
    BROKEN,
    THROTTLED,
    KeyboardInterrupt(),
]


class Migrations:
    """A handler with a release command: every event, and every command that it ran."""

    def __init__(self, harness: DeployHarness) -> None:
        self.events: list[Any] = []
        self.answer: Any = {"ok": True, "applied": 2}
        self.failed = False
        harness.function.handler = self._handle

    def _handle(self, _digest: str, payload: Any) -> tuple[Any, bool]:
        self.events.append(payload)
        return (self.answer, self.failed) if "stepladder" in payload else ({"statusCode": 200}, False)

    @property
    def commands(self) -> list[Any]:
        return [event for event in self.events if "stepladder" in event]


@pytest.fixture
def harness(tmp_path: Path) -> DeployHarness:
    return DeployHarness(tmp_path, release_command=COMMAND)


@pytest.fixture
def migrations(harness: DeployHarness) -> Migrations:
    return Migrations(harness)


def items(harness: DeployHarness) -> list[dict[str, Any]]:
    rows = harness.table.tables[TABLE].items()
    return [
        {name: next(iter(value.values())) for name, value in item.items()}
        for (pk, _), item in rows
        if pk == "command#staging"
    ]


def test_the_new_version_gets_the_command_before_its_smoke_cases_and_before_traffic(
    harness: DeployHarness, migrations: Migrations
) -> None:
    harness.case("says hello", payload={"path": "/"}, expect={"status": 200})
    served: list[str] = []
    harness.function.before("Invoke", lambda: served.append(harness.function.alias["FunctionVersion"]))  # type: ignore[index]
    report = harness.deploy()
    marker = {"command": "migrate", "release": report.release_id, "environment": "staging"}
    assert migrations.events == [{"stepladder": marker}, {"path": "/"}]
    assert served == ["$LATEST"]
    (item,) = items(harness)
    assert (item["outcome"], item["version"], item["release_id"]) == ("succeeded", "1", report.release_id)
    assert json.loads(item["answer"]) == {"ok": True, "applied": 2}
    assert "migrate on version 1: ok" in harness.printed


def test_the_run_is_in_the_ledger_before_the_command_is_sent(harness: DeployHarness, migrations: Migrations) -> None:
    seen: list[Any] = []
    harness.function.before("Invoke", lambda: seen.extend(items(harness)))
    harness.deploy()
    assert [(item["outcome"], item["command"]) for item in seen] == [("begun", "migrate")]
    assert len(migrations.commands) == 1


def test_a_project_without_a_command_makes_no_call_for_it(tmp_path: Path) -> None:
    harness = DeployHarness(tmp_path)
    harness.deploy()
    assert not [call for call in harness.aws.calls if call.endswith("Invoke")]
    assert items(harness) == []
    assert "command" not in harness.printed


@pytest.mark.parametrize(
    ("answer", "failed", "why"),
    [
        ({"errorType": "OperationalError", "errorMessage": "no such table"}, True, "OperationalError: no such table"),
        ({"errorMessage": "2026-11-26 Task timed out after 15.00 seconds"}, True, "Unhandled: 2026-11-26 Task timed"),
        (
            {"errorType": "Sandbox.Timedout", "errorMessage": "Error: Task timed out after 15.00 seconds"},
            True,
            "the function's own timeout ended it (`function.timeout_seconds`)",
        ),
        (None, False, 'it answered nothing (null), and has to answer {"ok": true}'),
        ({"ok": False, "message": "locked"}, False, 'it answered {"ok": false, "message": "locked"}'),
        ({"statusCode": 404}, False, 'which is not {"ok": true}: does the handler know the command?'),
        ("done", False, 'it answered "done", which is not {"ok": true}'),
        ({"ok": "true"}, False, "does the handler know the command?"),
    ],
)
def test_a_command_that_fails_refuses_the_release_and_says_why(
    harness: DeployHarness, migrations: Migrations, answer: Any, failed: bool, why: str
) -> None:
    harness.deploy()
    harness.source = "two"
    migrations.answer, migrations.failed = answer, failed
    with pytest.raises(RefusedError) as refused:
        harness.deploy()
    assert (refused.value.exit_code, refused.value.kind) == (4, "release-command-failed")
    assert refused.value.message.startswith("release command migrate of staging failed on version 2: ")
    assert why in refused.value.message
    assert harness.serves == digest("one")
    assert harness.releases[-1]["result"] == "failed"
    assert not harness.items("lock")
    assert items(harness)[-1]["outcome"] == "failed"


def test_a_command_that_failed_runs_again_with_the_next_release(harness: DeployHarness, migrations: Migrations) -> None:
    migrations.answer = {"ok": False}
    with pytest.raises(RefusedError):
        harness.deploy()
    migrations.answer = {"ok": True}
    assert harness.deploy().result == "released"
    assert len(migrations.commands) == 2


def test_a_command_that_was_done_for_an_image_is_not_sent_again(harness: DeployHarness, migrations: Migrations) -> None:
    harness.case("fails", expect={"status": 500})
    with pytest.raises(RefusedError, match="smoke cases"):
        harness.deploy()
    harness.case("fails", expect={"status": 200})
    report = harness.deploy()
    assert report.result == "released"
    assert len(migrations.commands) == 1
    assert "migrate was done for this image" in harness.printed


def test_a_change_of_configuration_alone_sends_nothing(tmp_path: Path) -> None:
    """The image serves already, though no record says so: the setting came after its release."""
    harness = DeployHarness(tmp_path, release_command={"command": ""})
    migrations = Migrations(harness)
    harness.deploy()
    harness.settings = load(
        {
            "project": "hello",
            "environments": {"staging": {"account": "123456789012", "region": "eu-west-1"}},
            "rungs": ["staging"],
            "release_command": COMMAND,
        },
        tmp_path,
    )
    harness.infra_inputs = "more memory"
    harness.on_apply = lambda _root: harness.function.configure(MemorySize=512)
    assert harness.deploy().result == "released"
    assert migrations.commands == []
    assert "migrate is not sent: the image serves already" in harness.printed


@pytest.mark.parametrize(
    "lost", LOST, ids=lambda error: type(error).__name__ + str(getattr(error, "response", ""))[:60]
)
def test_a_lost_answer_never_runs_the_command_again_in_silence(
    harness: DeployHarness, migrations: Migrations, lost: BaseException
) -> None:
    def answer_is_lost(digest_: str, payload: Any) -> tuple[Any, bool]:
        migrations._handle(digest_, payload)
        raise lost

    harness.function.handler = answer_is_lost
    with pytest.raises((RefusedError, KeyboardInterrupt)):
        harness.deploy()
    harness.function.handler = migrations._handle
    for _ in range(2):
        with pytest.raises(RefusedError) as refused:
            harness.deploy()
        assert (refused.value.exit_code, refused.value.kind) == (4, "release-command-unknown")
        began = items(harness)[0]["began_at"]
        assert f"began at {began} on version 1, and whether it was done is unknown" in refused.value.message
        assert "`inv ledger.command --env staging --mark done`" in refused.value.hint
        assert "`inv ledger.command --env staging --mark again`" in refused.value.hint
        assert not isinstance(lost, ReadTimeoutError) or "unknown (no answer within 10 s)" in refused.value.message
    assert len(migrations.commands) == 1


@pytest.mark.parametrize(("mark", "sent"), [("done", 1), ("again", 2)])
def test_a_person_decides_about_a_lost_answer(
    harness: DeployHarness, migrations: Migrations, mark: str, sent: int
) -> None:
    harness.function.fail("Invoke", BROKEN)
    with pytest.raises(RefusedError):
        harness.deploy()
    migrations.events.append({"stepladder": "the one whose answer was lost"})
    ledger_command.decide(harness.rung(), mark, "read the table")
    (item,) = items(harness)
    assert (item["outcome"], item["why"]) == (mark, "read the table")
    assert item["decided_by"]
    assert not harness.items("lock")
    assert harness.deploy().result == "released"
    assert len(migrations.commands) == sent


@pytest.mark.parametrize("never", [DENIED, EndpointConnectionError(endpoint_url="https://lambda")])
def test_a_command_that_certainly_did_not_begin_runs_with_the_next_release(
    harness: DeployHarness, migrations: Migrations, never: Exception
) -> None:
    harness.function.fail("Invoke", never)
    with pytest.raises(RefusedError, match="failed on version 1: it was not sent"):
        harness.deploy()
    assert harness.deploy().result == "released"
    assert len(migrations.commands) == 1


def test_an_answer_that_can_not_be_recorded_refuses_the_release(harness: DeployHarness, migrations: Migrations) -> None:
    harness.function.before("Invoke", lambda: harness.table.fail("PutItem", BROKEN))
    with pytest.raises(Exception, match="text that nobody may match on"):
        harness.deploy()
    with pytest.raises(RefusedError, match="whether it was done is unknown"):
        harness.deploy()
    assert len(migrations.commands) == 1


def test_a_rollback_says_which_commands_it_does_not_undo(harness: DeployHarness, migrations: Migrations) -> None:
    harness.deploy()
    harness.source = "two"
    second = harness.deploy()
    report = roll_back(harness, bad=False)
    line = f"release command migrate of release {second.release_id} ran at "
    assert line in harness.printed
    assert "on version 2; the rollback does not undo it" in harness.printed
    assert report.left[0].startswith(line)
    assert len(migrations.commands) == 2
    assert harness.deploy().result == "released"
    assert len(migrations.commands) == 2


def test_a_promotion_that_rolled_back_says_so_of_each_target_that_was_left(
    harness: DeployHarness, migrations: Migrations
) -> None:
    released = harness.deploy()
    machine: Any = SimpleNamespace(console=harness.rung().console, at=lambda _target: harness.rung())
    target = {"environment": "staging", "command": {}}
    execution: Any = SimpleNamespace(
        targets=[target, {"environment": "other"}], input={"digest": digest("one"), "rungs": []}
    )
    closing.show_commands(machine, execution, kept=[])
    line = f"staging: release command migrate of release {released.release_id} ran at "
    assert harness.printed.count(line) == 1
    closing.show_commands(machine, execution, kept=["staging"])
    assert harness.printed.count(line) == 1
    assert len(migrations.commands) == 1


def test_a_promotion_that_was_refused_says_what_it_ran_itself(harness: DeployHarness, migrations: Migrations) -> None:
    released = harness.deploy()
    machine: Any = SimpleNamespace(console=harness.rung().console, at=lambda _target: harness.rung())

    def show(release_id: str) -> str:
        given = {"digest": digest("one"), "release_id": release_id}
        execution: Any = SimpleNamespace(targets=[{"environment": "staging", "command": {}}], input=given)
        closing.show_commands(machine, execution, kept=[], refused=True)
        return harness.printed

    assert "release command" not in show("of-another-release")
    assert "staging: release command migrate ran at " in show(released.release_id)
    assert "on version 1, which gets no traffic; it is not undone" in harness.printed


def test_a_rung_may_turn_the_command_off(tmp_path: Path) -> None:
    harness = DeployHarness(
        tmp_path, release_command=COMMAND, promotion={"rungs": {"staging": {"release_command": False}}}
    )
    migrations = Migrations(harness)
    harness.deploy()
    assert migrations.commands == []


def test_a_dry_run_names_the_command(harness: DeployHarness) -> None:
    harness.deploy(dry_run=True)
    sent = "would publish, send release command migrate (at most 10 s) unless it was done for the image, test"
    assert sent in harness.printed


def test_the_runs_are_shown_newest_first(harness: DeployHarness, migrations: Migrations) -> None:
    harness.deploy()
    harness.source = "two"
    harness.function.fail("Invoke", BROKEN)
    with pytest.raises(RefusedError):
        harness.deploy()
    assert [run.outcome for run in ledger_command.show(harness.rung())] == ["begun", "succeeded"]
    harness.source = "three"
    harness.deploy()
    assert ledger_command.decide(harness.rung(), "done").digest == digest("two"), "the one whose answer was lost"
    assert "unknown" in harness.out.getvalue()
    with pytest.raises(BadInputError, match="--mark is 'maybe'"):
        ledger_command.decide(harness.rung(), "maybe")


def test_there_is_nothing_to_decide_about_where_no_command_was_sent(tmp_path: Path) -> None:
    harness = DeployHarness(tmp_path)
    harness.deploy()
    assert ledger_command.show(harness.rung()) == []
    with pytest.raises(RefusedError, match="no run of a release command"):
        ledger_command.decide(harness.rung(), "done")


def test_the_ways_on_name_the_function() -> None:
    assert "`inv ledger.command --env staging --function mailer --mark done`" in command_run.ways_on("staging-mailer")


def test_a_named_function_has_a_command_of_its_own_and_none_by_inheritance(tmp_path: Path) -> None:
    named = {"mailer": {}, "orders": {"release_command": {"command": "seed"}}}
    settings = DeployHarness(tmp_path, release_command=COMMAND, functions=named).settings
    commands = [release_command.of(settings.of_function(name), "staging") for name in settings.function_names]
    assert [command and command.name for command in commands] == ["migrate", None, "seed"]


class TestSettings:
    def read(self, tmp_path: Path, timeout: int = 30, **command: Any) -> command_run.ReleaseCommand | None:
        harness = DeployHarness(
            tmp_path, environment={"function": {"timeout_seconds": timeout}}, release_command=command
        )
        return release_command.of(harness.settings, "staging")

    def test_an_event_alone_has_a_name_of_its_own_and_another_event_is_another_command(self, tmp_path: Path) -> None:
        first = self.read(tmp_path, event={"action": "migrate"})
        second = self.read(tmp_path, event={"action": "seed"})
        assert first
        assert second
        assert first.name == "release"
        assert first.key != second.key

    def test_the_answer_is_waited_for_as_long_as_the_function_may_run_when_that_is_shorter(
        self, tmp_path: Path
    ) -> None:
        longer = self.read(tmp_path, command="migrate", timeout_seconds=300)
        shorter = self.read(tmp_path, timeout=300, command="migrate", timeout_seconds=20)
        assert (longer and longer.wait_seconds, shorter and shorter.wait_seconds) == (90, 20)

    def test_a_limit_above_the_functions_own_is_named_as_that(self, tmp_path: Path) -> None:
        harness = DeployHarness(tmp_path, release_command={"command": "migrate", "timeout_seconds": 300})
        assert release_command.limits(harness.settings, "staging") == "at most 15 s, the function's own timeout"

    @pytest.mark.parametrize(
        ("command", "problem"),
        [
            ({"command": "Up Now"}, "stepladder.release_command.command is 'Up Now'; allowed: lower-case letters"),
            ({"event": [1]}, "stepladder.release_command.event is [1]; allowed: a mapping of what JSON has"),
            ({"event": {"a": {1, 2}}}, "stepladder.release_command.event is "),
            ({"event": {1: 2, "a": 3}}, "stepladder.release_command.event is {1: 2, 'a': 3}; allowed: a mapping"),
            ({"event": {"stepladder": 1}}, "stepladder.release_command.event.stepladder is 1; allowed: other keys"),
            ({"event": {"a": "x" * 2000}}, "allowed: at most 1024 bytes as JSON"),
            ({"timeout_seconds": 900}, "stepladder.release_command.timeout_seconds is 900; allowed: a whole number"),
            ({"run": "x"}, "stepladder.release_command.run is not a setting"),
        ],
    )
    def test_a_setting_that_is_not_valid_is_named(self, tmp_path: Path, command: Any, problem: str) -> None:
        with pytest.raises(BadInputError) as refused:
            self.read(tmp_path, **command)
        assert any(problem in line for line in refused.value.problems)
