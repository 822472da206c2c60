"""Saved plans, state locks and kills, with the real Terraform on a root that needs no provider."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import ACCOUNT, PLAIN, REGION, SLOW, project

from stepladder import terraform
from stepladder.commands import unlock
from stepladder.core.aws import Aws
from stepladder.core.console import Console
from stepladder.core.errors import ExitCode, LockedError, NotReadyError, RefusedError
from stepladder.core.process_identity import Process, this_process
from stepladder.releases.rung import Rung
from stepladder.settings import load
from stepladder.settings.load import Settings
from stepladder.terraform import cli, file_lock, files, locks, planning, reviewing, roots
from stepladder.terraform.allowed import AUTO, NEW, REVIEWED
from stepladder.terraform.failures import TerraformError
from stepladder.terraform.file_lock import RunRecord
from stepladder.terraform.reviewing import Review
from stepladder.terraform.runner import opened

pytestmark = [pytest.mark.terraform, pytest.mark.cloud]

_numbers = itertools.count(1)
PLACE = {"account": ACCOUNT, "region": REGION}
RAW = {"environments": {name: dict(PLACE) for name in ("staging", "production")}}
KEY = "staging/service.tfstate"
LOCK = f"{KEY}.tflock"


class Site:
    """A project of its own name in the shared cloud, whose state bucket is there."""

    def __init__(self, cloud: Any, root: Path) -> None:
        self.root = root
        self.name = f"plans-{os.getpid()}-{next(_numbers)}"
        self.settings: Settings = project(root, self.name)
        self.aws = Aws(REGION)
        self.at = roots.root(self.settings, "staging", "service")
        self.bucket = self.at.names.state_bucket
        self.s3 = cloud.client("s3")
        self.s3.create_bucket(Bucket=self.bucket)
        self.write(PLAIN)

    def write(self, text: str) -> None:
        (self.root / "terraform" / "service" / "main.tf").write_text(text)

    def configure(self, **function: Any) -> None:
        self.settings = project(self.root, self.name, function=function)
        self.write(PLAIN)

    @property
    def where(self) -> tuple[Settings, str, str]:
        return self.settings, "staging", "service"

    def ensure(self, **options: Any) -> terraform.ApplyOutcome:
        return terraform.ensure(*self.where, aws=self.aws, **options)

    def plan(self, **options: Any) -> terraform.SavedPlan:
        return terraform.plan(*self.where, aws=self.aws, **options)[0]

    def apply(self, **options: Any) -> terraform.ApplyOutcome:
        return terraform.apply(*self.where, aws=self.aws, **options)

    def locked(self) -> bool:
        return any(o["Key"] == LOCK for o in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", []))

    def wait(self, what: str, condition: Any) -> None:
        deadline = time.monotonic() + 180
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.02)

    @property
    def begun(self) -> bool:
        return (self.at.snapshot_dir / "begun").exists()

    def start(self) -> subprocess.Popen[str]:
        """Start `ensure` in a process of its own, and wait until it applies (it takes a minute)."""
        self.write(PLAIN + SLOW)
        code = f"""
            import sys
            from pathlib import Path
            sys.path.insert(0, {str(Path(__file__).parents[1] / "unit")!r})
            from fakes.terraform import PLAIN, SLOW, project
            from stepladder import terraform
            from stepladder.core.aws import Aws
            from stepladder.core.errors import StepladderError
            root = Path({str(self.root)!r})
            settings = project(root, {self.name!r})
            (root / "terraform" / "service" / "main.tf").write_text(PLAIN + SLOW)
            try:
                terraform.ensure(settings, "staging", "service", aws=Aws({REGION!r}))
            except StepladderError as error:
                print(error.message)
                sys.exit(int(error.exit_code))
        """
        run = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.wait("the apply begins", lambda: self.begun or run.poll() is not None)
        assert run.poll() is None, run.communicate()[0]
        return run


@pytest.fixture
def site(cloud_env: Any, tmp_path: Path) -> Site:
    return Site(cloud_env, tmp_path)


@pytest.fixture
def alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Terraforms of other tests out of the judgement: one that is being set up just now could be of any state."""
    judged = locks._may_hold

    def here(entry: Path, state: tuple[str, str]) -> bool:
        return judged(entry, state) and (entry / "cwd").resolve().is_relative_to(site.root.resolve())

    monkeypatch.setattr(locks, "_may_hold", here)


