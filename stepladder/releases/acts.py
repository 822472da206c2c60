"""What a deploy does once it is decided: apply, build, put right, release. Every step may be repeated."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from stepladder.aws_lambda.alias import Alias
from stepladder.aws_lambda.lambda_function import FunctionState, repository_of
from stepladder.core import names
from stepladder.core.clock import stamp
from stepladder.core.errors import RepositoryMissingError, StepladderError
from stepladder.ledger.schema import InfraRecord
from stepladder.releases import drift, live_smoke, marks
from stepladder.releases import release as releases
from stepladder.releases import report as reports
from stepladder.releases.interfaces import Images, Infrastructure, ReleaseImage
from stepladder.releases.ladder_guard import Pin
from stepladder.releases.plan import (
    FOUNDATION,
    IMAGE,
    RELEASE,
    SERVICE,
    SMOKE,
    DeployPlan,
    EnvironmentState,
    PlannedStep,
    Wanted,
)
from stepladder.releases.release import ReleaseTarget
from stepladder.releases.report import DeployReport
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import Suite


@dataclass
class Acts:
    """The acts of one deploy, under what was decided: `mode` of the infrastructure, `force`, the image it is bound to.

    `url` and `plan_id` are those of the service, as the ledger had them or as an apply left them.
    """

    rung: Rung
    images: Images
    infra: Infrastructure
    pool: Executor
    mode: str
    force: bool
    skipped_ladder: str = ""
    suite: Suite = field(default_factory=Suite)
    pin: Pin | None = None
    commit: str = ""
    url: str = ""
    plan_id: str = ""
    applied: set[str] = field(default_factory=set)
    latest: FunctionState | None = None
    _live_image: str = ""

    def skip(self, planned: PlannedStep) -> None:
        """Say why a step has nothing to do."""
        with self.rung.console.step(planned.name) as step:
            step.skip(planned.why)

    def say_left_out(self, input_key: str, wanted: Wanted) -> None:
        """Say that the working tree may be another image than the one that is released."""
        if self.pin and input_key != wanted.input_key:
            self.rung.console.warn(f"these files may make another image; it is left out: {self.pin.why}")

    def execute(self, world: EnvironmentState, wanted: Wanted, plan: DeployPlan) -> DeployReport:
        """Carry out the plan. The reads that guard it run beside the build; nothing changes before they said yes."""
        rung = self.rung
        if plan.only_tests:
            return self._retest(world, plan)
        deployment = self.pool.submit(rung.active_deployment) if world.alias else None
        early = self.pool.submit(rung.function.read) if world.alias else None

        def guard() -> None:
            if world.alias and deployment:
                rung.check_unshifted(world.alias, deployment.result(), world.ledger.current)

        current = world.ledger.current
        if current and world.alias:
            self._live_image = f"{rung.names.registry}/{rung.names.repository}@{current.digest}"
        if current and not plan.step(IMAGE).act:
            self._check_bad(current.digest)
        if plan.step(IMAGE).act and (plan.step(FOUNDATION).act or plan.step(SERVICE).act):
            self.check_files()
        image, wanted = self._up_to_release(plan, wanted, guard)
        guard()
        wanted, latest = self._as_applied(world, wanted, early.result() if early else None)
        alias = rung.alias() if self.applied or world.alias is None else world.alias
        if alias is None or latest is None:
            raise StepladderError(
                f"alias {names.ALIAS} of {rung.names.function} isn't there, though the service was applied",
                hint=f"somebody removed it; run it again: `inv deploy --env {rung.environment}`",
            )
        rung.check_unshifted(alias, "", world.ledger.current)
        return self._release(replace(world, alias=alias), wanted, plan, image, latest)

    def check_files(self) -> None:
        """Refuse files that no image can be made of before anything is applied: a build would find them too late."""
        if not self.pin:
            self.images.check()

    def _up_to_release(
        self, plan: DeployPlan, wanted: Wanted, guard: Callable[[], None]
    ) -> tuple[ReleaseImage | None, Wanted]:
        """Do all but the release; return the image if one was prepared, and the hashes after the applies."""
        image: ReleaseImage | None = None
        for planned in plan.steps:
            if planned.name in {RELEASE, SMOKE, *self.applied}:
                continue
            if planned.name == IMAGE and not planned.act and self._lacks_live_image():
                image, wanted = self._prepared(replace(planned, why="its image is gone from ECR"), wanted, guard)
                self._check_bad(image.digest)
            elif not planned.act:
                self.skip(planned)
            elif planned.name == IMAGE:
                image, wanted = self._prepared(planned, wanted, guard)
                if self.pin:
                    self.say_left_out(image.input_key, wanted)
                self._check_bad(image.digest)
            else:
                guard()
                wanted = self.apply(planned.name, wanted, image.reference if image else None)
        return image, wanted

    def _lacks_live_image(self) -> bool:
        """Say whether the repository, which the foundation has just applied, lacks the live image of these files."""
        digest = self._live_image.rpartition("@")[2]
        return bool(digest and not self.pin and FOUNDATION in self.applied and not self.rung.image_there(digest))

    def _prepared(self, planned: PlannedStep, wanted: Wanted, guard: Callable[[], None]) -> tuple[ReleaseImage, Wanted]:
        """Prepare the image; when the repository is gone, make it again by the foundation that made it."""
        try:
            return self._prepare(planned), wanted
        except RepositoryMissingError as missing:
            if self.mode == "never" or FOUNDATION in self.applied:
                raise
            guard()
            self.rung.console.warn(f"{missing.message}; the foundation is applied again")
            wanted = self.apply(FOUNDATION, wanted, None)
            return self._prepare(planned), wanted

    def _as_applied(
        self, world: EnvironmentState, wanted: Wanted, early: FunctionState | None
    ) -> tuple[Wanted, FunctionState | None]:
        """Return $LATEST, with the configuration that Terraform gave it: what somebody changed by hand is set back.

        Raises `RefusedError` with the difference when that can't be, before anything is published.
        """
        rung, ledger = self.rung, world.ledger
        told = drift.changes(rung, ledger, early) if early and drift.found(ledger, early) else []
        if SERVICE in self.applied:
            latest = self.latest
            kept = [line for line in told if latest and line in drift.changes(rung, ledger, latest)]
            if kept:
                rung.console.warn(f"changed by hand, and Terraform leaves it so: {'; '.join(kept)}")
            return wanted, latest
        if not told or early is None:
            return wanted, early
        releases.check_kind(rung, early)
        if self.mode == "never":
            raise drift.refused(rung, told, "--infra never forbids to set it back")
        rung.console.warn(f"changed by hand: {'; '.join(told)}; the service is applied again")
        applied = drift.applied_hash(ledger)
        wanted = self.apply(SERVICE, wanted, None, config_hash=applied)
        latest = self.latest
        if latest and latest.config_hash != applied:
            raise drift.refused(rung, drift.changes(rung, ledger, latest), "Terraform doesn't set it back")
        return wanted, latest

    def _release(
        self,
        world: EnvironmentState,
        wanted: Wanted,
        plan: DeployPlan,
        image: ReleaseImage | None,
        latest: FunctionState,
    ) -> DeployReport:
        rung, current, alias = self.rung, world.ledger.current, world.alias
        if alias is None:
            raise AssertionError("a release needs an alias")
        digest = image.digest if image else (current.digest if current else "")
        infra_hash = wanted.service_hash
        if self.mode == "never":
            infra_hash = world.ledger.infra.input_hash if world.ledger.infra else ""
        same = not image or (current and image.digest == current.digest and not plan.step(IMAGE).act)
        if same and current and alias.version == current.version and self._serves(alias, latest, digest):
            return self._adopt(world, plan, infra_hash, latest.config_hash)
        target = ReleaseTarget(
            digest=digest,
            image_uri=image.reference if image else f"{repository_of(latest.image_uri)}@{digest}",
            git_commit=(image.git_commit if image else "") or self.commit,
            input_key=image.input_key if image and self.pin else wanted.input_key,
            infra_hash=infra_hash,
            smoke_key=self.suite.key,
            plan_id=self.plan_id,
            skipped_ladder=self.skipped_ladder,
            after=current.release_id if current else "",
        )
        return reports.released(
            rung, releases.release(rung, target, alias, latest, self.suite.cases), world, plan, self.url
        )

    def _prepare(self, planned: PlannedStep) -> ReleaseImage:
        with self.rung.console.step(IMAGE) as step:
            step.progress(planned.why)
            return self.images.fetch(self.pin, step) if self.pin else self.images.prepare(step)

    def apply(self, root: str, wanted: Wanted, image_uri: str | None, *, config_hash: str = "") -> Wanted:
        """Apply a root and record what was applied; return what is wanted, with the hash that its files have now.

        `config_hash` is what the function's configuration has to be afterwards; by default it is as it is then.
        """
        with self.rung.console.step(root) as step:
            if self.rung.lock.held:
                self.rung.lock.check()
            live = self._live_image if root == SERVICE and not image_uri else ""
            applied = self.infra.ensure(root, image_uri or live or None, step, live=bool(live))
            step.done(applied.summary)
        self.applied.add(root)
        for note in applied.notes:
            self.rung.console.line(f"  {note}")
        service = root == SERVICE
        if applied.inputs_hash:
            changed = {"service_hash" if service else "foundation_hash": applied.inputs_hash}
            wanted = replace(wanted, **changed)
        if service:
            self.url = applied.outputs.get("function_url") or ""
            self.plan_id = applied.plan_id
            self.latest = self.rung.function.read()
            config_hash = config_hash or (self.latest.config_hash if self.latest else "")
        record = InfraRecord(
            input_hash=wanted.service_hash if service else wanted.foundation_hash,
            plan_id=applied.plan_id,
            applied_at=stamp(self.rung.clock.now()),
            url=self.url if service else "",
            config_hash=config_hash,
        )
        self.rung.ledger.record_infra(self.rung.environment if service else None, record, self.rung.lock.holding)
        return wanted

    def _check_bad(self, digest: str) -> None:
        marks.check(self.rung, digest, force=self.force, hint="change the code, release it with --force")

    def _serves(self, alias: Alias, latest: FunctionState, digest: str) -> bool:
        """Say whether the alias's version has the wanted image and the configuration that $LATEST has now."""
        served = self.rung.function.read(alias.version)
        return bool(
            served and served.digest == digest and served.config_hash == latest.config_hash and latest.digest == digest
        )

    def _retest(self, world: EnvironmentState, plan: DeployPlan) -> DeployReport:
        """Run the smoke cases on the live version, since nothing but they changed, and note that it passed them."""
        for planned in plan.steps:
            if planned.name != SMOKE:
                self.skip(planned)
        live_smoke.retest(self.rung, world, self.suite)
        return reports.unchanged(self.rung, world, plan, self.url)

    def _adopt(self, world: EnvironmentState, plan: DeployPlan, infra_hash: str, config_hash: str) -> DeployReport:
        """Note the revision of an alias that serves what is wanted, so that the next run needs two calls again."""
        current, alias = world.ledger.current, world.alias
        if current is None or alias is None:
            raise AssertionError("adopting needs an alias and a current release")
        smoke_key = live_smoke.passed(self.rung, alias, current, self.suite)
        with self.rung.console.step(RELEASE) as step:
            new = replace(
                current,
                alias_revision=alias.revision,
                infra_hash=infra_hash,
                config_hash=config_hash,
                smoke_key=smoke_key,
            )
            self.rung.ledger.set_current(self.rung.environment, new, was=current, holding=self.rung.lock.holding)
            step.skip(f"version {alias.version} has the wanted image and configuration")
        return reports.unchanged(self.rung, world, plan, self.url)
