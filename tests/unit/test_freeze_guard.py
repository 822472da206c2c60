"""What a freeze refuses: deploys and promotions, before anything has changed."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, DeployHarness
from fakes.executions import StepFunctions
from fakes.lambda_ import ACCOUNT, REGION

from stepladder.commands import release_existing
from stepladder.core import aws, cloud_clock
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.promotion import frozen
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.ladder import execution_input
from stepladder.promotion.plan import PromotionPlan
from stepladder.promotion.start import request
from stepladder.promotion.subject import PromotionOptions, Subject

PLACE = {"account": ACCOUNT, "region": REGION}
ALWAYS = {"window": "2026-01-01 - 2026-12-31", "reason": "the year's end"}


class Cloud:
    """A local cloud's clock."""

    def __init__(self, when: str) -> None:
        self.now = datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp()


@pytest.fixture
def when(monkeypatch: pytest.MonkeyPatch) -> Any:
    def become(text: str) -> None:
        monkeypatch.setattr(cloud_clock.ClockReader, "read", lambda _self: Cloud(text))

    monkeypatch.setattr(aws, "endpoint", lambda: "")
    become("2026-11-26 15:00")
    return become


def harness(root: Path, freeze: list[Any], **rungs: Any) -> DeployHarness:
    names = ("staging", "qa", "production")
    promotion = {"freeze": freeze, "deployment": "Canary10Percent30Minutes", "rungs": rungs}
    environments = dict.fromkeys(names, PLACE)
    return DeployHarness(root, rungs=list(names), environments=environments, promotion=promotion)


def test_a_deploy_to_a_frozen_environment_changes_nothing(tmp_path: Path, when: Any) -> None:
    world = harness(tmp_path, [], staging={"freeze": [ALWAYS]})
    world.table.tables[TABLE] = {}
    with pytest.raises(
        RefusedError, match=r"staging is frozen until Fri 2027-01-01 00:00 UTC .*: the year's end"
    ) as no:
        world.deploy()
    assert no.value.exit_code == 4
    assert 'inv deploy --env staging --during-freeze --why "..."' in no.value.hint
    assert (world.applied, world.pushed, world.table.tables[TABLE]) == ([], [], {})
    world.deploy(dry_run=True)
    assert "would be refused: staging is frozen" in world.printed


def test_a_deploy_during_a_freeze_needs_a_reason_which_the_ledger_keeps(tmp_path: Path, when: Any) -> None:
    world = harness(tmp_path, [], staging={"freeze": [ALWAYS]})
    with pytest.raises(BadInputError, match="needs a reason"):
        world.deploy(during_freeze=True)
    world.deploy(during_freeze=True, why="the shop is down")
    cause = world.releases[-1]["cause"]
    assert "during the freeze of staging (2026-01-01 - 2026-12-31): the shop is down" in cause
    when("2027-02-01 12:00")
    world.source = "two"
    world.deploy()
    assert "freeze" not in world.releases[-1]["cause"]


def test_changed_smoke_cases_alone_are_no_release(tmp_path: Path, when: Any) -> None:
    world = harness(tmp_path, [], staging={"freeze": [ALWAYS]})
    world.case("hello")
    world.deploy(during_freeze=True, why="the first")
    world.case("hello again")
    world.deploy(dry_run=True)
    assert "would be refused" not in world.printed
    assert world.deploy().result == "tested"
    assert len(world.releases) == 1


def test_an_image_that_was_pushed_before_is_held_back_as_well(tmp_path: Path, when: Any) -> None:
    world = harness(tmp_path, [], staging={"freeze": [ALWAYS]})
    world.deploy(during_freeze=True, why="the first")
    with pytest.raises(RefusedError, match="staging is frozen") as no:
        release_existing.release(world.rung(), version="1", no_smoke=True)
    assert "inv function.release --env staging --version 1 --during-freeze" in no.value.hint
    with pytest.raises(BadInputError, match="needs a reason"):
        release_existing.release(world.rung(), version="1", no_smoke=True, during_freeze=True)


def machine(world: DeployHarness) -> tuple[StateMachine, io.StringIO]:
    err = io.StringIO()
    world.aws.clients["stepfunctions"] = StepFunctions()
    return StateMachine(replace(world.rung(), environment="production", console=Console(err=err, live=False))), err


def plan(*serving: str) -> PromotionPlan:
    subject = Subject("sha256:" + "b" * 64, "c0ffee")
    return PromotionPlan(subject, {"": subject}, {}, base="x", serving=serving)


def test_a_promotion_that_reaches_a_frozen_rung_is_refused_when_it_starts(tmp_path: Path, when: Any) -> None:
    promotes, _ = machine(harness(tmp_path, [ALWAYS], qa={"freeze": []}))
    with pytest.raises(RefusedError, match="production is frozen until Fri 2027-01-01") as no:
        frozen.check(promotes, PromotionOptions(), plan("staging"))
    assert "inv promote --during-freeze" in no.value.hint
    with pytest.raises(RefusedError) as no:
        frozen.check(promotes, PromotionOptions(digest="sha256:bb", functions=("", "mailer")), plan("staging"))
    assert "`inv promote --digest sha256:bb --function main --function mailer --during-freeze --why" in no.value.hint
    frozen.check(promotes, PromotionOptions(), plan("staging", "production"))
    frozen.check(promotes, PromotionOptions(hotfix=True), plan())
    frozen.check(promotes, PromotionOptions(during_freeze=True, why="it burns"), plan())


def test_the_freeze_that_counts_is_the_one_at_the_time_of_arrival(tmp_path: Path, when: Any) -> None:
    when("2026-11-27 15:45")  # a Friday; qa takes half an hour
    promotes, err = machine(harness(tmp_path, ["fri 16:00 - mon 08:00"], qa={"freeze": []}))
    with pytest.raises(RefusedError, match="production is frozen until Mon 2026-11-30 08:00"):
        frozen.check(promotes, PromotionOptions(), plan("staging"))
    when("2026-11-27 15:00")
    frozen.check(promotes, PromotionOptions(), plan("staging"))
    assert "production freezes at Fri 2026-11-27 16:00 UTC" in err.getvalue()
    when("2026-11-26 15:00")
    err.truncate(0)
    frozen.check(promotes, PromotionOptions(), plan("staging"))
    assert "freezes" not in err.getvalue()


def test_a_promotion_during_a_freeze_carries_its_reason_to_the_targets_and_the_ledger(
    tmp_path: Path, when: Any
) -> None:
    promotes, _ = machine(harness(tmp_path, [ALWAYS]))
    with pytest.raises(BadInputError, match="belongs to --during-freeze"):
        frozen.check(promotes, PromotionOptions(why="no reason"), plan())
    options = PromotionOptions(during_freeze=True, why="it burns")
    told = execution_input(promotes.rung.settings, request(promotes, options, plan(), {}))
    assert {t["during_freeze"] for rung in told["rungs"] for t in rung["targets"]} == {"it burns"}
    assert told["untested"].startswith("during the freeze of qa (2026-01-01 - 2026-12-31), production")
    usual = execution_input(promotes.rung.settings, request(promotes, PromotionOptions(), plan(), {}))
    assert "during_freeze" not in usual["rungs"][0]["targets"][0]
