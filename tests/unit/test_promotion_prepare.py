"""`inv promote --prepare FILE`: all of a promotion but its start, which CodePipeline makes with the file's content."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, DeployHarness
from fakes.executions import StepFunctions

from stepladder.commands.promote import promote
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, LockedError, RefusedError
from stepladder.ledger import schema
from stepladder.ledger.schema import Bad, InfraRecord
from stepladder.promotion import infra, start
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.plan import CODEPIPELINE, plan_promotion
from stepladder.promotion.roots import RootPlan
from stepladder.promotion.subject import PromotionOptions
from stepladder.releases.interfaces import Applied

BY_CODEPIPELINE = f"{CODEPIPELINE}1624a1d1-3699-43f0-8e1e-6bafd7fde791"


class Roots:
    """Terraform, whose delivery code is another one than the ledger has."""

    def __init__(self) -> None:
        self.applied: list[str] = []

    def inputs_hash(self, _rung: Any, root: str) -> str:
        return f"{root} new"

    def init(self, _rung: Any, _root: str) -> tuple[str, ...]:
        return ()

    def plan(self, *_: Any) -> RootPlan:
        return RootPlan("1 to change")

    def apply(self, rung: Any, root: str, _step: Any) -> Applied:
        self.applied.append(f"{rung.environment}/{root}")
        return Applied("plan1", "1 to change", {}, inputs_hash=f"{root} new")


class Project:
    """A ladder whose lowest rung runs an image with smoke cases."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.harness, self.states, self.err = DeployHarness(root), StepFunctions(), io.StringIO()
        self.harness.deploy()
        self.harness.aws.clients["stepfunctions"] = self.states
        self.roots, self.file = Roots(), root / "promotion.json"
        monkeypatch.setattr(infra, "ProjectRoots", lambda: self.roots)
        monkeypatch.setattr(infra, "copy_images", lambda *_: None)
        monkeypatch.setattr(start, "release_id", lambda *_: "20261121T230501Z-a1b2c3")
        tables = self.harness.table.tables[TABLE]
        for pk, inputs in (("root#foundation", "foundation new"), ("env#staging", "service new")):
            tables[pk, "infra"] = schema.item(schema.key(pk, "infra"), InfraRecord(inputs, "p", "then"))
        console = Console(err=self.err, live=False)
        self.machine = StateMachine(replace(self.harness.rung(), console=console))

    def prepare(self, **options: Any) -> dict[str, Any]:
        return dict(promote(self.machine, PromotionOptions(no_smoke=True, **options), prepare=str(self.file)))

    def promote(self) -> dict[str, Any]:
        return dict(promote(self.machine, PromotionOptions(no_smoke=True), detach=True))

    def started(self) -> str:
        """The input of the execution that was started."""
        (execution,) = self.states.executions.values()
        return str(execution["input"])

    def by_codepipeline(self, status: str, digest: str = "") -> str:
        """Let CodePipeline have started an execution; return its ARN."""
        arn = self.machine.execution_arn(BY_CODEPIPELINE)
        text = self.file.read_text("utf-8").replace(self.harness.serves, digest or self.harness.serves)
        times = {"startDate": datetime.now(UTC)}
        self.states.executions[arn] = {"executionArn": arn, "status": status, "input": text, **times}
        return arn


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


def test_the_file_holds_byte_for_byte_what_a_promotion_starts_its_execution_with(project: Project) -> None:
    record = project.prepare(force=True, hotfix=True)
    assert (record["outcome"], record["how"]) == ("prepared", "prepared")
    assert project.states.started == []
    promote(project.machine, PromotionOptions(no_smoke=True, force=True, hotfix=True), detach=True)
    assert project.file.read_bytes() == project.started().encode()


def test_what_a_promotion_does_before_its_start_is_done(project: Project) -> None:
    project.prepare()
    assert project.roots.applied == ["staging/delivery"]
    assert f"the execution's input is in {project.file}; nothing was started" in project.err.getvalue()


def test_what_would_refuse_the_promotion_refuses_its_preparation(project: Project) -> None:
    project.harness.rung().ledger.mark_bad(project.harness.serves, Bad("today", "jo", "blank pages"))
    with pytest.raises(RefusedError, match="marked bad by jo"):
        project.prepare()
    assert not project.file.exists()


def test_a_lock_that_a_command_holds_refuses_it(project: Project) -> None:
    lock = project.harness.rung().lock
    lock.acquire()
    with pytest.raises(LockedError):
        project.prepare()
    lock.release()
    assert not project.file.exists()


def test_a_promotion_of_the_image_that_is_under_way_is_not_started_a_second_time(project: Project) -> None:
    project.promote()
    with pytest.raises(LockedError, match="the promotion of this image is under way") as refused:
        project.prepare()
    assert "`inv promote`" in refused.value.hint
    assert not project.file.exists()


def test_a_file_that_cant_be_written_is_bad_input(project: Project) -> None:
    project.file = project.file.parent / "missing" / "promotion.json"
    with pytest.raises(BadInputError, match="can't be written"):
        project.prepare()


def test_an_execution_that_codepipeline_started_is_joined_like_any_other(project: Project) -> None:
    project.prepare()
    arn = project.by_codepipeline("RUNNING")
    joined = project.promote()
    assert (joined["how"], joined["execution_arn"]) == ("joined", arn)
    assert project.states.started == []


def test_one_of_another_image_is_another_promotion(project: Project) -> None:
    project.prepare()
    project.by_codepipeline("RUNNING", "sha256:" + "0" * 64)
    with pytest.raises(LockedError, match=f"another promotion is under way: {BY_CODEPIPELINE}"):
        project.promote()


def test_after_one_that_succeeded_nothing_is_left_to_do(project: Project) -> None:
    project.prepare()
    project.by_codepipeline("SUCCEEDED")
    assert plan_promotion(project.machine, PromotionOptions(no_smoke=True)).is_done
    assert project.promote()["how"] == "unchanged"