def terraform_of(run: subprocess.Popen[str]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]


def kill_outright(run: subprocess.Popen[str]) -> None:
    groups = terraform_of(run)
    run.kill()
    for group in groups:
        os.killpg(group, signal.SIGKILL)
    run.communicate()


def test_exactly_the_saved_plan_is_applied_once_and_then_gone(site: Site) -> None:
    saved = site.plan()
    assert [(c.action, c.address) for c in saved.changes] == [("create", "terraform_data.memory")]
    assert saved.at.plan_file.stat().st_mode & 0o777 == 0o600
    assert saved.at.manifest.stat().st_mode & 0o777 == 0o600
    manifest = json.loads(saved.at.manifest.read_text())
    assert manifest["plan_sha256"] == files.sha256_file(saved.at.plan_file)
    assert (manifest["account"], manifest["environment"], manifest["root"]) == (ACCOUNT, "staging", "service")
    outcome = site.apply()
    assert (outcome.applied, outcome.outputs) == (True, {"memory": 256})
    with pytest.raises(RefusedError, match="there is no saved plan"):
        site.apply()
    again = site.ensure()
    assert (again.applied, again.outputs, str(again.counts)) == (
        False,
        {"memory": 256},
        "0 to add, 0 to change, 0 to destroy",
    )


def test_a_plan_is_refused_when_the_settings_changed_after_it(site: Site) -> None:
    site.plan()
    site.configure(memory_mb=512)
    with pytest.raises(RefusedError, match=r"the variables changed from [0-9a-f]{12} to [0-9a-f]{12}") as caught:
        site.apply()
    assert caught.value.hint == "make a new one: `inv tf.plan --env staging --root service`"


TOFU = """#!/bin/sh
case "$*" in
version) echo "OpenTofu v1.10.6" ;;
"version -json") echo '{{"terraform_version": "1.10.6"}}' ;;
*) exec '{terraform}' "$@" ;;
esac
"""
"""A stand-in: Terraform under OpenTofu's name and version, since no package index has OpenTofu itself."""


def test_opentofu_plans_and_applies_where_the_setting_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cli.VARIABLE, raising=False)
    site.plan()
    chosen = load.load({**RAW, "project": site.name, "terraform_distribution": "opentofu"}, site.root)
    missing = site.root / ".tools" / "tofu"
    site.settings = chosen
    with pytest.raises(NotReadyError, match=r"^OpenTofu >= 1\.10, < 2 is needed") as refused:
        site.plan()
    assert f"put the executable at {missing}" in refused.value.hint
    missing.parent.mkdir()
    missing.write_text(TOFU.format(terraform=cli.find(site.root).path))
    missing.chmod(0o755)
    with pytest.raises(RefusedError, match=r"version changed from [\d.]+ to OpenTofu 1\.10\.6"):
        site.apply()
    assert site.plan().inputs.terraform_version == "OpenTofu 1.10.6"
    assert site.apply().outputs == {"memory": 256}
    site.settings = project(site.root, site.name)
    site.write(PLAIN)
    assert not site.ensure().applied


def test_a_plan_is_refused_when_the_state_moved_on_after_it(site: Site) -> None:
    site.ensure()
    site.configure(memory_mb=512)
    saved = site.plan()
    kept = {path: path.read_bytes() for path in (saved.at.plan_file, saved.at.manifest)}
    site.ensure()
    for path, content in kept.items():
        path.write_bytes(content)
    with pytest.raises(RefusedError, match="stale: the state has changed"):
        site.apply()


def test_a_destroy_is_refused_unless_it_is_allowed(site: Site) -> None:
    site.ensure()
    site.write(
        PLAIN.replace('"memory" { input', '"other" { input').replace("terraform_data.memory", "terraform_data.other")
    )
    with pytest.raises(RefusedError, match=r"would destroy .*: terraform_data\.memory \(delete\)") as caught:
        site.ensure()
    assert "--allow-destroy" in caught.value.hint
    assert site.ensure(allow_destroy=True).counts.destroy == 1


