"""What `inv promote` of several functions promotes when an apply of it changes what functions are configured as."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, digest
from fakes.executions import StepFunctions
from fakes.many_harness import ManyHarness

from stepladder.commands.promote import promote, promote_dry
from stepladder.core.console import Console
from stepladder.core.errors import RefusedError
from stepladder.ledger import schema
from stepladder.ledger.schema import Bad, InfraRecord
from stepladder.promotion import infra, preview
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.roots import RootPlan
from stepladder.promotion.subject import PromotionOptions
from stepladder.promotion.subjects import promoted
from stepladder.releases.interfaces import Applied


class Roots:
    """Terraform, by which production's mailer gets more memory."""

    def __init__(self, production: ManyHarness, *, changes: bool) -> None:
        self.production, self.changes = production, changes
        self.images: dict[str, str] = {}

    def inputs_hash(self, _rung: Any, root: str) -> str:
        return root

    def init(self, _rung: Any, _root: str) -> tuple[str, ...]:
        return ()

    def plan(
        self, _rung: Any, _root: str, image_uri: str | None, _step: Any, *, images: dict[str, str] | None = None
    ) -> RootPlan:
        self.images = {**(images or {}), **({"": image_uri} if image_uri else {})}
        return RootPlan("1 to change")

    def preview(self, *_: Any, **__: Any) -> str:
        return "1 to change"

    def apply(self, _rung: Any, root: str, _step: Any) -> Applied:
        if root == "service":
            for name, fake in self.production.many.items():
                if fake.latest is None:
                    fake.create(self.images[name])
        if root == "service" and self.changes:
            self.production.many["mailer"].configure(MemorySize=1024)
        return Applied("plan1", "1 to change", {}, inputs_hash=root)


class Project:
    """Both rungs run the same images of four functions, and production's infrastructure is older."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, *, changes: bool = True, new: bool = False) -> None:
        monkeypatch.delenv("CI", raising=False)
        resizer = {"image": {"context": "functions/resizer"}}
        self.staging = staging = ManyHarness(root, {"mailer": {}, "biller": {}, "resizer": resizer})
        staging.own_source["functions/resizer"] = "own"
        staging.deploy_many()
        self.production = ManyHarness.above(staging)
        if not new:
            self.production.deploy_many()
        self.states = self.production.aws.clients["stepfunctions"] = StepFunctions()
        self.err = io.StringIO()
        console = Console(err=self.err, live=False)
        self.machine = StateMachine(replace(self.production.rung(), console=console))
        roots = Roots(self.production, changes=changes)
        monkeypatch.setattr(infra, "ProjectRoots", lambda: roots)
        monkeypatch.setattr(preview, "ProjectRoots", lambda: roots)
        monkeypatch.setattr(infra, "copy_images", lambda *_: None)
        for pk, inputs in (("root#foundation", "foundation"), ("env#staging", "service"), ("env#production", "old")):
            if new and "production" in pk:
                continue
            item = schema.item(schema.key(pk, "infra"), InfraRecord(inputs, "p", "then"))
            staging.table.tables[TABLE][pk, "infra"] = item

    def options(self, **more: Any) -> PromotionOptions:
        return PromotionOptions(no_smoke=True, **more)


def test_a_function_whose_configuration_the_apply_changes_is_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path, monkeypatch)
    assert promote(project.machine, project.options(), detach=True)["how"] == "unchanged"
    assert promote(project.machine, project.options(infra=True), detach=True)["how"] == "started"
    (execution,) = project.states.executions.values()
    assert list(promoted(json.loads(execution["input"]))) == ["mailer"], "biller serves what it should"


def test_an_apply_that_changes_no_function_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, monkeypatch, changes=False)
    assert promote(project.machine, project.options(infra=True), detach=True)["how"] == "unchanged"
    assert project.states.started == []
    assert "nothing to do" in project.err.getvalue()


def test_functions_that_the_apply_makes_are_promoted_with_those_that_were_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path, monkeypatch, new=True)
    promote(project.machine, project.options(functions=("mailer",)), detach=True)
    (execution,) = project.states.executions.values()
    assert list(promoted(json.loads(execution["input"]))) == ["", "mailer", "biller", "resizer"]
    assert "biller is new there: the apply has made it, so it is promoted too" in project.err.getvalue()


def test_a_dry_run_says_that_an_apply_may_have_more_promoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, monkeypatch)
    promote_dry(project.machine, project.options(infra=True))
    assert "each function whose configuration an apply changes would be promoted, too" in project.err.getvalue()


def test_an_image_that_is_marked_bad_is_refused_with_its_functions_and_how_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path, monkeypatch)
    staging = project.staging
    staging.own_source["functions/resizer"] = "newer"
    staging.deploy_many("resizer")
    staging.rung().ledger.mark_bad(digest("newer"), Bad("today", "jo", "rolled back on production"))
    with pytest.raises(RefusedError, match="marked bad by jo") as refused:
        promote(project.machine, project.options(), detach=True)
    assert refused.value.message.endswith("; it is the image of resizer")
    assert refused.value.hint.endswith("; others go on by name: `inv promote --function main`")


def test_the_file_of_a_promotion_without_a_changed_function_has_no_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path, monkeypatch)
    promote(project.machine, project.options(), prepare=str(tmp_path / "promotion.json"))
    document = json.loads((tmp_path / "promotion.json").read_text("utf-8"))
    assert [rung["targets"] for rung in document["rungs"]] == [[], []]
    assert "prepared the promotion of no function, since every rung serves what it should" in project.err.getvalue()
