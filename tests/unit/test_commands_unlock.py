"""`inv unlock`: who holds which lock of an environment, and removing one of them by its id."""

from __future__ import annotations

import io
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, DeployHarness
from fakes.errors import error
from fakes.lambda_ import ACCOUNT, REGION
from fakes.terraform import FakeS3, project, state_lock

from stepladder import terraform
from stepladder.commands import status, unlock
from stepladder.core import process_identity
from stepladder.core.clock import stamp
from stepladder.core.console import Console
from stepladder.core.errors import ExitCode, LockedError, RefusedError
from stepladder.ledger import schema
from stepladder.ledger.schema import PIPELINE_HOST, Holder
from stepladder.releases.rung import Rung
from stepladder.terraform import locks

JOB = "https://github.com/acme/orders/actions/runs/7"
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:hello-promotion:production_abc"


class FakeStates:
    def __init__(self) -> None:
        self.status = "RUNNING"

    def describe_execution(self, executionArn: str) -> dict[str, str]:  # noqa: N803 - botocore's name
        if not self.status:
            raise error("ExecutionDoesNotExist")
        return {"status": self.status}


class Locks:
    """An environment that is deployed, beside another one in the same account and region."""

    def __init__(self, root: Path) -> None:
        project(root)  # its Terraform roots
        place = {"account": ACCOUNT, "region": REGION}
        self.harness = DeployHarness(root, environments={"staging": place, "production": place})
        self.table = self.harness.table
        self.harness.deploy()
        self.objects: dict[str, bytes] = {}
        self.states = FakeStates()
        self.harness.aws.clients |= {"s3": FakeS3(self.objects), "stepfunctions": self.states}
        self.out, self.err = io.StringIO(), io.StringIO()

    def rung(self, environment: str = "staging", *, as_json: bool = False) -> Rung:
        console = Console(err=self.err, out=self.out, live=False, as_json=as_json)
        return Rung(
            self.harness.settings,
            environment,
            self.harness.aws,  # type: ignore[arg-type]
            console,
            "inv unlock",
            self.harness.time.clock(),
        )

    def held(self, environment: str = "staging", **changes: Any) -> Holder:
        now = self.harness.time.seconds
        known: dict[str, Any] = {
            **asdict(process_identity.this_process()),
            "owner": "ann@runner",
            "host": "runner",
            "run_id": "run-1",
            "command": f"inv deploy --env {environment}",
            "since": stamp(now - 60),
            "expires": int(now) + 50,
            "job": JOB,
        }
        holder = Holder(**known | changes)
        key = (f"env#{environment}", "lock")
        self.table.tables[TABLE][key] = schema.item(schema.LOCK.key(environment=environment), holder)
        return holder

    def promoted(self, **changes: Any) -> Holder:
        promotion = {"host": PIPELINE_HOST, "boot_id": "", "pid": 0, "run_id": EXECUTION, "job": ""}
        return self.held(**promotion | changes)

    def state(self, root: str = "service", *, who: str = "bob@build", lock_id: str = "state-1") -> str:
        key = f"{self.harness.settings.names('staging').state_key(root)}.tflock"
        self.objects[key] = state_lock(who, "2026-11-26T10:00:00Z", id=lock_id)
        return key

    def lock(self, environment: str = "staging") -> dict[str, Any] | None:
        item = self.table.tables[TABLE].get((f"env#{environment}", "lock"))
        return {name: next(iter(value.values())) for name, value in item.items()} if item else None


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Locks:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(locks, "_another_at_work", lambda _at: False)
    monkeypatch.setattr(terraform, "unlock", lambda *_, **__: None)
    return Locks(tmp_path)


def test_what_is_free_ends_with_0(at: Locks) -> None:
    unlock.show(at.rung())
    assert "staging is not locked" in at.err.getvalue()
    unlock.show(at.rung(as_json=True))
    assert json.loads(at.out.getvalue()) == {"environment": "staging", "locks": []}


