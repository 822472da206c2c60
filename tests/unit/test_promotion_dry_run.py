"""`inv promote --dry-run`: what each rung would get, by what shift; nothing is started, applied or locked."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, DeployHarness
from fakes.executions import StepFunctions
from fakes.lambda_ import ACCOUNT, REGION

from stepladder.commands.promote import promote, promote_dry
from stepladder.core.console import Console
from stepladder.core.errors import LockedError, RefusedError
from stepladder.ledger import schema
from stepladder.ledger.schema import Bad, InfraRecord
from stepladder.promotion import infra, preview
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.executors import PromotionActs, PromotionExecutor
from stepladder.promotion.roots import RootPlan
from stepladder.promotion.subject import PromotionOptions
from stepladder.releases.interfaces import Applied
from stepladder.settings.release_command import ReleaseCommandSettings

PLACE = {"account": ACCOUNT, "region": REGION}
POLICIES = {
    "deployment": "Linear20PercentEvery3Minutes",
    "bake_minutes": 7,
    "rungs": {"production": {"approval": True}},
}


class Roots:
    """Terraform, and what was asked of it."""

    def __init__(self) -> None:
        self.did: list[str] = []

    def _note(self, verb: str, rung: Any, root: str) -> None:
        self.did.append(f"{verb} {rung.environment}/{root}")

    def inputs_hash(self, _rung: Any, root: str) -> str:
        return root

    def init(self, rung: Any, root: str) -> tuple[str, ...]:
        self._note("init", rung, root)
        return ()

    def plan(self, rung: Any, root: str, _image: Any, _step: Any) -> RootPlan:
        self._note("plan", rung, root)
        return RootPlan("1 to add")

    def preview(self, rung: Any, root: str, _image: Any, _step: Any) -> str:
        self._note("preview", rung, root)
        return "1 to add, 0 to change, 0 to destroy"

    def apply(self, rung: Any, root: str, _step: Any) -> Applied:
        self._note("apply", rung, root)
        return Applied("plan1", "1 to add", {}, inputs_hash=root)


class Ladder:
    """staging runs an image, qa runs an older one, production has no service."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        names = ("staging", "qa", "production")
        shared: dict[str, Any] = {
            "rungs": list(names),
            "environments": dict.fromkeys(names, PLACE),
            "promotion": POLICIES,
        }
        self.staging = DeployHarness(root, **shared)
        self.qa = DeployHarness(root, name="qa", below=self.staging, **shared)
        self.staging.deploy()
        self.qa.deploy()
        self.staging.source = "two"
        self.staging.deploy()
        self.states = StepFunctions()
        self.staging.aws.clients["stepfunctions"] = self.states
        self.err, self.roots = io.StringIO(), Roots()
        console = Console(err=self.err, live=False, label="dry run:")
        self.machine = StateMachine(replace(self.staging.rung(), environment="production", console=console))
        monkeypatch.setattr(infra, "ProjectRoots", lambda: self.roots)
        monkeypatch.setattr(preview, "ProjectRoots", lambda: self.roots)
        for name in ("staging", "qa"):
            self.record(f"env#{name}", "service")
        self.record("root#foundation", "foundation")

    def record(self, pk: str, inputs: str) -> None:
        tables = self.staging.table.tables[TABLE]
        tables[pk, "infra"] = schema.item(schema.key(pk, "infra"), InfraRecord(inputs, "p", "then"))

    def dry(self, **options: Any) -> dict[str, Any]:
        self.err.truncate(0)
        self.err.seek(0)
        before = json.dumps(str(self.staging.table.tables))
        try:
            return promote_dry(self.machine, PromotionOptions(no_smoke=True, **options))
        finally:
            assert json.dumps(str(self.staging.table.tables)) == before, "the ledger is as it was"
            assert self.states.started == []
            assert not [did for did in self.roots.did if not did.startswith("preview")]

    @property
    def said(self) -> str:
        return self.err.getvalue()


@pytest.fixture
def ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ladder:
    return Ladder(tmp_path, monkeypatch)


