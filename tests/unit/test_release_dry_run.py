"""A dry run is the same plan with another executor: each step that acts is told, and in the same order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness, digest

from stepladder.commands.rollback import Rollback
from stepladder.releases import acts, preview, rollback_acts, rollback_plan, rollback_preview
from stepladder.releases import plan as plans


def first(_world: DeployHarness) -> None:
    pass


def code(harness: DeployHarness) -> None:
    harness.deploy()
    harness.source = "two"


def everything(harness: DeployHarness) -> None:
    harness.deploy()
    harness.source = harness.infra_inputs = harness.foundation_inputs = "two"


def cases_only(harness: DeployHarness) -> None:
    harness.case("answers")
    harness.deploy()
    harness.case("again")


def lost_alias(harness: DeployHarness) -> None:
    code(harness)
    harness.function.alias = None
    harness.on_apply = lambda _root: None


DEPLOYS: dict[Callable[[DeployHarness], None], list[str]] = {
    first: ["foundation", "image", "service", "release"],
    code: ["image", "release"],
    everything: ["foundation", "service", "image", "release"],
    cases_only: ["smoke"],
    lost_alias: ["alias", "service", "image", "release"],
}


def untouched(_world: DeployHarness) -> None:
    pass


def shifting(harness: DeployHarness) -> None:
    harness.function.versions["4"] = harness.function.versions["3"] | {
        "Version": "4",
        "ImageUri": f"r@{digest('four')}",
    }
    harness.function.point("3", {"4": 0.1})
    harness.codedeploy.active = "d-1"
    harness.codedeploy.on_stop = lambda: harness.function.point("3")


def asleep(harness: DeployHarness) -> None:
    harness.function.version_states = [*["Inactive"] * 5, "Pending", "Active"]  # as each look finds it


ROLLBACKS: dict[Callable[[DeployHarness], None], list[str]] = {
    untouched: ["alias", "image"],
    shifting: ["deployment", "alias", "image"],
    asleep: ["version", "alias", "image"],
}


class Recorder:
    """Passes each step on to an executor and notes which ones act, and what a person reads of them."""

    def __init__(self, harness: DeployHarness, executor: Any) -> None:
        self.harness, self.executor = harness, executor
        self.acting: list[str] = []
        self.lines: list[str] = []

    def __getattr__(self, kind: str) -> Callable[[plans.PlannedStep], None]:
        def step(planned: plans.PlannedStep) -> None:
            assert kind == planned.name
            before = len(self.harness.printed)
            getattr(self.executor, kind)(planned)
            self.acting += [kind] if planned.act else []
            told = "would" in self.harness.printed[before:]
            assert told == (planned.act and type(self.executor).__name__.endswith("Description")), planned

        return step


def record(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch, plan: Any, *executors: Any) -> list[Recorder]:
    recorders: list[Recorder] = []

    def carry_out(planned: Any, executor: Any) -> None:
        recorders.append(Recorder(harness, executor))
        original(planned, recorders[-1])

    original = plan.carry_out
    for module in executors:
        monkeypatch.setattr(module, "carry_out", carry_out)
    return recorders


def state(harness: DeployHarness) -> str:
    """Everything that a deploy may change."""
    ledger = sorted(harness.table.tables.items())
    return repr((ledger, harness.applied, harness.pushed, list(harness.function.versions), harness.function.alias))


@pytest.mark.parametrize("prepare", DEPLOYS, ids=lambda prepare: prepare.__name__)
def test_what_a_deploy_does_its_dry_run_tells_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[DeployHarness], None]
) -> None:
    harness = DeployHarness(tmp_path)
    prepare(harness)
    recorders = record(harness, monkeypatch, plans, acts, preview)
    before = state(harness)
    told = harness.deploy(dry_run=True)
    assert (told.result, state(harness)) == ("dry_run", before)
    done = harness.deploy()
    assert state(harness) != before
    assert [recorder.acting for recorder in recorders] == [DEPLOYS[prepare]] * 2
    assert [step.name for step in told.plan if step.act] == [step.name for step in done.plan if step.act]


@pytest.mark.parametrize("prepare", ROLLBACKS, ids=lambda prepare: prepare.__name__)
def test_what_a_rollback_does_its_dry_run_tells_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[DeployHarness], None]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    for source in ("one", "two", "three"):
        harness.source = source
        harness.deploy()
    prepare(harness)
    recorders = record(harness, monkeypatch, rollback_plan, rollback_acts, rollback_preview)
    before = state(harness)
    assert (Rollback(harness.rung(), dry_run=True).run().result, state(harness)) == ("dry_run", before)
    assert not harness.codedeploy.stopped
    assert Rollback(harness.rung()).run().result == "rolled_back"
    assert [recorder.acting for recorder in recorders] == [ROLLBACKS[prepare]] * 2


@pytest.mark.parametrize(
    ("protocol", "executors"),
    [
        (plans.DeployExecutor, (acts.Acts, preview.Description)),
        (rollback_plan.RollbackExecutor, (rollback_acts.RollbackActs, rollback_preview.RollbackDescription)),
    ],
    ids=["deploy", "rollback"],
)
def test_every_kind_of_step_can_be_done_and_told(protocol: type, executors: tuple[type, ...]) -> None:
    kinds = {name for name in vars(protocol) if not name.startswith("_")}
    for executor in executors:
        assert kinds <= set(vars(executor))
