"""`inv deploy`: read, plan, act, verify, report. With nothing to do it makes two AWS calls and starts nothing.

The order of a deployment: foundation, service, image, release; the first one needs the image before the service, whose
function is created from it. Every step may be repeated: a killed run is continued by running it again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from stepladder.aws_lambda.alias import ALIAS_CHANGED
from stepladder.core import names
from stepladder.core.ci import in_ci
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.records import dataclass
from stepladder.core.similar import did_you_mean
from stepladder.ledger.words import recorded_commit
from stepladder.releases import foretold, freeze_guard, half_destroyed, ladder_guard, left_foundation, restore
from stepladder.releases import plan as plans
from stepladder.releases import report as reports
from stepladder.releases.acts import Acts
from stepladder.releases.plan import FOUNDATION, IMAGE, SERVICE, DeployPlan, EnvironmentState, Wanted
from stepladder.releases.report import DeployReport
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import UNTESTED_WARNING, load_suite
from stepladder.settings.load import INFRA

if TYPE_CHECKING:
    from stepladder.core.git import Commit
    from stepladder.ledger.schema import ReleaseEntry
    from stepladder.releases.interfaces import Images, Infrastructure


@dataclass(frozen=True)
class DeployOptions:
    """What the caller asked for. `infra` is auto, always, never, or empty for the settings' own.

    `skip_ladder` releases the working tree on a rung that gets its images by promotion; `why` is then needed.
    `during_freeze` releases although the environment is frozen, and needs `why` too. `allow_destroy` are the addresses
    of resources that may be destroyed or replaced.
    """

    infra: str = ""
    dry_run: bool = False
    force: bool = False
    wait: bool = False
    allow_dirty: bool = False
    no_smoke: bool = False
    skip_ladder: bool = False
    why: str = ""
    allow_destroy: tuple[str, ...] = ()
    during_freeze: bool = False


class Deploy:
    """One deployment of one rung."""

    def __init__(self, rung: Rung, images: Images, infra: Infrastructure, request: DeployOptions) -> None:
        self.rung = rung
        self.images = images
        self.infra = infra
        self.request = request
        self.mode = request.infra or rung.settings.infra
        self.pool = ThreadPoolExecutor(6, thread_name_prefix="deploy")
        self.acts = Acts(rung, images, infra, self.pool, self.mode, request.force)
        self.again = ""
        self._state: EnvironmentState | None = None

    def run(self) -> DeployReport:
        """Deploy and return the report.

        A refusal comes before anything has changed, but for three that can't be known so early: that a new image is
        marked bad (its digest comes of the build, and a changed service is applied before that), that somebody
        touched the function meanwhile, and that Terraform can't undo what somebody did to it. None is reached after
        the alias has moved.

        Another run may have begun and ended between our reads and our lock. The alias's guard refuses what was planned
        on them then, and the whole is done once more.
        """
        try:
            return self.once()
        except RefusedError as error:
            if error.kind != ALIAS_CHANGED or not self.overtaken():
                raise
        self.rung.console.warn("another run released here meanwhile; it is read again")
        return Deploy(replace(self.rung), self.images, self.infra, self.request).once()

    def once(self) -> DeployReport:
        """Deploy as `run` does, and end with what another run did in between."""
        options, rung = self.request, self.rung
        self.check_options()
        with self.pool, self.acts.early, foretold.refusals(dry_run=options.dry_run):
            self.acts.suite = load_suite(rung, no_smoke=options.no_smoke)
            state, wanted = self._read()
            if not (state.ledger.exists or options.dry_run):
                self.acts.early.install()
            half_destroyed.warn(rung, state.ledger)
            if state.alias is None:  # else its own account was compared
                rung.check_caller()
            state, wanted = self.bound(state, wanted)
            plan = self._plan(state, wanted)
            self._check_allowed(plan)
            if not plan.acts:
                return self._unchanged(state, plan)
            if options.dry_run:
                return self._preview(state, plan)
            if not plan.only_tests:
                self.check_freeze()
            self.acts.begin_image(plan)
            if options.no_smoke:
                rung.console.warn(UNTESTED_WARNING)
            from stepladder.releases import secret_check

            self._check_commit()
            secret_check.check([rung])
            return self._locked(state, wanted, plan)

    def check_options(self) -> None:
        """Refuse options that contradict each other or the settings, and note why the ladder is skipped."""
        if self.mode not in INFRA:
            hint = f"{did_you_mean(self.mode, INFRA)} allowed: {', '.join(INFRA)}".strip()
            raise BadInputError(f"--infra is {self.mode!r}", kind="bad-arguments", hint=hint)
        options, rung = self.request, self.rung
        past = freeze_guard.past_ladder(
            during_freeze=options.during_freeze, skip_ladder=options.skip_ladder, why=options.why
        )
        self.acts.skipped_ladder = ladder_guard.skipped(
            rung.settings, rung.environment, skip_ladder=options.skip_ladder, why=past
        )

    def overtaken(self) -> bool:
        """Say whether the alias is as another run's release has left it, while ours was read before or amid that."""
        now = EnvironmentState(self.rung.alias(), self.rung.ledger.snapshot(self.rung.target))
        current = now.ledger.current
        return bool(now.alias and current and now.alias.revision == current.alias_revision and self._read_before(now))

    def _read_before(self, now: EnvironmentState) -> bool:
        return self._state is None or (self._state.alias, self._state.ledger.current) != (now.alias, now.ledger.current)

    # read

    def _read(self) -> tuple[EnvironmentState, Wanted]:
        """Read alias and ledger while the working tree is hashed."""
        alias = self.pool.submit(self.rung.alias)
        ledger = self.pool.submit(self.rung.ledger.snapshot, self.rung.target)
        foundation, service = self.infra.inputs_hash(FOUNDATION), self.infra.inputs_hash(SERVICE)
        wanted = Wanted(self.images.input_key(), foundation, service, self.acts.suite.key)
        return self.noted(EnvironmentState(alias.result(), ledger.result())), wanted

    def noted(self, state: EnvironmentState) -> EnvironmentState:
        """Keep what was read last, and return it."""
        self._state = state
        self.acts.url = state.ledger.infra.url if state.ledger.infra else ""
        return state

    def bound(self, state: EnvironmentState, wanted: Wanted) -> tuple[EnvironmentState, Wanted]:
        """Settle what this deploy may release, and whether the alias has to be restored first.

        Returns the world with the alias where it will be then, and what is wanted under the ladder's rule.
        """
        rung, current = self.rung, state.ledger.current
        if state.alias and not self.request.force:
            rung.check_released(state.alias, current)
        if not self.acts.skipped_ladder:
            force = self.request.force
            self.acts.pin = ladder_guard.pin(rung, state.alias, state.ledger, wanted.input_key, force=force)
        self.acts.lost_alias = restore.target(rung, state)
        if self.acts.lost_alias:
            self.again = "" if state.alias else restore.DELETED
            if self.again and self.mode == "never":
                raise RefusedError(
                    f"alias {names.ALIAS} of {rung.names.function} was deleted, and --infra never forbids to make "
                    "again what hung on it",
                    kind="alias-missing",
                    hint=f"let it: `inv deploy {rung.flags} --infra auto`",
                )
            state = restore.planned(state, self.acts.lost_alias)
        if self.acts.pin and current and self.acts.pin.digest == current.digest:
            self.acts.say_left_out(current.input_key, wanted)
            wanted = replace(wanted, input_key=current.input_key)
        return state, wanted

    def _plan(self, state: EnvironmentState, wanted: Wanted) -> DeployPlan:
        return plans.make(
            state,
            wanted,
            self.mode,
            self.acts.pin,
            self.again,
            environment=self.rung.environment,
            lost_alias=self.acts.lost_alias,
            leave_foundation=left_foundation.is_left(self.rung.settings, self.mode),
        )

    def _unchanged(self, state: EnvironmentState, plan: DeployPlan) -> DeployReport:
        for planned in plan.steps:
            self.acts.skip(planned)
        return reports.unchanged(self.rung, state, plan, self.acts.url)

    def _preview(self, state: EnvironmentState, plan: DeployPlan) -> DeployReport:
        """Print what would be done, from real reads and real plans; change nothing."""
        from stepladder.releases import preview

        self._check_commit()
        if any(plan.step(name).act for name in (IMAGE, SERVICE)):
            self.acts.check_files()
        preview.warn_of_lock(self.rung, state.ledger.lock)
        if not plan.only_tests:
            self.check_freeze()
        digest = self.acts.pin.digest if self.acts.pin else ""
        preview.Description(
            self.rung, self.infra, state, plan, self.acts.suite, image_digest=digest, force=self.request.force
        ).execute()
        return reports.previewed(self.rung, state, plan, self.acts.url)

    def _check_allowed(self, plan: DeployPlan) -> None:
        """Refuse a name of `--allow-destroy` under which nothing would be destroyed, before anything has changed."""
        if not self.request.allow_destroy:
            return
        with self.rung.console.step("allow") as step:
            self.infra.check_allowed([root for root in (FOUNDATION, SERVICE) if plan.step(root).act], step)
            step.done(f"{', '.join(self.request.allow_destroy)} may be destroyed or replaced")

    def check_freeze(self) -> None:
        """Refuse an environment that is frozen; keep what the ledger is to say of a release during a freeze."""
        options, rung = self.request, self.rung
        try:
            self.acts.remark = freeze_guard.check_release(
                rung.settings,
                rung.environment,
                rung.clock,
                f"inv deploy --env {rung.environment}",
                during_freeze=options.during_freeze,
                why=options.why,
            )
        except RefusedError as error:
            if not options.dry_run:
                raise
            rung.console.warn(f"would be refused: {error.message}")

    def _check_commit(self) -> None:
        from stepladder.releases import sources

        self.acts.commit = checked_commit(sources.commit(self.rung.settings), self.request)

    # act

    def _locked(self, state: EnvironmentState, wanted: Wanted, plan: DeployPlan) -> DeployReport:
        from stepladder.ledger.lock import WAIT
        from stepladder.releases import failed_run
        from stepladder.releases.release import Released

        rung = self.rung
        if not state.ledger.exists:
            # The table that holds the lock is yet to be made. Terraform's own locks (a file lock of this checkout, then
            # the state's) keep two of us apart until then.
            wanted = self.acts.first_foundation(wanted)
            state = replace(state, ledger=rung.ledger.snapshot(rung.target))
        wait = WAIT if self.request.wait else 0.0
        with rung.locked(state.ledger.lock, wait=wait, waiting=self.rung.say_waiting) as was_free:
            half_destroyed.end(rung, state.ledger)
            before, adopted = state, None
            if not was_free:
                adopted = self._cut_off_release()
                state, wanted = self.bound(*self._read())
                plan = self._plan(state, wanted)
            if plan.acts:
                live = state.ledger.current.release_id if state.ledger.current else ""
                with failed_run.recorded(rung, "deploy", after=live, commit=self.acts.commit):
                    return self.acts.execute(state, wanted, plan)
            if adopted and state.alias:
                return reports.released(rung, Released(adopted, state.alias, moved=True), before, plan, self.acts.url)
            return self._unchanged(state, plan)

    def _cut_off_release(self) -> ReleaseEntry | None:
        """Print whose lock was taken over, and free what it left; return the release that is written in its stead."""
        from stepladder.releases import cut_off

        dead = self.rung.report_takeover()
        if dead:
            for line in self.infra.free_lock_of(dead):
                self.rung.console.warn(line)
            if dead.pending:
                return cut_off.adopt(self.rung, self.rung.alias(), self.rung.ledger.snapshot(self.rung.target))
        return None


def checked_commit(commit: Commit, options: DeployOptions) -> str:
    """Return the commit as the ledger keeps it; refuse what no commit records when a CI job would release it."""
    if commit.dirty and in_ci() and not options.allow_dirty:
        raise RefusedError(
            f"files differ from their commit, and a CI job releases only what is committed: {commit.changed}",
            kind="uncommitted-files",
            hint="commit it, or pass `--allow-dirty` if the job itself changes files on purpose",
        )
    return recorded_commit(commit.sha, dirty=commit.dirty)
