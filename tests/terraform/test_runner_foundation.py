"""The foundation's state begins on disk and moves into its bucket; killed anywhere, the next run ends in one place."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import ACCOUNT, REGION, project

from stepladder import terraform
from stepladder.core import run_scope
from stepladder.core.aws import Aws
from stepladder.core.errors import StepladderError
from stepladder.settings.load import Settings
from stepladder.terraform import drift, foundation, roots

pytestmark = [pytest.mark.terraform, pytest.mark.cloud]

_numbers = itertools.count(1)
KEY = "foundation.tfstate"


class Site:
    """A project of its own name in the shared cloud."""

    def __init__(self, cloud: Any, root: Path) -> None:
        self.cloud = cloud
        self.settings: Settings = project(root, f"found-{os.getpid()}-{next(_numbers)}"[:24].strip("-"))
        self.aws = Aws(REGION)
        self.at = roots.root(self.settings, "staging", "foundation")

    def ensure(self) -> terraform.ApplyOutcome:
        return terraform.ensure(self.settings, "staging", "foundation", aws=self.aws)

    def state(self) -> dict[str, Any]:
        answer = self.cloud.client("s3").get_object(Bucket=self.at.names.state_bucket, Key=KEY)
        state: dict[str, Any] = json.loads(answer["Body"].read())
        return state

    def is_whole(self) -> bool:
        """All three resources in one state, which is in the bucket, unlocked."""
        kinds = sorted(r["type"] for r in self.state()["resources"] if r["mode"] == "managed")
        keys = {
            o["Key"] for o in self.cloud.client("s3").list_objects_v2(Bucket=self.at.names.state_bucket)["Contents"]
        }
        return (
            kinds == ["aws_dynamodb_table", "aws_ecr_repository", "aws_s3_bucket"]
            and keys == {KEY}
            and not self.at.local_state.exists()
        )


@pytest.fixture
def site(cloud_env: Any, tmp_path: Path) -> Iterator[Site]:
    with run_scope.opened():  # as in a command, whose Terraform commands share a provider
        yield Site(cloud_env, tmp_path)


def lose_this_machine(site: Site) -> None:
    """Forget everything generated, as a CI runner does between jobs."""
    shutil.rmtree(site.settings.build_dir)


def test_a_first_run_makes_the_bucket_and_moves_its_own_state_there_and_a_second_does_nothing(site: Site) -> None:
    outcome = site.ensure()
    assert outcome.applied
    assert str(outcome.counts) == "3 to add, 0 to change, 0 to destroy"
    assert outcome.outputs == {"repository_url": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{site.settings.project}"}
    assert outcome.inputs_hash == terraform.inputs_hash(site.settings, "staging", "foundation")
    assert site.is_whole()
    # A state that a kill right after the migration left on disk is put aside and never used again.
    (archived,) = site.at.build_dir.glob("*.migrated-*")
    assert archived.stat().st_mode & 0o777 == 0o600
    shutil.copy(archived, site.at.local_state)
    assert not site.ensure().applied
    assert site.is_whole()
    # What somebody changes or deletes after that is drift, and looking changes nothing.
    site.cloud.client("ecr").delete_repository(repositoryName=site.settings.project, force=True)
    bucket = site.at.names.state_bucket
    tags = [{"Key": "managed-by", "Value": "hand"}, {"Key": "project", "Value": site.settings.project}]
    site.cloud.client("s3").put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    before = site.state()
    found = drift.find(site.settings, "staging", "foundation", aws=site.aws)
    repository, state = found.outside
    assert (repository.address, repository.how) == ("aws_ecr_repository.this", "deleted")
    assert (state.address, state.how) == ("aws_s3_bucket.state", "changed")
    (tag,) = state.attributes
    assert (tag.path, tag.before, tag.after) == ("tags.managed-by", '"stepladder"', '"hand"')
    assert (found.pending, site.state()) == ((), before)
    assert site.is_whole()


def test_a_run_killed_between_apply_and_migration_is_continued_by_another_machine_and_by_its_own(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(foundation, "migrate", lambda *_: (_ for _ in ()).throw(StepladderError("killed")))
        with pytest.raises(StepladderError, match="killed"):
            site.ensure()
    assert site.at.local_state.exists()
    kept = tmp_path / "kept"
    shutil.copytree(site.settings.build_dir, kept, symlinks=True)

    # The machine is lost: another one takes up what is there.
    lose_this_machine(site)
    outcome = site.ensure()
    assert any("took up what exists and the state had lost" in note for note in outcome.notes)
    assert site.is_whole()

    # It isn't lost, and has the state on its disk: there is nothing to plan.
    site.cloud.client("s3").delete_object(Bucket=site.at.names.state_bucket, Key=KEY)
    lose_this_machine(site)
    shutil.copytree(kept, site.settings.build_dir, symlinks=True)
    assert not site.ensure().applied
    assert site.is_whole()


def test_a_repository_of_that_name_that_is_not_ours_is_left_alone(site: Site) -> None:
    site.cloud.client("ecr").create_repository(repositoryName=site.settings.project)
    with pytest.raises(StepladderError, match="isn't this project's") as caught:
        site.ensure()
    assert "choose another `stepladder.project`" in caught.value.hint


RUN = """
    import sys
    from pathlib import Path
    sys.path.insert(0, {unit!r})
    from fakes.terraform import project
    from stepladder import terraform
    from stepladder.core.aws import Aws
    from stepladder.core.errors import StepladderError
    try:
        done = terraform.ensure(project(Path({root!r}), {name!r}), "staging", "foundation", aws=Aws({region!r}))
    except StepladderError as error:
        print(error.message, error.hint)
        sys.exit(int(error.exit_code))
    print(done.notes)
"""


def start(site: Site) -> subprocess.Popen[str]:
    code = textwrap.dedent(RUN).format(
        unit=str(Path(__file__).parents[1] / "unit"),
        root=str(site.settings.root),
        name=site.settings.project,
        region=REGION,
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def terraform_of(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    try:
        return [int(pid) for pid in children.read_text().split()]
    except OSError:
        return []


def kill_outright(run: subprocess.Popen[str]) -> None:
    """Kill stepladder and, at the same moment, its Terraform with all its plugins: as a lost machine would."""
    groups = terraform_of(run.pid)
    run.kill()
    for group in groups:
        os.killpg(group, signal.SIGKILL)
    run.communicate()


@pytest.mark.faults
def test_a_run_killed_after_it_created_something_is_continued(site: Site) -> None:
    site.cloud.reset_calls()
    run = start(site)
    deadline = time.monotonic() + 180
    try:
        while "dynamodb:CreateTable" not in site.cloud.calls():
            assert run.poll() is None, run.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        kill_outright(run)
    site.ensure()
    assert site.is_whole()


@pytest.mark.faults
@pytest.mark.long("a run that is killed between its apply and its migration")
def test_a_run_killed_while_it_moved_its_state_is_continued(site: Site) -> None:
    site.cloud.reset_calls()
    run = start(site)
    deadline = time.monotonic() + 60
    while "s3:PutObject" not in site.cloud.calls():
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    kill_outright(run)
    site.ensure()
    assert site.is_whole()
