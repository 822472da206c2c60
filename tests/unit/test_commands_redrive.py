"""`inv promote.redrive`: what a change of the pipeline means for a promotion that ended."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, DeployHarness
from fakes.executions import StepFunctions
from fakes.secret_stores import Parameters

from stepladder.commands.redrive import redriven
from stepladder.core.console import Console
from stepladder.core.errors import RefusedError
from stepladder.ledger import schema
from stepladder.ledger.schema import PIPELINE_HOST, Bad, Holder, InfraRecord
from stepladder.promotion import infra
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.roots import RootPlan
from stepladder.releases.interfaces import Applied

DIGEST = "sha256:" + "b" * 64
NAME = "staging-c0ffee-bbbbbbbb-1"


class Roots:
    """Terraform, whose delivery code is another one than the ledger has."""

    def __init__(self) -> None:
        self.applied: list[str] = []

    def inputs_hash(self, _rung: Any, root: str) -> str:
        return f"{root} new" if root == "delivery" else root

    def init(self, _rung: Any, _root: str) -> tuple[str, ...]:
        return ()

    def plan(self, *_: Any) -> RootPlan:
        return RootPlan("0 to add, 1 to change, 0 to destroy")

    def apply(self, rung: Any, root: str, _step: Any) -> Applied:
        self.applied.append(f"{rung.environment}/{root}")
        return Applied("plan1", "1 to change", {}, inputs_hash=self.inputs_hash(rung, root))


class Promotion:
    """A promotion of one rung that has ended."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
        harness = DeployHarness(root)
        self.table, self.roots, self.err = harness.table, Roots(), io.StringIO()
        self.table.tables[TABLE] = {}
        console = Console(err=self.err, live=False)
        self.rung = replace(harness.rung(), console=console)
        self.machine = StateMachine(self.rung)
        self.arn = self.machine.execution_arn(NAME)
        started = {
            "executionArn": self.arn,
            "status": status,
            "startDate": datetime.now(UTC),
            "input": json.dumps(
                {
                    "digest": DIGEST,
                    "force": False,
                    "release_id": "20261121T230501Z-a1b2c3",
                    "git_commit": "c0ffee",
                    "rungs": [{"targets": [{"environment": "staging"}]}],
                }
            ),
        }
        self.clients = harness.aws.clients
        self.states = self.clients["stepfunctions"] = StepFunctions(started)
        monkeypatch.setattr(infra, "ProjectRoots", lambda: self.roots)
        monkeypatch.setattr(infra, "copy_images", lambda *_: None)
        for pk, inputs in (("root#foundation", "foundation"), ("env#staging", "service"), ("root#delivery", "old")):
            record = InfraRecord(inputs, "p", "then")
            self.table.tables[TABLE][pk, "infra"] = schema.item(schema.key(pk, "infra"), record)

    def hold(self) -> None:
        """Leave the lock of the rung with the promotion, as when nothing has recovered it."""
        holder = Holder("jo", PIPELINE_HOST, "", 0, self.arn, "the climb of jo", "then", 9_000_000_000)
        self.table.tables[TABLE]["env#staging", "lock"] = schema.item(schema.LOCK.key(environment="staging"), holder)

    def redrive(self) -> dict[str, Any]:
        execution = self.machine.describe(self.arn)
        assert execution
        return redriven(self.machine, execution, detach=True)


def test_one_that_starts_again_has_a_changed_pipeline_applied_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promotion = Promotion(tmp_path, monkeypatch, "FAILED")
    asked_before: list[str] = []
    apply = promotion.roots.apply
    monkeypatch.setattr(
        promotion.roots, "apply", lambda *given: asked_before.extend(promotion.states.changes) or apply(*given)
    )
    result = promotion.redrive()
    assert promotion.roots.applied == ["staging/delivery"]
    assert (asked_before, promotion.states.changes) == ([], ["start"])
    assert result["name"] == "staging-c0ffee-bbbbbbbb-2"
    assert "starts again" in promotion.err.getvalue()


def test_one_that_is_refused_has_nothing_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promotion = Promotion(tmp_path, monkeypatch, "FAILED")
    promotion.rung.ledger.mark_bad(DIGEST, Bad("today", "jo", "blank pages"))
    with pytest.raises(RefusedError, match="marked bad by jo"):
        promotion.redrive()
    assert (promotion.roots.applied, promotion.states.changes) == ([], [])


def test_one_whose_secret_was_deleted_meanwhile_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promotion = Promotion(tmp_path, monkeypatch, "FAILED")
    staging = promotion.rung.settings.environment("staging")
    with_secret = replace(staging, function=replace(staging.function, secrets={"API_KEY": "ssm"}))
    settings = replace(promotion.rung.settings, environments={"staging": with_secret})
    promotion.clients["ssm"] = Parameters()
    promotion.machine = StateMachine(replace(promotion.rung, settings=settings))
    with pytest.raises(RefusedError, match="staging has no value for API_KEY"):
        promotion.redrive()
    assert (promotion.roots.applied, promotion.states.changes) == ([], [])


def test_one_that_goes_on_says_that_a_change_of_the_pipeline_does_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promotion = Promotion(tmp_path, monkeypatch, "ABORTED")
    promotion.hold()
    promotion.redrive()
    assert (promotion.roots.applied, promotion.states.changes) == ([], ["redrive"])
    text = promotion.err.getvalue()
    assert "a promotion that goes on keeps those that it began with" in " ".join(text.split())
    assert "`inv promote.stop`, then `inv promote`" in text
    promotion.states.executions[promotion.arn]["status"] = "ABORTED"
    promotion.err.truncate(0)
    promotion.table.tables[TABLE]["root#delivery", "infra"]["input_hash"] = {"S": "delivery new"}
    promotion.redrive()
    assert "changes that were not applied" not in promotion.err.getvalue()
