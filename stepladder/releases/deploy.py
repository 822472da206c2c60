"""`inv deploy`: read, plan, act, verify, report. With nothing to do it makes two AWS calls and starts nothing.

The order of a deployment: foundation, service, image, release; the first one needs the image before the service, whose
function is created from it. Every step may be repeated: a killed run is continued by running it again.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from stepladder import names
from stepladder.ci import in_ci
from stepladder.errors import BadInputError, RefusedError, StepladderError
from stepladder.releases import live_smoke, marks
from stepladder.releases import plan as plans
from stepladder.releases import release as releases
from stepladder.releases import report as reports
from stepladder.releases.alias import Alias
from stepladder.releases.cases import UNTESTED_WARNING, Suite, load_suite
from stepladder.releases.clock import stamp
from stepladder.releases.function import State, repository_of
from stepladder.releases.lock import WAIT, locked
from stepladder.releases.parts import Image, Images, Infra
from stepladder.releases.plan import FOUNDATION, IMAGE, RELEASE, SERVICE, SMOKE, Plan, Planned, Wanted, World
from stepladder.releases.records import Holder, recorded_commit
from stepladder.releases.records import Infra as InfraRecord
from stepladder.releases.release import Target
from stepladder.releases.report import Report
from stepladder.releases.rung import Rung


@dataclass(frozen=True)
class Request:
    """What the caller asked for. `infra` is auto, always, never, or empty for the settings' own."""

    infra: str = ""
    dry_run: bool = False
    force: bool = False
    wait: bool = False
    allow_dirty: bool = False
    no_smoke: bool = False


