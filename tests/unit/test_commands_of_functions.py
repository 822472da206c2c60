"""Commands about one function of a project that has several: each by `--function`, and its own lock and releases."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import REPOSITORY, TABLE, digest
from fakes.many_harness import ManyHarness
from fakes.secret_stores import Parameters
from fakes.terraform import FakeS3, project

from stepladder.commands import history, infra, logs, release_existing, secrets, unlock
from stepladder.commands.history import HistoryOptions
from stepladder.commands.rollback import Rollback
from stepladder.core import process_identity
from stepladder.core.clock import stamp
from stepladder.core.errors import BadInputError, LockedError, RefusedError, StepladderError
from stepladder.ledger import schema
from stepladder.ledger.schema import Holder
from stepladder.releases import live_smoke, registered
from stepladder.releases.interfaces import ReleaseImage
from stepladder.releases.rung import Rung, one_function
from stepladder.terraform import locks

FUNCTIONS: dict[str, Any] = {"mailer": {"function": {"secrets": {"SMTP_KEY": "ssm"}}}, "poller": {}}


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ManyHarness:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    made = ManyHarness(tmp_path, FUNCTIONS)
    made.aws.clients["ssm"] = Parameters()
    made.aws.clients["ssm"].values["/hello/staging/SMTP_KEY"] = [{"Type": "SecureString", "Value": "x"}]
    made.deploy_many()
    return made


def at(harness: ManyHarness, flag: str) -> Rung:
    """The rung of a command with `--function`."""
    rung = harness.rung()
    name = one_function(rung.settings, flag).name_of_function
    return rung.of_function(name)


def held(harness: ManyHarness, target: str, run_id: str = "run-1") -> Holder:
    now = harness.time.seconds
    changes: Any = {"host": "runner", "run_id": run_id, "command": "inv deploy", "since": stamp(now - 60)}
    holder = Holder(**asdict(process_identity.this_process()) | {"owner": "ann"} | changes, expires=int(now) + 50)
    key = schema.LOCK.key(environment=target)
    harness.table.tables[TABLE][f"env#{target}", "lock"] = schema.item(key, holder)
    return holder


def has_lock(harness: ManyHarness, target: str) -> bool:
    return (f"env#{target}", "lock") in harness.table.tables[TABLE]


def test_a_target_is_named_by_its_key_and_its_commands_by_both_flags(harness: ManyHarness) -> None:
    mailer, own = at(harness, "mailer"), at(harness, "main")
    assert (mailer.target, mailer.flags) == ("staging-mailer", "--env staging --function mailer")
    assert (own.target, own.flags) == ("staging", "--env staging")
    assert mailer.names.function == "hello-staging-mailer"
    assert mailer.lock is not own.lock


def test_smoke_tests_the_function_that_is_named_with_its_own_cases(harness: ManyHarness) -> None:
    harness.case("wrong", folder="mailer", expect={"statuss": 202})
    with pytest.raises(BadInputError) as invalid:
        live_smoke.smoke(at(harness, "mailer"))
    assert "`stepladder.functions.mailer.smoke.path`" in invalid.value.hint
    (harness.root / "tests/smoke/mailer/wrong.json").unlink()
    harness.case("mails", folder="mailer", expect={"status": 202})
    harness.case("answers", expect={"status": 200})
    with pytest.raises(StepladderError, match="version 1 of staging-mailer fails 1 of 1 smoke cases") as caught:
        live_smoke.smoke(at(harness, "mailer"))
    assert "`inv function.invoke --env staging --function mailer --version '1'`" in caught.value.hint
    assert live_smoke.smoke(at(harness, ""))["passed"] == 1


def test_an_image_is_released_on_one_function_and_written_under_its_target(
    harness: ManyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = ReleaseImage(digest("two"), f"{REPOSITORY}@{digest('two')}")
    monkeypatch.setattr(registered, "read", lambda *_: two)  # the registry of the image
    harness.source = "two"
    harness.deploy_many("poller")
    done = release_existing.release(at(harness, "mailer"), digest=digest("two"), no_smoke=True)
    assert done.release.environment == "staging-mailer"
    assert harness.live_versions == {"": "1", "mailer": "2", "poller": "2"}
    assert harness.results("mailer")[-1] == ("deploy", "2", "succeeded")
    assert len(harness.results("")) == 1
    assert "staging-mailer: version 1 -> 2" in harness.printed


def test_one_function_returns_and_the_others_stay(harness: ManyHarness) -> None:
    harness.source = "two"
    harness.deploy_many()
    Rollback(at(harness, "mailer"), bad=False).run()
    assert harness.live_versions == {"": "2", "mailer": "1", "poller": "2"}
    assert harness.results("mailer")[-1] == ("rollback", "1", "succeeded")


def test_the_ledger_of_a_function_has_its_own_releases(harness: ManyHarness) -> None:
    harness.source = "two"
    harness.deploy_many("mailer")
    history.show([at(harness, "mailer")], HistoryOptions("mailer"))
    assert [entry["environment"] for entry in harness.items_of("staging-mailer", "release#")] == ["staging-mailer"] * 2
    with pytest.raises(BadInputError, match="staging-poller has no release 'nonsense'") as caught:
        history.show([at(harness, "poller")], HistoryOptions("poller", release="nonsense"))
    assert "`inv history --env staging --function poller`" in caught.value.hint


def test_a_secret_of_another_function_is_pointed_to(harness: ManyHarness) -> None:
    with pytest.raises(BadInputError, match="staging has no secret 'SMTP_KEY'") as caught:
        secrets.set_value(at(harness, ""), "SMTP_KEY")
    assert "`--function mailer`" in caught.value.hint
    assert [record["name"] for record in secrets.show(at(harness, "mailer"))] == ["SMTP_KEY"]
    with pytest.raises(BadInputError) as unknown:
        secrets.set_value(at(harness, "mailer"), "OTHER")
    assert "under `stepladder.functions.mailer.function.secrets`" in unknown.value.hint


def test_a_function_without_its_secret_is_refused_by_its_target(harness: ManyHarness) -> None:
    harness.aws.clients["ssm"].values.clear()
    harness.source = "two"
    with pytest.raises(RefusedError, match="staging-mailer has no value for SMTP_KEY") as caught:
        harness.deploy_many()
    assert "`inv secrets.set SMTP_KEY --env staging --function mailer`" in caught.value.hint


def test_logs_of_several_functions_are_one_time_line(harness: ManyHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, str]] = []

    class Group(logs.LogGroup):
        def exists(self) -> bool:
            return "poller" not in self.name

        def lines(self, since: int) -> Any:
            read.append((self.name, self.source))
            return iter(())

    harness.aws.clients |= {"logs": object(), "stepfunctions": object()}
    monkeypatch.setattr(logs, "LogGroup", Group)
    monkeypatch.setattr(logs.ExecutionLog, "lines", lambda _self, _since: iter(()))
    logs.show(harness.rung(), ["main", "mailer", "mailer"])
    own = [(name, source) for name, source in read if "pipeline" not in name]
    assert sorted(own) == [("/aws/lambda/hello-staging", "main"), ("/aws/lambda/hello-staging-mailer", "mailer")]
    assert "in staging, staging-mailer; `--since` begins earlier" in harness.printed
    read.clear()
    logs.show(harness.rung())
    assert ("/aws/lambda/hello-staging", "function") in read
    with pytest.raises(StepladderError, match="staging-poller has no log group /aws/lambda/hello-staging-poller"):
        logs.show(harness.rung(), ["poller"])


@pytest.fixture
def states(harness: ManyHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ManyHarness:
    project(tmp_path)
    monkeypatch.setattr(locks, "_another_at_work", lambda _at: False)
    harness.aws.clients["s3"] = FakeS3({})
    return harness


def test_every_lock_of_an_environment_is_shown_and_that_of_one_function(states: ManyHarness) -> None:
    held(states, "staging-mailer")
    held(states, "staging-poller", "run-2")
    shown = unlock.held_locks(states.rung())
    assert [(lock.name, lock.id) for lock in shown] == [("function mailer", "run-1"), ("function poller", "run-2")]
    assert [lock.id for lock in unlock.held_locks(at(states, "poller"))] == ["run-2"]
    with pytest.raises(LockedError, match="staging is locked by ann"):
        unlock.show(states.rung())
    with pytest.raises(LockedError, match="staging-poller is locked by ann"):
        unlock.show(at(states, "poller"))


def test_a_functions_lock_is_removed_by_its_id_and_no_other_is(states: ManyHarness) -> None:
    for target in ("staging", "staging-mailer", "staging-poller"):
        held(states, target, f"run-{target}")
    unlock.remove(states.rung(), "run-staging-mailer")
    assert [has_lock(states, target) for target in ("staging", "staging-mailer", "staging-poller")] == [
        *(True, False, True)
    ]


def test_a_run_that_holds_several_functions_is_removed_from_all(states: ManyHarness) -> None:
    for target in ("staging-mailer", "staging-poller"):
        held(states, target)
    unlock.remove(states.rung(), "run-1")
    assert not has_lock(states, "staging-mailer")
    assert not has_lock(states, "staging-poller")


def test_a_held_function_says_which_command_shows_its_lock(states: ManyHarness) -> None:
    held(states, "staging-mailer")
    with pytest.raises(LockedError, match="the lock of staging-mailer is held by ann") as caught:
        at(states, "mailer").lock.acquire()
    assert "`inv unlock --env staging --function mailer` shows it" in caught.value.hint


def test_terraform_makes_no_functions_alias_that_was_released_and_deleted(harness: ManyHarness) -> None:
    infra.before(harness.rung(), "service")
    harness.many["mailer"].alias = None
    with pytest.raises(RefusedError, match="alias live of hello-staging-mailer was deleted") as caught:
        infra.before(harness.rung(), "service")
    assert "`inv deploy --env staging --function mailer`" in caught.value.hint


def test_a_project_without_its_own_function_applies_though_that_was_released_once(harness: ManyHarness) -> None:
    harness.many[""].alias = None
    harness.settings = replace(harness.settings, main=False)
    infra.before(harness.rung(), "service")