def test_every_lock_is_shown_with_its_id_and_ends_with_7(at: Locks) -> None:
    at.held()
    at.state()
    at.state("foundation", lock_id="state-2")
    with pytest.raises(LockedError, match=r"staging is locked by ann@runner since .*, and 2 more") as caught:
        unlock.show(at.rung())
    assert caught.value.exit_code is ExitCode.LOCKED
    assert "`inv unlock --env staging --id run-1`" in caught.value.hint
    rows = at.out.getvalue().splitlines()
    assert [row.split("  ")[0] for row in rows[1:]] == ["environment", "state of foundation", "state of service"]
    assert "bob@build" in rows[3]
    assert "state-1" in rows[3]
    assert "apply" in rows[3]
    assert JOB in at.err.getvalue()


def test_json_has_the_same(at: Locks) -> None:
    holder = at.held()
    at.state()
    with pytest.raises(LockedError) as caught:
        unlock.show(at.rung(as_json=True))
    own, state = caught.value.record["locks"]  # type: ignore[misc]
    assert (own["kind"], own["id"], own["job"], own["since"], own["over"]) == (
        *("environment", "run-1", JOB),
        *(holder.since, False),
    )
    assert (state["kind"], state["root"], state["id"], state["operation"]) == ("state", "service", "state-1", "apply")
    assert at.out.getvalue() == "", "the error prints it, as one document"


def test_a_lease_that_has_run_out_is_shown_and_holds_nobody_up(at: Locks) -> None:
    at.held(expires=int(at.harness.time.seconds) - 60)
    unlock.show(at.rung())
    assert ", over" in at.out.getvalue()


def test_a_lock_is_removed_by_its_id_and_no_other_is(at: Locks) -> None:
    at.held()
    state = at.state()
    unlock.remove(at.rung(), "run-1")
    assert at.lock() is None
    assert state in at.objects
    assert "was held by ann@runner since" in at.err.getvalue()


def test_a_lock_that_names_a_version_stays_for_whoever_comes_next(at: Locks) -> None:
    at.held(version="2", pending="{}")
    unlock.remove(at.rung(), "run-1")
    left = at.lock()
    assert left
    assert (left["expires"], left["version"]) == ("0", "2")
    at.out.truncate(0)
    unlock.show(at.rung())
    with pytest.raises(RefusedError, match="nothing of staging is locked under the id run-1"):
        unlock.remove(at.rung(), "run-1")


@pytest.mark.parametrize("lock_id", ["run-2", "", "run-1 "])
def test_another_id_removes_nothing_and_says_what_is_locked(at: Locks, lock_id: str) -> None:
    at.held()
    at.state()
    with pytest.raises(RefusedError, match=r"locked by ann@runner \(id run-1\); bob@build \(id state-1\)") as caught:
        unlock.remove(at.rung(), lock_id)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert at.lock()


def test_an_id_of_another_environment_is_said_to_be_that(at: Locks) -> None:
    at.held("production")
    with pytest.raises(RefusedError, match="run-1 is a lock of production, not of staging") as caught:
        unlock.remove(at.rung(), "run-1")
    assert "`inv unlock --env production --id run-1`" in caught.value.hint
    assert at.lock("production")


def test_a_lock_that_goes_meanwhile_is_not_called_removed(at: Locks) -> None:
    holder = at.held()
    other = replace(holder, run_id="run-2")
    at.table.before("DeleteItem", lambda: at.held(**asdict(other)))
    with pytest.raises(RefusedError, match="the lock run-1 of staging is gone"):
        unlock.remove(at.rung(), "run-1")
    left = at.lock()
    assert left
    assert left["run_id"] == "run-2", "whoever took it over keeps it"


def test_a_holder_that_lives_on_this_machine_keeps_its_lock(at: Locks) -> None:
    at.held(**asdict(process_identity.this_process()))
    with pytest.raises(RefusedError, match=f"process {os.getpid()} of this machine holds") as caught:
        unlock.remove(at.rung(), "run-1")
    assert f"`kill -INT {os.getpid()}`" in caught.value.hint
    assert at.lock()


def test_a_promotion_under_way_keeps_its_lock(at: Locks) -> None:
    at.promoted()
    with pytest.raises(RefusedError, match="the promotion production_abc holds the lock of staging") as caught:
        unlock.remove(at.rung(), EXECUTION)
    assert "`inv promote.stop --name production_abc`" in caught.value.hint
    with pytest.raises(LockedError):
        unlock.show(at.rung())
    assert "promotion " in at.out.getvalue()