class Deploy:
    """One deployment of one rung."""

    def __init__(self, rung: Rung, images: Images, infra: Infra, request: Request) -> None:
        self.rung = rung
        self.images = images
        self.infra = infra
        self.request = request
        self.mode = request.infra or rung.settings.infra
        self.commit = ""
        self.pool = ThreadPoolExecutor(6, thread_name_prefix="deploy")
        self.suite = Suite()
        self._url = ""
        self._plan_id = ""
        self._applied: set[str] = set()

    def run(self) -> Report:
        """Deploy and return the report.

        A refusal comes before anything has changed, but for two that can't be known so early: that a new image is
        marked bad (its digest comes of the build, and a changed service is applied before that), and that somebody
        touched the function meanwhile. Neither is reached after the alias has moved.
        """
        if self.mode not in ("auto", "always", "never"):
            raise BadInputError(f"--infra is {self.mode!r}", hint="allowed: auto, always, never")
        with self.pool:
            self.suite = load_suite(self.rung, no_smoke=self.request.no_smoke)
            world, wanted = self._read()
            if world.alias:
                self.rung.check_released(world.alias, world.ledger.current)
            plan = plans.make(world, wanted, self.mode)
            if not plan.acts:
                return self._unchanged(world, plan)
            if self.request.dry_run:
                return self._preview(world, plan)
            if self.request.no_smoke:
                self.rung.console.warn(UNTESTED_WARNING)
            self._check_commit()
            return self._locked(world, wanted)

    # read

    def _read(self) -> tuple[World, Wanted]:
        """Read alias and ledger while the working tree is hashed."""
        alias = self.pool.submit(self.rung.alias)
        ledger = self.pool.submit(self.rung.ledger.snapshot, self.rung.environment)
        wanted = Wanted(
            self.images.input_key(), self.infra.inputs_hash(FOUNDATION), self.infra.inputs_hash(SERVICE), self.suite.key
        )
        world = World(alias.result(), ledger.result())
        self._url = world.ledger.infra.url if world.ledger.infra else ""
        return world, wanted

    def _unchanged(self, world: World, plan: Plan) -> Report:
        for planned in plan.steps:
            self._skip(planned)
        return reports.unchanged(self.rung, world, plan, self._url)

    def _skip(self, planned: Planned) -> None:
        with self.rung.console.step(planned.name) as step:
            step.skip(planned.why)

    def _preview(self, world: World, plan: Plan) -> Report:
        """Tell what would be done, from real reads and real plans; change nothing."""
        holder = world.ledger.lock
        if holder:
            self.rung.console.warn(locked(self.rung.environment, holder, self.rung.clock.now()).message)
        for planned in plan.steps:
            with self.rung.console.step(planned.name) as step:
                if not planned.act:
                    step.skip(f"nothing to do: {planned.why}")
                elif planned.name in (FOUNDATION, SERVICE) and world.ledger.exists:
                    step.done(f"would apply: {self.infra.preview(planned.name, None, step)} ({planned.why})")
                else:
                    tests = f"run {len(self.suite.cases)} smoke cases on the live version"
                    verb = {IMAGE: "build and push", RELEASE: "publish, test and move the alias", SMOKE: tests}
                    step.done(f"would {verb.get(planned.name, 'apply')}: {planned.why}")
        if world.alias:
            self.rung.check_unshifted(world.alias, self.rung.active_deployment(), world.ledger.current)
        return reports.previewed(self.rung, world, plan, self._url)

    def _check_commit(self) -> None:
        """Learn the commit; refuse what no commit records when a CI job would release it."""
        from stepladder.releases import sources

        commit = sources.commit(self.rung.settings)
        self.commit = recorded_commit(commit.sha, dirty=commit.dirty)
        if commit.dirty and in_ci() and not self.request.allow_dirty:
            raise RefusedError(
                f"files differ from their commit, and a CI job releases only what is committed: {commit.changed}",
                hint="commit it, or pass --allow-dirty if the job itself changes files on purpose",
            )

    # act

    def _locked(self, world: World, wanted: Wanted) -> Report:
        rung = self.rung
        if not world.ledger.exists:
            # The table that holds the lock is yet to be made. Terraform's own locks (a file lock of this checkout, then
            # the state's) keep two of us apart until then.
            rung.check_account(rung.aws.account())
            wanted = self._apply(FOUNDATION, wanted, None)
            world = replace(world, ledger=rung.ledger.snapshot(rung.environment))
        elif world.alias is None:
            rung.check_account(rung.aws.account())
        wait = WAIT if self.request.wait else 0.0
        with rung.alone(world.ledger.lock, wait=wait, waiting=self._say_waiting) as was_free:
            if not was_free:
                self._taken_over()
                world, wanted = self._read()
            plan = plans.make(world, wanted, self.mode)
            return self._execute(world, wanted, plan) if plan.acts else self._unchanged(world, plan)

    def _say_waiting(self, holder: Holder) -> None:
        self.rung.console.warn(
            f"waiting for {holder.owner} (process {holder.pid}), at work since {holder.since}: {holder.command}"
        )

    def _taken_over(self) -> None:
        dead = self.rung.lock.taken_over
        if dead:
            self.rung.console.warn(
                f"took over the lock that {dead.owner} (process {dead.pid}) left on {dead.since}: {dead.command}"
            )
            for line in self.infra.free_lock_of(dead):
                self.rung.console.warn(line)

    def _execute(self, world: World, wanted: Wanted, plan: Plan) -> Report:
        """Carry out the plan. The reads that guard it run beside the build; nothing changes before they said yes."""
        rung = self.rung
        if plan.only_tests:
            return self._retest(world, plan)
        deployment = self.pool.submit(rung.active_deployment) if world.alias else None
        applies = plan.step(SERVICE).act or plan.step(FOUNDATION).act
        early = None if applies else self.pool.submit(rung.function.read)

        def guard() -> None:
            if world.alias and deployment:
                rung.check_unshifted(world.alias, deployment.result(), world.ledger.current)

        current = world.ledger.current
        if current and not plan.step(IMAGE).act:
            self._check_bad(current.digest)
        image, wanted = self._up_to_release(plan, wanted, guard)
        guard()
        alias = rung.alias() if applies or world.alias is None else world.alias
        latest = early.result() if early else rung.function.read()
        if alias is None or latest is None:
            raise StepladderError(
                f"alias {names.ALIAS} of {rung.names.function} isn't there, though the service was applied",
                hint="somebody removed it; run `inv deploy --infra always`",
            )
        rung.check_unshifted(alias, "", world.ledger.current)
        return self._release(replace(world, alias=alias), wanted, plan, image, latest)

    def _up_to_release(self, plan: Plan, wanted: Wanted, guard: Callable[[], None]) -> tuple[Image | None, Wanted]:
        """Do all but the release; return the image if one was prepared, and the hashes after the applies."""
        image: Image | None = None
        for planned in plan.steps:
            if planned.name in {RELEASE, SMOKE, *self._applied}:
                continue
            if not planned.act:
                self._skip(planned)
            elif planned.name == IMAGE:
                image = self._prepare(planned)
                self._check_bad(image.digest)
            else:
                guard()
                wanted = self._apply(planned.name, wanted, image.reference if image else None)
        return image, wanted

    def _release(
        self,
        world: World,
        wanted: Wanted,
        plan: Plan,
        image: Image | None,
        latest: State,
    ) -> Report:
        rung, current, alias = self.rung, world.ledger.current, world.alias
        if alias is None:
            raise AssertionError("a release needs an alias")
        digest = image.digest if image else (current.digest if current else "")
        infra_hash = wanted.service_hash
        if self.mode == "never":
            infra_hash = world.ledger.infra.input_hash if world.ledger.infra else ""
        if not image and current and alias.version == current.version and self._serves(alias, latest, digest):
            return self._adopt(world, plan, infra_hash, latest.config_hash)
        target = Target(
            digest=digest,
            image_uri=image.reference if image else f"{repository_of(latest.image_uri)}@{digest}",
            git_commit=self.commit,
            input_key=wanted.input_key,
            infra_hash=infra_hash,
            smoke_key=self.suite.key,
            plan_id=self._plan_id,
        )
        return reports.released(
            rung, releases.release(rung, target, alias, latest, self.suite.cases), world, plan, self._url
        )

    def _prepare(self, planned: Planned) -> Image:
        with self.rung.console.step(IMAGE) as step:
            step.progress(planned.why)
            return self.images.prepare(step)

    def _apply(self, root: str, wanted: Wanted, image_uri: str | None) -> Wanted:
        """Apply a root and record what was applied; return what is wanted, with the hash that its files have now."""
        with self.rung.console.step(root) as step:
            if self.rung.lock.held:
                self.rung.lock.check()
            applied = self.infra.ensure(root, image_uri, step)
            step.done(applied.summary)
        self._applied.add(root)
        for note in applied.notes:
            self.rung.console.line(f"  {note}")
        service = root == SERVICE
        if applied.inputs_hash:
            changed = {"service_hash" if service else "foundation_hash": applied.inputs_hash}
            wanted = replace(wanted, **changed)
        if service:
            self._url = applied.outputs.get("function_url") or ""
            self._plan_id = applied.plan_id
        record = InfraRecord(
            input_hash=wanted.service_hash if service else wanted.foundation_hash,
            plan_id=applied.plan_id,
            applied_at=stamp(self.rung.clock.now()),
            url=self._url if service else "",
        )
        self.rung.ledger.record_infra(self.rung.environment if service else None, record, self.rung.lock.holding)
        return wanted

    def _check_bad(self, digest: str) -> None:
        marks.check(self.rung, digest, force=self.request.force, hint="change the code, release it with --force")

    def _serves(self, alias: Alias, latest: State, digest: str) -> bool:
        """Say whether the alias's version has the wanted image and the configuration that $LATEST has now."""
        served = self.rung.function.read(alias.version)
        return bool(
            served and served.digest == digest and served.config_hash == latest.config_hash and latest.digest == digest
        )

    def _retest(self, world: World, plan: Plan) -> Report:
        """Run the smoke cases on the live version, since nothing but they changed, and note that it passed them."""
        for planned in plan.steps:
            if planned.name != SMOKE:
                self._skip(planned)
        live_smoke.retest(self.rung, world, self.suite)
        return reports.unchanged(self.rung, world, plan, self._url)

    def _adopt(self, world: World, plan: Plan, infra_hash: str, config_hash: str) -> Report:
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
        return reports.unchanged(self.rung, world, plan, self._url)