def test_each_rung_is_told_with_what_it_would_get_and_by_what_shift(ladder: Ladder) -> None:
    told = ladder.dry()
    assert (told["outcome"], told["how"]) == ("dry_run", "planned")
    assert told["rungs"] == [
        {
            "name": "staging",
            "approval": False,
            "targets": [{"environment": "staging", "action": "unchanged", "shift": "", "bake_minutes": 0}],
        },
        {
            "name": "qa",
            "approval": False,
            "targets": [
                {
                    "environment": "qa",
                    "action": "release",
                    "shift": "Linear20PercentEvery3Minutes",
                    "bake_minutes": 7,
                }
            ],
        },
        {
            "name": "production",
            "approval": True,
            "targets": [
                {"environment": "production", "action": "first release", "shift": "AllAtOnce", "bake_minutes": 0}
            ],
        },
    ]
    text = " ".join(ladder.said.split())
    assert "staging nothing to do: it runs" in text
    assert "Linear20PercentEvery3Minutes, then watched for 7 min" in text
    assert "would wait up to 24 h for approval, then release" in text
    assert "staging -> qa -> production, untested" in text


def test_a_canary_that_compares_is_told_with_its_widths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLICIES, "deployment", {"widths": [1, 25, 100], "minutes": [10, 30]})
    monkeypatch.setitem(POLICIES, "canary", {"compare": True})
    monkeypatch.setitem(POLICIES, "bake_requests", 500)
    ladder = Ladder(tmp_path, monkeypatch)
    qa = ladder.dry()["rungs"][1]["targets"][0]
    assert (qa["compares"], qa["bake_requests"]) == (True, 500)
    widths = (
        "1% for 10 min, 25% for 30 min, 100%, compared with the version before, then watched for 7 min or 500 requests"
    )
    assert widths in " ".join(ladder.said.split())
    assert "compares" not in ladder.dry(hotfix=True)["rungs"][1]["targets"][0]


def test_a_release_command_is_named_on_each_rung_that_gets_one(ladder: Ladder) -> None:
    machine = ladder.machine
    settings = replace(machine.settings, release_command=ReleaseCommandSettings(command="migrate"))
    ladder.machine = StateMachine(replace(machine.rung, settings=settings))
    ladder.dry()
    text = " ".join(ladder.said.split())
    assert text.count("send release command migrate unless it was done, then release") == 2


def test_a_hotfix_is_told_with_the_shift_that_it_gets(ladder: Ladder) -> None:
    assert ladder.dry(hotfix=True)["rungs"][1]["targets"][0]["shift"] == "AllAtOnce"


def test_infrastructure_is_told_as_it_would_be_applied_and_in_that_order(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [f"{root['environment']}/{root['root']}" for root in ladder.dry()["infrastructure"]]
    assert "would apply: 1 to add, 0 to change, 0 to destroy" in ladder.said
    ladder.roots.did.clear()
    monkeypatch.setattr(infra, "copy_images", lambda *_: None)
    assert "would ask a person, then apply: 1 to add" in ladder.said
    promote(ladder.machine, PromotionOptions(no_smoke=True, infra=True), detach=True)
    applied = [did.removeprefix("apply ") for did in ladder.roots.did if did.startswith("apply")]
    assert told == applied == ["production/delivery", "production/service"]
    assert ladder.states.started, "the same plan, carried out"


def test_what_would_be_refused_says_so_and_keeps_its_exit_code(ladder: Ladder) -> None:
    ladder.staging.rung().ledger.mark_bad(ladder.staging.serves, Bad("today", "jo", "blank pages"))
    with pytest.raises(RefusedError, match=r"would be refused: .* marked bad by jo"):
        ladder.dry()


def test_a_promotion_that_is_under_way_would_be_joined(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infra, "copy_images", lambda *_: None)
    promote(ladder.machine, PromotionOptions(no_smoke=True, infra=True), detach=True)
    (name,) = ladder.states.started
    ladder.states.started.clear()
    ladder.roots.did.clear()
    told = ladder.dry()
    assert (told["how"], told["rungs"]) == ("joined", [])
    assert f"would join the promotion that is under way: {name}" in ladder.said
    with pytest.raises(LockedError, match="infrastructure isn't changed beneath it"):
        ladder.dry(infra=True)


def test_every_kind_of_step_can_be_done_and_told() -> None:
    kinds = {name for name in vars(PromotionExecutor) if not name.startswith("_")}
    for executor in (PromotionActs, preview.PromotionDescription):
        assert kinds <= set(vars(executor))


def test_a_lock_that_somebody_holds_is_named(ladder: Ladder) -> None:
    other = ladder.qa.rung().lock
    other.acquire()
    ladder.dry()
    assert "the lock of qa is held by" in ladder.said
    other.release()
