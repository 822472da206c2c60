"""One function of a deploy of several: the parts of `inv deploy` for one function, each a phase of its own.

All functions finish a phase before any begins the next: read, prepare (image, version, smoke cases), move the alias,
record. Nothing moves before every function is prepared, and an alias that moved can return until all have.
"""

from __future__ import annotations

from dataclasses import replace

from stepladder.aws_lambda.alias import Alias
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.commands.deploy import Deploy, DeployOptions
from stepladder.core import names
from stepladder.core.errors import StepladderError
from stepladder.ledger.schema import ReleaseEntry
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import cut_off, finish, left_foundation, live_smoke, restore
from stepladder.releases import plan as plans
from stepladder.releases import release as releases
from stepladder.releases.cut_off import Pending
from stepladder.releases.interfaces import Images, Infrastructure, ReleaseImage
from stepladder.releases.plan import IMAGE, SMOKE, DeployPlan, EnvironmentState, PlannedStep, Wanted
from stepladder.releases.release import Prepared
from stepladder.releases.report import DeployReport
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import load_suite

_ROOTS = {plans.FOUNDATION, plans.SERVICE}


class FunctionDeploy:
    """One function under work. `rung` is a view of it: its settings, its names, its lock."""

    state: EnvironmentState
    wanted: Wanted
    plan: DeployPlan

    def __init__(self, name: str, rung: Rung, images: Images, infra: Infrastructure, request: DeployOptions) -> None:
        self.name = name
        self.rung = rung
        self.images = images
        self.deploy = Deploy(rung, images, infra, request)
        self.acts = self.deploy.acts
        self.image: ReleaseImage | None = None
        self.latest: FunctionState | None = None
        self.adopted: ReleaseEntry | None = None
        self.ready: Prepared | None = None
        self.moved: tuple[Pending, Alias] | None = None
        self.entry: ReleaseEntry | None = None
        self.error: Exception | None = None
        self.returned = False
        self.must_build = False

    @property
    def label(self) -> str:
        """The function as people read it."""
        return self.rung.target

    @property
    def is_new(self) -> bool:
        """Whether Terraform is yet to make the function."""
        return self.state.alias is None

    @property
    def is_releasing(self) -> bool:
        """Whether more than the smoke cases is to be done."""
        return self.plan.acts and not self.plan.only_tests

    @property
    def builds(self) -> bool:
        """Whether the image is yet to be prepared."""
        return self.image is None and (self.must_build or self.plan.step(IMAGE).act)

    @property
    def live_release(self) -> str:
        """The id of the release that is live; empty before the first."""
        return self.state.ledger.current.release_id if self.state.ledger.current else ""

    @property
    def digest(self) -> str:
        """The image that the function has, or will have, as far as it is known."""
        if self.image or not self.state.ledger.current:
            return self.image.digest if self.image else ""
        return self.state.ledger.current.digest

    # read and plan

    def load(self, *, no_smoke: bool) -> None:
        """Read the function's smoke cases, before any call."""
        self.deploy.check_options()
        self.acts.suite = load_suite(self.rung, no_smoke=no_smoke)

    def read(self, ledger: Snapshot, input_key: str, hashes: tuple[str, str]) -> None:
        """Read the alias, and settle what may be released."""
        alias = self.rung.alias()
        wanted = Wanted(input_key, *hashes, self.acts.suite.key)
        state = self.deploy.noted(EnvironmentState(alias, ledger))
        self.state, self.wanted = self.deploy.bound(state, wanted)

    def roots(self) -> tuple[PlannedStep, PlannedStep]:
        """Return the steps of the roots as this function would have them."""
        rung, mode = self.rung, self.deploy.mode
        return plans.roots(
            self.state,
            self.wanted,
            mode,
            self.deploy.again,
            environment=rung.environment,
            leave_foundation=left_foundation.is_left(rung.settings, mode),
        )

    def settle(self, roots: tuple[PlannedStep, PlannedStep]) -> None:
        """Plan, given what becomes of the roots that all functions share."""
        self.plan = plans.assembled(
            self.state, self.wanted, self.deploy.mode, roots, self.acts.pin, lost_alias=self.acts.lost_alias
        )

    # act

    def restore_alias(self) -> None:
        """Put a lost alias back on the version that was released."""
        alias = restore.put_back(self.rung, self.state.ledger, self.acts.lost_alias)
        self.state = replace(self.state, alias=alias)

    def guard(self) -> None:
        """Refuse while a deployment moves the alias or somebody holds it, and read $LATEST."""
        rung, alias = self.rung, self.state.alias
        if alias:
            rung.check_unshifted(alias, rung.active_deployment(), self.state.ledger.current)
            self.latest = rung.function.read()

    def take_over(self) -> None:
        """Write down what the holder whose lock was taken over has left, and say whose it was."""
        dead = self.rung.report_takeover()
        if dead and dead.pending:
            self.adopted = cut_off.adopt(self.rung, self.rung.alias(), self.rung.ledger.snapshot(self.rung.target))

    def prepare(self, release_id: str) -> None:
        """Do all of the release that comes before traffic; record at once where no release is needed."""
        rung = self.rung
        if self.plan.only_tests:
            live_smoke.retest(rung, self.state, self.acts.suite)
            return
        alias = rung.alias() if self.acts.applied or self.is_new else self.state.alias
        if alias is None or self.latest is None:
            raise StepladderError(
                f"alias {names.ALIAS} of {rung.names.function} isn't there, though the service was applied",
                kind="alias-missing",
                hint=f"somebody removed it; run it again: `inv deploy {rung.flags}`",
            )
        rung.check_unshifted(alias, "", self.state.ledger.current)
        self.state = replace(self.state, alias=alias)
        target = self.acts.target(self.state, self.wanted, self.plan, self.image, self.latest)
        if target:
            target = replace(target, release_id=release_id)
            self.ready = releases.prepared(rung, target, alias, self.latest, self.acts.suite.cases)

    def move(self) -> None:
        """Move the alias to the prepared version and verify it."""
        if self.ready:
            target = self.ready.target
            self.moved = finish.move(
                self.rung,
                self.ready.entry,
                self.ready.alias,
                self.ready.version,
                infra_hash=target.infra_hash,
                smoke_key=target.smoke_key,
            )

    def put_back(self, why: str) -> None:
        """Return the alias to what it served before, verified and written down, since another function failed."""
        if self.ready and self.moved:
            finish.undo(self.rung, self.moved[0].release, self.ready.alias, self.moved[1], why)
            self.returned = True

    def give_up(self, why: BaseException) -> None:
        """Write down that a prepared version gets no callers."""
        if self.ready:
            finish.failed(self.rung, self.ready.entry, why)

    def record(self) -> None:
        """Write down the release, and give the lock back."""
        if self.moved:
            self.entry = finish.record(self.rung, *self.moved)

    # report

    @property
    def returned_line(self) -> str:
        """Say that the alias serves again what it served."""
        ready = self.ready
        before = ready.alias.version if ready else ""
        return f"{self.label}: returned from version {ready.version.version if ready else ''} to {before}, verified"

    def report(self, result: str = "") -> DeployReport:
        """Return how it ended, as the record of a deploy of one function says it."""
        current, entry = self.state.ledger.current, self.entry or self.adopted
        served, digest = (current.version, current.digest) if current else ("", "")
        return DeployReport(
            self.rung.target,
            result or self.result,
            version=entry.version if entry else served,
            previous_version=entry.previous_version if entry else served,
            digest=entry.digest if entry else digest,
            previous_digest=digest,
            git_commit=entry.git_commit if entry else "",
            release_id=entry.release_id if entry else current.release_id if current else "",
            url=self.acts.url,
            skipped_ladder=entry.skipped_ladder if entry else "",
            plan=self.plan.steps,
        )

    @property
    def result(self) -> str:
        """How it ended, in the words of `DeployReport`, or failed, rolled_back or not_released when one failed."""
        if self.error:
            return "failed"
        if self.returned:
            return "rolled_back"
        if self.entry or self.adopted:
            return "released"
        if self.ready or self.acts.lost_alias:
            return "not_released" if self.ready else "applied"
        acts = {step.name for step in self.plan.steps if step.act}
        return "tested" if SMOKE in acts and self.plan.only_tests else "applied" if acts & _ROOTS else "unchanged"
