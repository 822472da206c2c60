"""The state lock: who holds it, and when the run that left it is proven dead."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.terraform import diagnostic, state_lock
from fakes.terraform_harness import TerraformHarness

from stepladder import terraform
from stepladder.core.errors import LockedError
from stepladder.core.process_identity import this_process
from stepladder.terraform import file_lock, locks
from stepladder.terraform.file_lock import RunRecord
from stepladder.terraform.runner import opened

LOCK = "staging/service.tfstate.tflock"


def test_the_holder_of_the_state_lock_is_read_from_its_object(terraform_harness: TerraformHarness) -> None:
    terraform_harness.aws.objects[LOCK] = state_lock("ann@laptop", "2026-11-21T23:05:01.123456789Z")
    terraform_harness.fake.plays(
        "plan", {"code": 1, "out": [diagnostic("Error acquiring the state lock", "ID: no\nWho: nobody")]}
    )
    with pytest.raises(LockedError, match=r"by ann@laptop since 2026-11-21 23:05:01 UTC \(apply, id abc-123\)"):
        terraform_harness.ensure()


def test_without_the_object_the_holder_is_read_from_terraforms_words(terraform_harness: TerraformHarness) -> None:
    words = (
        "Error message: resource temporarily unavailable\nLock Info:\n  ID:        12-34\n  Path:      x\n"
        "  Operation: OperationTypePlan\n  Who:       bob@build\n  Version:   1.11.4\n"
        "  Created:   2026-11-21 23:05:01.789 +0000 UTC\n  Info:      \n"
    )
    terraform_harness.fake.plays("plan", {"code": 1, "out": [diagnostic("Error acquiring the state lock", words)]})
    with pytest.raises(LockedError, match=r"by bob@build since 2026-11-21 23:05:01 UTC \(plan, id 12-34\)"):
        terraform_harness.ensure()


def record(**changed: Any) -> RunRecord:
    own = this_process()
    dead = type(own)(**{**own.__dict__, "pid": 4_194_304, **changed})  # above the kernel's limit of process ids
    return RunRecord(dead, datetime.now(UTC) - timedelta(minutes=1))


@pytest.mark.parametrize(
    ("case", "stale"),
    [("ours", True), ("another user", False), ("before the run", False), ("no lock", False), ("alive", False)],
)
def test_a_state_lock_is_stale_only_when_all_is_proven(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch, case: str, stale: bool
) -> None:
    monkeypatch.setattr(locks, "_another_at_work", lambda _at: False)
    who = "ann@laptop" if case == "another user" else locks._who()
    age = timedelta(minutes=5) if case == "before the run" else timedelta(seconds=5)
    if case != "no lock":
        terraform_harness.aws.objects[LOCK] = state_lock(who, (datetime.now(UTC) - age).isoformat())
    run = record(pid=os.getpid()) if case == "alive" else record()
    with opened(terraform_harness.at) as runner:
        assert (locks.stale_lock_of(runner, terraform_harness.aws, run) is not None) is stale  # type: ignore[arg-type]


def test_a_living_terraform_on_the_same_state_forbids_a_take_over(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_another_at_work", lambda _at: True)
    terraform_harness.aws.objects[LOCK] = state_lock(locks._who(), datetime.now(UTC).isoformat())
    with opened(terraform_harness.at) as runner:
        assert locks.stale_lock_of(runner, terraform_harness.aws, record()) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["plan", "preview"])
def test_only_a_run_that_acts_frees_the_state_lock_of_a_dead_one(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(locks, "_another_at_work", lambda _at: False)
    terraform_harness.aws.objects[LOCK] = state_lock(locks._who(), datetime.now(UTC).isoformat())
    terraform_harness.at.work_dir.mkdir(parents=True)
    file_lock._write(terraform_harness.at.work_dir / "run.json", (record(),))
    terraform_harness.fake.plays("plan", {"code": 0})
    _, notes = getattr(terraform, kind)(*terraform_harness.where, aws=terraform_harness.aws)
    assert "our killed run left the state lock abc-123 (apply); `inv deploy --env staging` frees it" in notes
    assert "-lock=false" in terraform_harness.fake.calls[-1]["argv"]
    assert "force-unlock" not in terraform_harness.fake.verbs
    terraform_harness.ensure()
    assert "force-unlock" in terraform_harness.fake.verbs
