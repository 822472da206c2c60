"""The executor that changes the world: apply, build, set back, release. Every step may be repeated."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stepladder.core import names
from stepladder.core.errors import RepositoryMissingError, StepladderError
from stepladder.releases import left_foundation, restore
from stepladder.releases import report as reports
from stepladder.releases.background import BackgroundWork
from stepladder.releases.early_work import EarlyWork
from stepladder.releases.plan import (
    FOUNDATION,
    IMAGE,
    SERVICE,
    DeployPlan,
    EnvironmentState,
    PlannedStep,
    Wanted,
    carry_out,
)
from stepladder.releases.report import DeployReport
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import Suite

if TYPE_CHECKING:
    from stepladder.aws_lambda.lambda_function import FunctionState
    from stepladder.releases.interfaces import Images, Infrastructure, ReleaseImage
    from stepladder.releases.ladder_guard import Pin
    from stepladder.releases.release import ReleaseTarget


@dataclass(eq=False, repr=False)
class Acts:
    """The acts of one deploy, under what was decided: `mode` of the infrastructure, `force`, the image it is bound to.

    A `plan.DeployExecutor`. `lost_alias` is the version that the alias is restored to, empty where it is in place.
    `url` and `plan_id` are those of the service, as the ledger had them or as an apply left them.
    """

    rung: Rung
    images: Images
    infra: Infrastructure
    pool: Executor
    mode: str
    force: bool
    skipped_ladder: str = ""
    remark: str = ""
    early: EarlyWork = field(init=False)
    background: BackgroundWork = field(init=False)
    suite: Suite = field(default_factory=Suite)
    pin: Pin | None = None
    commit: str = ""
    url: str = ""
    plan_id: str = ""
    applied: set[str] = field(default_factory=set)
    latest: FunctionState | None = None
    lost_alias: str = ""
    report: DeployReport | None = None
    _live_image: str = ""
    _image: ReleaseImage | None = None
    _deployment: Future[str] | None = None
    _early: Future[FunctionState | None] | None = None
    state: EnvironmentState = field(init=False)
    wanted: Wanted = field(init=False)
    plan: DeployPlan = field(init=False)

    def __post_init__(self) -> None:
        self.early = EarlyWork(self.images, self.infra)
        self.background = BackgroundWork(self.pool, self.rung.console)

    def first_foundation(self, wanted: Wanted) -> Wanted:
        """Apply a foundation that isn't there yet, while the image is built and the service planned."""
        self.check_files()
        if not self.pin:
            self.early.build()
        return self.apply(FOUNDATION, wanted, None)

    def begin_image(self, plan: DeployPlan) -> None:
        """Begin to build an image that is all that changes: nothing of it is to be seen before its turn."""
        if plan.step(IMAGE).act and not (self.pin or plan.step(FOUNDATION).act or plan.step(SERVICE).act):
            self.images.begin()

    def skip(self, planned: PlannedStep) -> None:
        """Say why a step has nothing to do, or what of it is left to a person."""
        left_foundation.skip(self.rung, self.infra, planned)

    def say_left_out(self, input_key: str, wanted: Wanted) -> None:
        """Say that the working tree may be another image than the one that is released."""
        if self.pin and input_key != wanted.input_key:
            self.rung.console.warn(f"these files may make another image; it is left out: {self.pin.why}")

    def execute(self, state: EnvironmentState, wanted: Wanted, plan: DeployPlan) -> DeployReport:
        """Carry out the plan. The reads that guard it run beside the build; nothing changes before they said yes."""
        self.state, self.wanted, self.plan = state, wanted, plan
        carry_out(plan, self)
        return self.report or reports.unchanged(self.rung, self.state, plan, self.url)

    # the steps

    def alias(self, step: PlannedStep) -> None:
        """Put the alias back on the version that was released."""
        if step.act:
            alias = restore.put_back(self.rung, self.state.ledger, self.lost_alias)
            self.state = replace(self.state, alias=alias)

    def foundation(self, step: PlannedStep) -> None:
        """Apply the foundation, unless that was done before there was a lock."""
        self._begin()
        if FOUNDATION not in self.applied:
            self._root(step)

    def service(self, step: PlannedStep) -> None:
        """Apply the service."""
        self._root(step)

    def image(self, step: PlannedStep) -> None:
        """Build and push, or take the image that the rung is bound to; refuse one that is marked bad."""
        if not step.act and self._lacks_live_image():
            step = replace(step, act=True, why="its image is gone from ECR")
        if not step.act:
            self.skip(step)
            return
        self._image = self._prepared(step)
        if self.pin and self.plan.step(IMAGE).act:
            self.say_left_out(self._image.input_key, self.wanted)
        self._check_bad(self._image.digest)

    def release(self, step: PlannedStep) -> None:
        """Release, or see that the alias serves what is wanted already."""
        if self.plan.only_tests:
            self.skip(step)
            return
        self._guard()
        latest = self.as_applied(self._early.result() if self._early else None)
        rung, state = self.rung, self.state
        alias = rung.alias() if self.applied or state.alias is None else state.alias
        if alias is None or latest is None:
            raise StepladderError(
                f"alias {names.ALIAS} of {rung.names.function} isn't there, though the service was applied",
                kind="alias-missing",
                hint=f"somebody removed it; run it again: `inv deploy {rung.flags}`",
            )
        rung.check_unshifted(alias, "", state.ledger.current)
        self.report = self._release(replace(state, alias=alias), self.wanted, self.plan, self._image, latest)

    def smoke(self, step: PlannedStep) -> None:
        """Run the smoke cases on the live version, since nothing but they changed, and note that it passed them."""
        if step.act and self.plan.only_tests:
            from stepladder.releases import live_smoke

            live_smoke.retest(self.rung, self.state, self.suite)

    # behind them

    def _begin(self) -> None:
        """Start the reads that guard the changes, and refuse what can be refused before any."""
        state, plan, rung = self.state, self.plan, self.rung
        if plan.only_tests:
            return
        if state.alias:
            self._early = self.pool.submit(rung.function.read)
            self._deployment = self.pool.submit(rung.active_deployment)
        current = state.ledger.current
        if current and state.alias:
            self._live_image = f"{rung.names.registry}/{rung.names.repository}@{current.digest}"
        if current and not plan.step(IMAGE).act:
            self._check_bad(current.digest)
        if plan.step(IMAGE).act and (plan.step(FOUNDATION).act or plan.step(SERVICE).act):
            self.check_files()
        if plan.step(SERVICE).act and not (self.pin or plan.first):  # of a first one, the build does
            self.images.check_handlers()

    def _guard(self) -> None:
        """Refuse while a deployment moves the alias; called before each change."""
        if self.state.alias and self._deployment:
            self.rung.check_unshifted(self.state.alias, self._deployment.result(), self.state.ledger.current)

    def check_files(self) -> None:
        """Refuse files that no image can be made of before anything is applied: a build would find them too late."""
        if not self.pin:
            self.images.check()

    def _root(self, step: PlannedStep) -> None:
        if not step.act:
            self.skip(step)
            return
        self._guard()
        self.wanted = self.apply(step.name, self.wanted, self._image.reference if self._image else None)

    def _lacks_live_image(self) -> bool:
        """Say whether the repository, which the foundation has just applied, lacks the live image of these files."""
        digest = self._live_image.rpartition("@")[2]
        return bool(digest and not self.pin and FOUNDATION in self.applied and not self.rung.has_image(digest))

    def _prepared(self, step: PlannedStep) -> ReleaseImage:
        """Prepare the image; when the repository is gone, make it again by the foundation that made it."""
        try:
            return self._prepare(step)
        except RepositoryMissingError as missing:
            if self.mode == "never" or FOUNDATION in self.applied or names.is_preview(self.rung.environment):
                raise
            self._guard()
            self.rung.console.warn(f"{missing.message}; the foundation is applied again")
            self.wanted = self.apply(FOUNDATION, self.wanted, None)
            return self._prepare(step)

    def as_applied(self, early: FunctionState | None) -> FunctionState | None:
        """Return $LATEST, with the configuration that Terraform gave it: what somebody changed by hand is set back.

        Raises `RefusedError` with the difference when that can't be, before anything is published.
        """
        from stepladder.releases import drift
        from stepladder.releases import release as releases

        rung, ledger = self.rung, self.state.ledger
        if SERVICE in self.applied:
            latest = self.latest
            changed = drift.changes(rung, ledger, early) if early and drift.has_drifted(ledger, early) else []
            kept = [line for line in changed if latest and line in drift.changes(rung, ledger, latest)]
            if kept:
                rung.console.warn(f"changed by hand, and Terraform leaves it so: {'; '.join(kept)}")
            return latest
        if early is None or not drift.has_drifted(ledger, early):
            return early
        releases.check_kind(rung, early)
        changed = drift.to_repair(rung, ledger, early, infra=self.mode)
        if not changed:
            return early
        rung.console.warn(f"changed by hand: {'; '.join(changed)}; the service is applied again")
        applied = drift.applied_hash(ledger)
        self.wanted = self.apply(SERVICE, self.wanted, None, config_hash=applied)
        latest = self.latest
        if latest and latest.config_hash != applied:
            raise drift.refused(rung, drift.changes(rung, ledger, latest), "Terraform doesn't set it back")
        return latest

    def _release(
        self,
        state: EnvironmentState,
        wanted: Wanted,
        plan: DeployPlan,
        image: ReleaseImage | None,
        latest: FunctionState,
    ) -> DeployReport:
        from stepladder.releases import release as releases

        target = self.target(state, wanted, plan, image, latest)
        if target is None or state.alias is None:
            return reports.unchanged(self.rung, state, plan, self.url)
        done = releases.release(self.rung, target, state.alias, latest, self.suite.cases)
        return reports.released(self.rung, done, state, plan, self.url)

    def target(
        self,
        state: EnvironmentState,
        wanted: Wanted,
        plan: DeployPlan,
        image: ReleaseImage | None,
        latest: FunctionState,
    ) -> ReleaseTarget | None:
        """Return what is to be released; None once it is recorded that the alias serves that already."""
        from stepladder.aws_lambda.lambda_function import repository_of
        from stepladder.releases import adopt
        from stepladder.releases.release import ReleaseTarget

        rung, current, alias = self.rung, state.ledger.current, state.alias
        if alias is None:
            raise AssertionError("a release needs an alias")
        digest = image.digest if image else (current.digest if current else "")
        infra_hash = wanted.service_hash
        if self.mode == "never":
            infra_hash = state.ledger.infra.input_hash if state.ledger.infra else ""
        same = not image or (current and image.digest == current.digest and not plan.step(IMAGE).act)
        if same and current and alias.version == current.version and adopt.serves(rung, alias, latest, digest):
            self.background.finish()
            adopt.adopt(rung, alias, current, self.suite, infra_hash=infra_hash, config_hash=latest.config_hash)
            return None
        return ReleaseTarget(
            digest=digest,
            image_uri=image.reference if image else f"{repository_of(latest.image_uri)}@{digest}",
            git_commit=(image.git_commit if image else "") or self.commit,
            input_key=image.input_key if image else wanted.input_key,
            infra_hash=infra_hash,
            smoke_key=self.suite.key,
            plan_id=self.plan_id,
            skipped_ladder=self.skipped_ladder,
            remark=self.remark,
            after=current.release_id if current else "",
            live_digest=current.digest if current and current.version == alias.version else "",
            before_traffic=self.background.finish,
        )

    def _prepare(self, planned: PlannedStep) -> ReleaseImage:
        with self.rung.console.step(IMAGE) as step:
            step.progress(planned.why)
            self.early.finish_image()
            if self.pin:
                return self.images.fetch(self.pin, step)
            return self.images.prepare(step, self.background.begin)

    def apply(self, root: str, wanted: Wanted, image_uri: str | None, *, config_hash: str = "") -> Wanted:
        """Apply a root and record what was applied; return what is wanted, with the hash that its files have now.

        `config_hash` is what the function's configuration has to be afterwards; by default it is as it is then.
        """
        from stepladder.releases import applied_root, environment_outputs

        live = self._live_image if root == SERVICE and not image_uri else ""
        applied = applied_root.apply(
            self.rung, self.infra, root, image_uri or live or None, live=bool(live), ready=self.early.finish
        )
        self.applied.add(root)
        service = root == SERVICE
        if applied.inputs_hash:
            changed = {"service_hash" if service else "foundation_hash": applied.inputs_hash}
            wanted = replace(wanted, **changed)
        if service:
            self.url = environment_outputs.address(applied.outputs)
            self.plan_id = applied.plan_id
            self.latest = self.rung.function.read()
            config_hash = config_hash or (self.latest.config_hash if self.latest else "")
        input_hash = wanted.service_hash if service else wanted.foundation_hash
        applied_root.record(self.rung, root, replace(applied, inputs_hash=input_hash), {"": config_hash})
        return wanted

    def _check_bad(self, digest: str) -> None:
        from stepladder.releases import marks

        marks.check_deploy(self.rung, digest, force=self.force)
