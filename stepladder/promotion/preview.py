"""`inv promote --dry-run`: say what would be applied, and what each rung would get by what shift; change nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stepladder.core.release_facts import short
from stepladder.ledger.words import shown_commit
from stepladder.promotion import held, infra, ladder, start
from stepladder.promotion.contract import RungInput
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.plan import PromotionPlan
from stepladder.promotion.roots import ProjectRoots, Roots
from stepladder.promotion.start import StartResult
from stepladder.promotion.subject import PromotionOptions
from stepladder.releases import preview
from stepladder.releases.plan import FOUNDATION
from stepladder.settings import locations
from stepladder.settings.promotion import Shift

UNCHANGED, FIRST, RELEASED = "unchanged", "first release", "release"


@dataclass
class PromotionDescription:
    """A `PromotionExecutor` that changes nothing. `roots` and `rungs` are what it has described, as data."""

    machine: StateMachine
    options: PromotionOptions
    plan: PromotionPlan
    terraform: Roots | None = None
    roots: list[dict[str, str]] = field(default_factory=list)
    rungs: list[dict[str, Any]] = field(default_factory=list)

    def existing(self) -> StartResult | None:
        """See `PromotionExecutor`."""
        return start.existing(self.machine, self.options, self.plan)

    def check_free(self) -> None:
        """Say who holds the lock of a rung: the promotion would wait or be refused."""
        for name in self.machine.rung.settings.ladder_environments:
            rung = self.machine.at(name)
            preview.warn_of_lock(rung, rung.ledger.snapshot(name).lock)

    def check_secrets(self) -> None:
        """See `PromotionExecutor`."""
        held.check_secrets(self.machine)

    def prepare(self) -> tuple[str, ...]:
        """Plan what would be applied, and say where the image would be copied to."""
        terraform = self.terraform or ProjectRoots()
        wanted = infra.plan_infra(self.machine, self.plan.missing, infra=self.options.infra, roots=terraform)
        for change in wanted.changes:
            summary = self._planned(change, terraform)
            self.roots.append({"environment": change.rung.environment, "root": change.root, "plan": summary})
        self._describe_copies()
        return ()

    def _planned(self, change: infra.RootChange, terraform: Roots) -> str:
        with self.machine.console.step(change.where) as step:
            if change.early or (change.is_new and change.root == FOUNDATION):  # no bucket for a state yet
                summary = "planned once its location has a foundation"
            else:
                summary = terraform.preview(change.rung, change.root, infra.image_of(change, self.digest), step)
            asks = not self.options.infra and infra.needs_answer(self.machine, change)
            step.done(f"would {'ask a person, then ' if asks else ''}apply: {summary}")
        return summary

    def _describe_copies(self) -> None:
        others = [rung for rung in self.machine.representatives[1:] if not rung.has_image(self.digest)]
        if others:
            named = ", ".join(str(locations.of(rung.settings, rung.environment)) for rung in others)
            with self.machine.console.step("image") as step:
                step.done(f"would copy {short(self.digest)} to {named}")

    def start(self) -> StartResult:
        """Say of each rung what it would get. Nothing is started."""
        request = start.request(self.machine, self.options, self.plan.subject, self.plan.suite.key)
        for rung in ladder.execution_input(self.machine.rung.settings, request)["rungs"]:
            self._describe_rung(rung)
        console = self.machine.console
        names = " -> ".join("+".join(rung) for rung in self.machine.rung.settings.rungs)
        tested = "untested" if self.options.no_smoke else f"each tested by {len(self.plan.suite.cases)} smoke cases"
        commit = shown_commit(self.plan.subject.git_commit)
        console.line(f"would promote {short(self.digest)} ({commit}): {names}, {tested}")
        return StartResult("planned", request)

    def _describe_rung(self, rung: RungInput) -> None:
        hours = rung["approval_seconds"] // 3600
        targets = [self._target(target["environment"]) for target in rung["targets"]]
        self.rungs.append({"name": rung["name"], "approval": rung["approval"], "targets": targets})
        moves = any(target["action"] != UNCHANGED for target in targets)
        for target in targets:
            with self.machine.console.step(target["environment"]) as step:
                if target["action"] == UNCHANGED:
                    step.skip(f"nothing to do: it runs {short(self.digest)}")
                    continue
                waits = f"wait up to {hours} h for approval, then " if rung["approval"] and moves else ""
                step.done(f"would {waits}release {short(self.digest)}: {_words(target)}")

    def _target(self, environment: str) -> dict[str, Any]:
        """Return what an environment would get, and how its traffic would move."""
        policy = self.machine.rung.settings.promotion.policies[environment]
        if environment in self.plan.serving:
            return {"environment": environment, "action": UNCHANGED, "shift": "", "bake_minutes": 0}
        first = environment in self.plan.unreleased
        shift = Shift() if first or self.options.hotfix else policy.shift
        return {
            "environment": environment,
            "action": FIRST if first else RELEASED,
            "shift": shift.name,
            "bake_minutes": 0 if first else policy.bake_minutes,  # no deployment, so nothing is watched
        }

    @property
    def digest(self) -> str:
        """The image."""
        return self.plan.subject.digest


def _words(target: dict[str, Any]) -> str:
    first = "its first release, " if target["action"] == FIRST else ""
    bake = f", then watched for {target['bake_minutes']} min" if target["bake_minutes"] else ""
    return f"{first}{target['shift']}{bake}"
