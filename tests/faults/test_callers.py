"""Callers hammer function URL and alias of production through deploy, apply, promotion, rollback and redrive.

`pytest -s tests/faults/test_callers.py` prints what they got; with `--long` the story is told several times.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from callers import HANDLER, Callers, Tally
from in_process import PushedImage
from simulated_commands import Infrastructure

from localcloud import daemon
from stepladder.commands import redrive
from stepladder.commands.deploy import Deploy, DeployOptions
from stepladder.commands.rollback import Rollback
from stepladder.core.step import Step

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

SHARE = 0.1  # of the canary
_numbers = itertools.count(1)


class Story:
    """What is done to a project while callers use its production, and which versions may answer in each part."""

    def __init__(self, project: Any, cloud: Any, callers: Callers, midway: Any, eventually: Any) -> None:
        self.project, self.cloud, self.callers = project, cloud, callers
        self.midway, self.eventually = midway, eventually
        self.expected: list[tuple[Tally, set[str], float]] = []

    def part(self, title: str, *versions: str, failing: float = 0.0, answers: int = 0) -> Tally:
        """Begin a part; callers get some answers before it goes on."""
        tally = self.callers.part(title)
        self.expected.append((tally, set(versions), failing))
        self.eventually(lambda: tally.total >= answers)
        return tally

    def may_serve(self, version: str) -> None:
        """Let this version answer in the part that is told now, too."""
        self.expected[-1][1].add(version)

    def tell(self) -> None:
        """Tell the story once."""
        before = self.served()
        self.part("deploy on staging, apply on both", before, answers=20)
        self.deploy()
        assert self.served() == before
        self.part("promote by a canary", before)
        self.promote(0)
        self.may_serve(better := self.served())
        self.part("after it", better, answers=20)
        self.deploy(broken=True)
        tally = self.part("promote what fails its callers", better, failing=SHARE)
        self.promote_until_callers_fail(tally)
        assert self.served() == better
        self.project.outlive_alarms()
        self.part("after its rollback", better, answers=20)
        self.deploy()
        self.part("promote, cut off, roll back", better, str(int(self.newest()) + 1))
        self.cut_off()
        assert self.served() == better
        self.part("redrive", better)
        self.redrive()
        self.may_serve(best := self.served())
        self.part("roll back by hand", best, better)
        Rollback(self.project.rung("production"), bad=False).run()
        assert self.served() == better
        self.part("after it", better, answers=20)

    def served(self) -> str:
        version, weights = self.project.alias()
        assert weights == {}
        return str(version)

    def newest(self) -> str:
        """Return the newest published version of production."""
        return str(self.project.rung("production").function.versions()[-1].version)

    def deploy(self, *, broken: bool = False) -> None:
        """Deploy a new image on staging, with a new setting, as `inv deploy` does; and apply production's."""
        number = next(_numbers)
        rung = replace(self.project.rung("staging"), command="inv deploy --env staging")
        uri = self.project.push(f"# {number} {time.time()}\n{HANDLER % broken}")
        image, options = PushedImage(uri, lambda: uri), DeployOptions(infra="always")
        Deploy(rung, image, Infrastructure(rung, f"{number}"), options).run()
        Infrastructure(self.project.rung("production"), f"{number}").ensure("service", None, Step("apply"))

    def promote(self, code: int) -> None:
        ended = self.project.promote()
        assert ended.code == code, ended.message

    def promote_until_callers_fail(self, tally: Tally) -> None:
        """Promote; the canary's five minutes pass slowly until a caller has met the new version."""
        with self.midway(self.project) as promotion:
            self.eventually(lambda: tally.failed > 0)
        ended = promotion.result()
        assert ended.code == 3, ended.message

    def cut_off(self) -> None:
        """Stop an execution from outside, in the middle of its canary."""
        with self.midway(self.project) as promotion:
            self.project.client("stepfunctions").stop_execution(executionArn=self.project.running()[0])
        assert promotion.result().code == 3

    def redrive(self) -> None:
        again = self.project.run(lambda machine: redrive.redriven(machine, machine.pick(), detach=False))
        assert again.code == 0, again.message

    def check(self) -> None:
        """Compare: only what served answered, and no more answers failed than the canary's share of them.

        Each call draws lots, so the share is met within four standard deviations.
        """
        for tally, versions, failing in self.expected:
            assert tally.versions <= versions, tally
            most = failing * tally.total + 4 * math.sqrt(failing * (1 - failing) * tally.total)
            assert tally.failed <= most, (str(tally), tally.reasons[:5])
            assert all("broken for its callers" in why or " 502 " in why for why in tally.reasons), tally.reasons[:5]


@pytest.mark.parametrize("times", [1, pytest.param(8, marks=pytest.mark.long("the same story, again and again"))])
def test_callers_get_no_failed_and_no_unknown_answer_beyond_the_canary_s_share(
    times, make_project, cloud, midway, eventually, unique
):
    project = make_project("called", deployment="Canary10Percent5Minutes")
    project.ship(unique(HANDLER % False))
    assert project.promote().code == 0
    name = project.function("production")
    client = project.client("lambda", "production")
    url = client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="AWS_IAM")["FunctionUrl"]
    with Callers(client, name, url, cloud.env | {"AWS_REGION": daemon.REGION}) as callers:
        story = Story(project, cloud, callers, midway, eventually)
        for _ in range(times):
            story.tell()
    client.delete_function_url_config(FunctionName=name, Qualifier="live")
    story.check()
    total, failed = (sum(getattr(part, what) for part in callers.parts) for what in ("total", "failed"))
    lines = [
        *map(str, callers.parts[1:]),
        f"{total} answers; {failed} failed, all in one canary",
    ]
    sys.stdout.write("".join(f"\n{line}" for line in lines) + "\n")