def test_an_error_of_terraform_is_told_in_a_line_with_its_place_and_its_log(site: Site) -> None:
    site.write(PLAIN + 'resource "terraform_data" "bad" { inptu = 1 }\n')
    with pytest.raises(TerraformError) as caught:
        site.plan()
    assert "Unsupported argument" in caught.value.message
    assert "(main.tf:" in caught.value.message
    assert len(caught.value.message) < 500
    log = site.settings.build_dir / "logs" / "staging-service-plan.log"
    assert str(log) in caught.value.hint
    assert "Unsupported argument" in log.read_text()


def test_a_bucket_that_is_not_there_is_told_before_anything_is_planned(site: Site) -> None:
    site.s3.delete_bucket(Bucket=site.bucket)
    with pytest.raises(RefusedError, match="staging/service has no state yet: its bucket"):
        site.plan()


def test_a_state_that_somebody_holds_is_told_by_whom_since_when_and_how_to_free_it(site: Site) -> None:
    site.ensure()
    lock = {"ID": "1-2-3", "Operation": "OperationTypeApply", "Who": "ann@laptop", "Created": "2026-11-21T23:05:01.5Z"}
    site.s3.put_object(Bucket=site.bucket, Key=LOCK, Body=json.dumps(lock).encode())
    with pytest.raises(LockedError) as caught:
        site.plan(lock_timeout=0)
    assert caught.value.exit_code is ExitCode.LOCKED
    assert "by ann@laptop since 2026-11-21 23:05:01 UTC (apply, id 1-2-3)" in caught.value.message
    assert "inv unlock --env staging --id 1-2-3" in caught.value.hint
    assert site.plan(lock=False)


def test_unlock_needs_the_very_id_of_the_lock(site: Site) -> None:
    site.ensure()
    with pytest.raises(RefusedError, match="isn't locked"):
        terraform.unlock(*site.where, "1-2-3", aws=site.aws)
    lock = {"ID": "1-2-3", "Operation": "OperationTypePlan", "Who": "ann@laptop", "Created": "2026-11-21T23:05:01.5Z"}
    site.s3.put_object(Bucket=site.bucket, Key=LOCK, Body=json.dumps(lock).encode())
    with pytest.raises(RefusedError, match="under another id, by ann@laptop") as caught:
        terraform.unlock(*site.where, "3-2-1", aws=site.aws)
    assert "--id 1-2-3" in caught.value.hint
    assert site.locked()
    assert terraform.unlock(*site.where, "1-2-3", aws=site.aws).who == "ann@laptop"
    assert not site.locked()


def test_inv_unlock_removes_a_state_s_lock_by_terraform_itself_also_without_a_ledger(site: Site) -> None:
    site.ensure()
    err = io.StringIO()
    rung = Rung(site.settings, "staging", site.aws, Console(err=err, out=io.StringIO(), live=False), "inv unlock")
    lock = {"ID": "1-2-3", "Operation": "OperationTypeApply", "Who": "ann@laptop", "Created": "2026-11-21T23:05:01.5Z"}
    site.s3.put_object(Bucket=site.bucket, Key=LOCK, Body=json.dumps(lock).encode())
    with pytest.raises(LockedError, match="staging is locked by ann@laptop since 2026-11-21T23:05:01Z, for: apply"):
        unlock.show(rung)
    with pytest.raises(RefusedError, match=r"under the id 3-2-1; it is locked by ann@laptop \(id 1-2-3\)"):
        unlock.remove(rung, "3-2-1")
    assert site.locked()
    unlock.remove(rung, "1-2-3")
    assert not site.locked()
    with pytest.raises(RefusedError, match="nothing of staging is locked under the id 1-2-3"):
        unlock.remove(rung, "1-2-3")
    unlock.show(rung)
    assert "staging is not locked" in err.getvalue()


MORE = """
resource "terraform_data" "more" { input = "of the other change" }
"""


