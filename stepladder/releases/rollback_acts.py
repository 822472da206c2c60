"""The executor of a rollback's plan that changes the world."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from stepladder.aws_lambda import deployments
from stepladder.aws_lambda.alias import Alias
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.core.clock import stamp
from stepladder.core.errors import StepladderError
from stepladder.ledger import schema
from stepladder.ledger.schema import Bad, Holder, ReleaseEntry
from stepladder.releases import cut_off, finish
from stepladder.releases.cut_off import Pending
from stepladder.releases.plan import PlannedStep
from stepladder.releases.release import run_smoke
from stepladder.releases.rollback_plan import RollbackPlan, RollbackReport, carry_out
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import load_suite

STOP_DEADLINE = 300.0
SETTLE_DEADLINE = 180.0


class RollbackActs:
    """A `rollback_plan.RollbackExecutor`. `why` is the reason for the ledger.

    `release_id` is the id that the functions share which are rolled back together; empty for an id of its own.
    """

    def __init__(self, rung: Rung, plan: RollbackPlan, why: str, release_id: str = "") -> None:
        self.rung, self.plan, self.why, self.release_id = rung, plan, why, release_id
        self._held = contextlib.ExitStack()
        self._alias = plan.state.alias
        self._version = plan.version
        self._entry: ReleaseEntry | None = None
        self._moved: tuple[Pending, Alias] | None = None

    def execute(self) -> RollbackReport:
        """Carry out the plan and return the report."""
        with self._held:
            carry_out(self.plan, self)
        if self._entry is None:
            raise AssertionError("every rollback moves the alias")
        return replace(self.plan.report, result="rolled_back", release_id=self._entry.release_id)

    def deployment(self, step: PlannedStep) -> None:
        """Stop it before the lock is taken: a promotion holds the lock until it has settled its rung."""
        if not step.act:
            return
        client, stopped = self.rung.aws.client("codedeploy"), self.plan.state.deployment
        with self.rung.console.step(step.name) as shown:
            deployments.stop(client, stopped)
            active = deployments.wait_ended(client, stopped, self.rung.clock, seconds=STOP_DEADLINE)
            if active:
                raise StepladderError(
                    f"deployment {active} was still under way {STOP_DEADLINE:.0f} s after it was stopped",
                    kind="deployment-under-way",
                    hint="the alias was not touched; check it in CodeDeploy, then run the same command again",
                )
            shown.done(f"{stopped} stopped")

    def version(self, step: PlannedStep) -> None:
        """Take the lock; then wake and test the target as far as it needs that."""
        self.hold(self._held)
        self.ready(step)

    def hold(self, held: contextlib.ExitStack) -> None:
        """Take the lock, until `held` is closed."""
        state = self.plan.state
        seen = None if state.deployment else state.ledger.lock
        wait = SETTLE_DEADLINE if state.deployment else 0.0
        held.enter_context(self.rung.locked(seen, wait=wait, waiting=self._say_waiting))

    def ready(self, step: PlannedStep) -> None:
        """Begin the rollback, and wake and test its target as far as it needs that; the lock is held."""
        state = self.plan.state
        # otherwise the alias stays as it was read with the target: whoever moved it since makes its guard fail
        self._alias = (self.rung.alias() if state.deployment else None) or state.alias
        self._entry = self._begun(after=self._adopted())
        if step.act:
            untested = self.plan.target.result == schema.UNKNOWN
            self._version = self._ready(self._entry, self._version, untested=untested)

    def alias(self, step: PlannedStep) -> None:
        """Move the alias, verify it, record the rollback and the mark."""
        if step.act and self._entry:
            self._entry, _ = finish.go_live(
                self.rung, self._entry, self._alias, self._version, bad=self._bad(), put_back=False
            )

    def move(self) -> None:
        """Move the alias and verify it; `record` writes it down. For a rollback of several functions."""
        if self._entry:
            self._moved = finish.move(
                self.rung, self._entry, self._alias, self._version, bad=self._bad(), put_back=False
            )

    def record(self) -> RollbackReport:
        """Write down what `move` did, and return the report."""
        if self._moved is None:
            return self.plan.report
        entry = finish.record(self.rung, *self._moved)
        return replace(self.plan.report, result="rolled_back", release_id=entry.release_id)

    def image(self, step: PlannedStep) -> None:
        """Do nothing more: the mark was recorded with the rollback."""

    def _say_waiting(self, holder: Holder) -> None:
        self.rung.console.line(f"waiting until {holder.owner} has settled: {holder.command}")

    def _adopted(self) -> str:
        """Return the id of the release that is left, once a deploy that was cut off is written down.

        That deploy may have moved the alias, and died, after our reads: they are made again for it. A rollback that
        was cut off is gone on with: this one writes it down.
        """
        rung, ledger = self.rung, self.plan.state.ledger
        begun = cut_off.pending(rung.lock.taken_over)
        if begun and begun.release.kind != schema.ROLLBACK:
            ledger = rung.ledger.snapshot(rung.target)
            written = cut_off.adopt(rung, rung.alias(), ledger)
            if written:
                return written.release_id
        return ledger.current.release_id if ledger.current else ""

    def _begun(self, *, after: str) -> ReleaseEntry:
        target = self.plan.target
        return finish.begun(
            self.rung,
            schema.ROLLBACK,
            release_id=self.release_id,
            after=after,
            version=target.version,
            previous_version=self.plan.report.previous_version,
            digest=target.digest,
            git_commit=target.git_commit,
            cause=self.why,
            input_key=target.input_key,
        )

    def _ready(self, entry: ReleaseEntry, version: FunctionState, *, untested: bool) -> FunctionState:
        """Wake a target that sleeps, and test one that nobody knows to have been tested, before it gets traffic."""
        try:
            if version.state != "Active":
                version = self.rung.function.wait_active(entry.version)
            if untested:
                run_smoke(self.rung, version.version, load_suite(self.rung).cases)
        except BaseException as error:
            finish.failed(self.rung, entry, error)
            raise
        return version

    def _bad(self) -> tuple[str, Bad] | None:
        report = self.plan.report
        if not report.marked_bad:
            return None
        why = self.why or f"rolled back from version {report.previous_version} of {report.environment}"
        return report.marked_bad, Bad(stamp(self.rung.clock.now()), self.rung.requested_by, why)
