"""`inv promote --dry-run`: say what would be applied, and what each rung would get by what shift; change nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stepladder.core.errors import RefusedError
from stepladder.core.names import split_target
from stepladder.core.release_facts import short
from stepladder.promotion import frozen, held, infra, ladder, root_changes, service_images, start
from stepladder.promotion.contract import RungInput
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.executors import PromotionExecutor
from stepladder.promotion.plan import PromotionPlan
from stepladder.promotion.roots import ProjectRoots, Roots
from stepladder.promotion.service_images import ServiceImages
from stepladder.promotion.start import StartResult
from stepladder.promotion.subject import PromotionOptions
from stepladder.promotion.subjects import subject_words
from stepladder.releases import preview
from stepladder.releases.plan import FOUNDATION
from stepladder.settings import locations
from stepladder.settings.shift import Shift

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

    def check_size(self) -> None:
        """See `PromotionExecutor`."""
        start.check_size(self.machine, self.options, self.plan)

    def check_freezes(self) -> None:
        """Say which rung is frozen: the promotion would be refused."""
        try:
            frozen.check(self.machine, self.options, self.plan)
        except RefusedError as error:
            self.machine.console.warn(f"would be refused: {error.message}")

    def check_free(self) -> None:
        """Say who holds the lock of a rung: the promotion would wait or be refused."""
        machine = self.machine
        keys = dict.fromkeys((*machine.settings.ladder_environments, *machine.targets(tuple(self.plan.subjects))))
        for key, snapshot in machine.snapshots(tuple(keys)).items():
            preview.warn_of_lock(machine.at(key), snapshot.lock)

    def check_secrets(self) -> None:
        """See `PromotionExecutor`."""
        held.check_secrets(self.machine, tuple(self.plan.subjects))

    def prepare(self) -> tuple[str, ...]:
        """Plan what would be applied, and say where the image would be copied to."""
        terraform = self.terraform or ProjectRoots()
        digests = self.plan.digests
        wanted = root_changes.plan_infra(
            self.machine, self.plan.missing, digests, infra=self.options.infra, roots=terraform
        )
        images = service_images.read(self.machine, frozenset(wanted.missing), digests)
        for change in wanted.changes:
            summary = self._planned(change, images, terraform)
            self.roots.append({"environment": change.rung.environment, "root": change.root, "plan": summary})
        if wanted.services and self.machine.settings.function_names != ("",):
            self.machine.console.line("each function whose configuration an apply changes would be promoted, too")
        self._describe_copies()
        return ()

    def _planned(self, change: root_changes.RootChange, images: ServiceImages, terraform: Roots) -> str:
        with self.machine.console.step(change.where) as step:
            if change.early or (change.is_new and change.root == FOUNDATION):  # no bucket for a state yet
                summary = "planned once its location has a foundation"
            else:
                summary = infra.preview(change, images, terraform, step)
            asks = not self.options.infra and infra.needs_answer(self.machine, change)
            step.done(f"would {'ask a person, then ' if asks else ''}apply: {summary}")
        return summary

    def _describe_copies(self) -> None:
        for digest in dict.fromkeys(self.plan.digests.values()):
            others = [rung for rung in self.machine.representatives[1:] if not rung.has_image(digest)]
            if others:
                named = ", ".join(str(locations.of(rung.settings, rung.environment)) for rung in others)
                with self.machine.console.step("image") as step:
                    step.done(f"would copy {short(digest)} to {named}")

    def planned_again(self, applied: tuple[str, ...]) -> tuple[PromotionExecutor, PromotionPlan]:
        """See `PromotionExecutor`. Nothing is `applied`."""
        del applied
        return self, self.plan

    def start(self) -> StartResult:
        """Say of each rung what it would get. Nothing is started."""
        keys = {name: suite.key for name, suite in self.plan.suites.items()}
        request = start.request(self.machine, self.options, self.plan, keys)
        for rung in ladder.execution_input(self.machine.settings, request)["rungs"]:
            self._describe_rung(rung)
        console = self.machine.console
        names = " -> ".join("+".join(rung) for rung in self.machine.settings.rungs)
        console.line(f"would promote {subject_words(self.plan.subjects, self.plan.subject)}: {names}, {self._tested()}")
        return StartResult("planned", request)

    def _tested(self) -> str:
        cases = sorted({len(suite.cases) for suite in self.plan.suites.values()})
        if self.options.no_smoke or not cases:
            return "untested"
        return f"each tested by {'-'.join(str(number) for number in {cases[0]: 0, cases[-1]: 0})} smoke cases"

    def _describe_rung(self, rung: RungInput) -> None:
        hours = rung["approval_seconds"] // 3600
        targets = [self._target(target["environment"]) for target in rung["targets"]]
        self.rungs.append({"name": rung["name"], "approval": rung["approval"], "targets": targets})
        moves = any(target["action"] != UNCHANGED for target in targets)
        for target, given in zip(targets, rung["targets"], strict=True):
            with self.machine.console.step(target["environment"]) as step:
                digest = short(self.plan.digests[split_target(target["environment"])[1]])
                if target["action"] == UNCHANGED:
                    step.skip(f"nothing to do: it runs {digest}")
                    continue
                waits = f"wait up to {hours} h for approval, then " if rung["approval"] and moves else ""
                command = given.get("command")
                sent = f"send release command {command['name']} unless it was done, then " if command else ""
                step.done(f"would {waits}{sent}release {digest}: {_words(target)}")

    def _target(self, key: str) -> dict[str, Any]:
        """Return what a target would get, and how its traffic would move."""
        policy = self.machine.settings.promotion.policies[split_target(key)[0]]
        if key in self.plan.serving:
            return {"environment": key, "action": UNCHANGED, "shift": "", "bake_minutes": 0}
        first = key in self.plan.unreleased
        shift = Shift() if first or self.options.hotfix else policy.shift
        target = {
            "environment": key,
            "action": FIRST if first else RELEASED,
            "shift": shift.name,
            "bake_minutes": 0 if first else policy.bake_minutes,  # no deployment, so nothing is watched
        }
        if not first and not self.options.hotfix and policy.reads_metrics:
            target |= {"compares": policy.canary.compare, "bake_requests": policy.bake_requests}
        return target


def _words(target: dict[str, Any]) -> str:
    first = "its first release, " if target["action"] == FIRST else ""
    compared = ", compared with the version before" if target.get("compares") else ""
    bake = f", then watched for {target['bake_minutes']} min" if target["bake_minutes"] else ""
    requests = f" or {target['bake_requests']:,} requests" if target.get("bake_requests") else ""
    return f"{first}{target['shift']}{compared}{bake}{requests}"