def test_two_merges_are_each_compared_with_their_own_review(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second was reviewed without the first: it waits for the first, and is then just what was reviewed."""
    for name, value in {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/pull/2/merge"}.items():
        monkeypatch.setenv(name, value)
    site.s3.create_bucket(Bucket=site.at.names.artifacts_bucket)
    site.ensure()
    site.configure(memory_mb=512)
    saved = site.plan(lock=False)
    address = reviewing.keep(saved, planning.document(saved), site.aws)
    bucket, _, key = address.removeprefix("s3://").partition("/")
    assert site.s3.head_object(Bucket=bucket, Key=key)["ServerSideEncryption"] == "AES256"
    monkeypatch.delenv("GITHUB_REF")
    monkeypatch.setattr(reviewing, "_commit", lambda _root: ((), "Raise the memory (#2)"))
    site.write(PLAIN + MORE)
    with pytest.raises(RefusedError, match="no longer holds: the root's code changed from") as caught:
        site.ensure(review=Review(AUTO))
    assert caught.value.problems == ("not reviewed: terraform_data.more (create)",)
    site.settings = project(site.root, site.name)
    site.write(PLAIN + MORE)
    site.ensure(review=Review(NEW))  # the first merge's own job
    site.configure(memory_mb=512)
    site.write(PLAIN + MORE)
    outcome = site.ensure(review=Review(REVIEWED))
    assert outcome.outputs == {"memory": 512}
    assert any(note.endswith("so it was planned anew; every action was reviewed") for note in outcome.notes)


@pytest.mark.faults
@pytest.mark.usefixtures("alone")
def test_a_run_that_was_killed_with_its_terraform_is_taken_over_and_continued(site: Site) -> None:
    kill_outright(site.start())
    assert site.locked()
    site.write(PLAIN)
    outcome = site.ensure(allow_destroy=True)
    assert any(note.startswith("freed the state lock of staging/service that our run") for note in outcome.notes)
    assert not site.locked()
    assert not site.ensure().applied


@pytest.mark.faults
@pytest.mark.usefixtures("alone")
def test_the_ledgers_record_of_a_dead_run_proves_its_lock_stale_and_no_other_does(site: Site) -> None:
    before = time.time()
    run = site.start()
    own = json.loads((site.at.work_dir / "run.json").read_text())["runs"][-1]["process"]
    record = RunRecord(Process(**own), locks.datetime.fromtimestamp(before, locks.UTC))
    kill_outright(run)
    with opened(site.at) as runner:
        stale = locks.stale_lock_of(runner, site.aws, record)
        assert stale is not None
        assert stale.verb == "apply"
        late = RunRecord(record.process, locks.datetime.fromtimestamp(time.time() + 60, locks.UTC))
        alive = RunRecord(this_process(), record.since)
        elsewhere = RunRecord(Process(**{**own, "host": "another"}), record.since)
        for other in (late, alive, elsewhere):
            assert locks.stale_lock_of(runner, site.aws, other) is None


@pytest.mark.faults
def test_a_run_that_was_killed_alone_lets_its_terraform_end_in_order(site: Site) -> None:
    run = site.start()
    (child,) = terraform_of(run)
    run.kill()
    run.communicate()
    site.wait("Terraform ends by itself", lambda: not Path(f"/proc/{child}").exists())
    assert not site.locked()


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_reaches_terraform_once_and_the_lock_is_given_back(site: Site, number: signal.Signals) -> None:
    run = site.start()
    if number is signal.SIGTERM:  # the task's edge turns it into Ctrl-C; here the bare process dies of it
        (child,) = terraform_of(run)
        run.send_signal(number)
        run.communicate(timeout=60)
        site.wait("Terraform ends by itself", lambda: not Path(f"/proc/{child}").exists())
    else:
        run.send_signal(number)
        out = run.communicate(timeout=60)[0]
        assert run.returncode == ExitCode.INTERRUPTED, out
        assert "interrupted while terraform was running" in out
    assert not site.locked()
    site.write(PLAIN)
    site.ensure(allow_destroy=True)


def enter(manager: Any) -> None:
    with manager:
        pass


def test_two_runs_of_one_checkout_wait_for_each_other(site: Site) -> None:
    run = site.start()
    try:
        with pytest.raises(LockedError, match=rf"process {run.pid} on this machine is running Terraform"):
            enter(file_lock.hold(site.at, wait=0.5))
    finally:
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