@pytest.mark.parametrize("leaves", [True, False])
def test_an_ended_promotion_is_recovered_before_its_lock_goes(
    at: Locks, monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    at.promoted()
    at.states.status = "ABORTED"
    recovered = []

    def recover(rung: Rung, holder: Holder) -> bool:
        recovered.append(holder.run_id)
        if not leaves:
            at.table.tables[TABLE].pop(("env#staging", "lock"))
        return True

    monkeypatch.setattr(Rung, "recover", recover)
    unlock.remove(at.rung(), EXECUTION)
    assert recovered == [EXECUTION]
    assert at.lock() is None


def test_what_an_ended_promotion_left_and_cannot_be_recovered_stays_locked(
    at: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.promoted()
    at.states.status = "FAILED"
    monkeypatch.setattr(Rung, "recover", lambda *_: False)
    with pytest.raises(RefusedError, match="can't be recovered now") as caught:
        unlock.remove(at.rung(), EXECUTION)
    assert "`inv promote.watch --name production_abc`" in caught.value.hint
    assert at.lock()


def test_the_lock_of_an_execution_that_is_gone_is_removed(at: Locks) -> None:
    at.promoted()
    at.states.status = ""
    unlock.remove(at.rung(), EXECUTION)
    assert at.lock() is None


def test_a_state_s_lock_is_removed_by_its_id_in_whatever_root_it_is(at: Locks, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[Any] = []
    monkeypatch.setattr(terraform, "unlock", lambda _settings, *what, **_: removed.append(what))
    at.held()
    at.state("foundation", lock_id="state-2")
    at.state()
    unlock.remove(at.rung(as_json=True), "state-2")
    assert removed == [("staging", "foundation", "state-2")]
    assert at.lock(), "the other kind stays"
    assert json.loads(at.out.getvalue()) == {"environment": "staging", "removed": "state-2"}
    with pytest.raises(RefusedError, match="nothing of staging is locked under the id state-2"):
        unlock.remove(at.rung(), "state-2", "service")


def test_a_terraform_that_works_here_keeps_its_state_s_lock(at: Locks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_another_at_work", lambda _at: True)
    at.state(who=locks._who())
    with pytest.raises(RefusedError, match="a Terraform of this machine works on the state of staging/service"):
        unlock.remove(at.rung(), "state-1")


def test_a_state_that_a_role_may_not_read_hides_no_other_lock(at: Locks, monkeypatch: pytest.MonkeyPatch) -> None:
    read = locks.read

    def denied(aws: Any, root: Any) -> Any:
        if root.name == "foundation":
            raise error("AccessDenied")
        return read(aws, root)

    monkeypatch.setattr(locks, "read", denied)
    at.state()
    with pytest.raises(LockedError, match="staging is locked by bob@build"):
        unlock.show(at.rung())
    assert "whether the state of staging/foundation is locked may not be read" in at.err.getvalue()


def test_before_the_first_deployment_nothing_is_locked(at: Locks) -> None:
    at.table.tables.clear()
    at.harness.aws.clients["s3"] = FakeS3({}, bucket_is_missing=True)
    unlock.show(at.rung())
    assert "staging is not locked" in at.err.getvalue()
    with pytest.raises(RefusedError, match="nothing of staging is locked under the id run-1"):
        unlock.remove(at.rung(), "run-1")


def test_other_credentials_remove_nothing(at: Locks) -> None:
    at.held()
    at.harness.sts.account = "999999999999"
    with pytest.raises(RefusedError, match="these credentials reach account 999999999999"):
        unlock.remove(at.rung(), "run-1")
    assert at.lock()


def test_a_job_s_address_is_in_its_lock_and_wherever_the_lock_is_met(
    at: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ACTIONS": "true", "SERVER_URL": "https://github.com", "REPOSITORY": "acme/orders"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    monkeypatch.setenv("GITHUB_RUN_ID", "7")
    first = at.rung()
    with first.locked(None):
        monkeypatch.delenv("GITHUB_ACTIONS")
        assert at.lock()
        with pytest.raises(LockedError, match=rf"for: inv unlock \({JOB}") as caught, at.rung().locked(None):
            pass
        assert "`inv unlock --env staging` shows it" in caught.value.hint
        (shown,) = status.show([at.rung()], clock=lambda: at.harness.time.seconds)
        assert shown.lock_job.startswith(JOB)
        assert f"staging: at work there: {JOB}" in at.err.getvalue()
