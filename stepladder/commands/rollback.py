"""`inv rollback`: point the alias at a version that was live before, in seconds, verified. Nothing is rebuilt.

The target comes from the ledger, never from counting versions down: the version below may be the one that failed its
smoke cases. While a CodeDeploy deployment is under way, rolling back means stopping it and being where it began.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.commands import status
from stepladder.core.aws import error_code
from stepladder.core.errors import BadInputError
from stepladder.core.release_facts import short
from stepladder.ledger.schema import ReleaseEntry
from stepladder.releases import foretold, marks, preview, release_command, restore, rollback_plan
from stepladder.releases.rollback_acts import RollbackActs
from stepladder.releases.rollback_plan import RollbackPlan, RollbackReport
from stepladder.releases.rollback_preview import RollbackDescription
from stepladder.releases.rollback_target import HISTORY, RollbackState, Targets, differences
from stepladder.releases.rung import Rung


def is_bad(*, keep_image: bool, bad: bool) -> bool | None:
    """Return what the flags say of the image that is left; None when they say nothing."""
    if keep_image and bad:
        raise BadInputError(
            "--keep-image and --bad contradict each other",
            kind="bad-arguments",
            hint="leave out `--keep-image` or `--bad`, or both",
        )
    return True if bad else False if keep_image else None


@dataclass(frozen=True)
class RollbackChoice:
    """What a rollback returns to, from what was read."""

    state: RollbackState
    target: ReleaseEntry
    version: FunctionState
    report: RollbackReport

    @property
    def is_done(self) -> bool:
        """Whether the target is what the alias serves and the ledger says."""
        current, version = self.state.ledger.current, self.target.version
        recorded = current is not None and current.version == version
        return recorded and self.state.alias.serves(version) and not self.state.deployment

    @property
    def live_release(self) -> str:
        """The id of the release that is live."""
        return self.state.ledger.current.release_id if self.state.ledger.current else ""

    def plan(self, *, marked_bad: str | None = None) -> RollbackPlan:
        """Return the plan; `marked_bad` is the image to mark, by default the one that is left."""
        report = self.report if marked_bad is None else replace(self.report, marked_bad=marked_bad)
        return rollback_plan.make(self.state, self.target, self.version, report)


class Rollback:
    """One rollback of one rung. `to` names a release; without it the last good one before the current is taken.

    `bad` says whether the image that is left is marked; None leaves it to whoever can be asked, and else marks it.
    """

    def __init__(
        self, rung: Rung, *, to: str = "", why: str = "", dry_run: bool = False, bad: bool | None = None
    ) -> None:
        self.rung = rung
        self.to = to
        self.why = why
        self.dry_run = dry_run
        self.bad = bad

    def run(self) -> RollbackReport:
        """Roll back and return the report.

        Raises `RefusedError` when there is no target or it can't serve any more, `RollbackFailedError` when the alias
        was moved and doesn't serve the target.
        """
        with foretold.refusals(dry_run=self.dry_run):
            return self._run()

    def _run(self) -> RollbackReport:
        return self._act(self.choose())

    def choose(self) -> RollbackChoice:
        """Read, choose the target, and check that it can serve. Raises as `run` does; changes nothing."""
        rung = self.rung
        with ThreadPoolExecutor(6, thread_name_prefix="rollback") as pool:
            state = self._read(pool)
            targets = Targets(rung)
            target = targets.choose(state, self.to)
            leaving = state.leaving(target)
            now = pool.submit(rung.function.read, leaving)
            has_image = pool.submit(targets.has_image, target.digest)
            version = targets.check(target, rung.function.read(target.version), image=has_image.result())
            served = now.result()
        changed = tuple(differences(served.configuration if served else {}, version.configuration))
        bad = served.digest if served and served.digest != target.digest and self.bad is not False else ""
        report = RollbackReport(
            environment=rung.target,
            result="unchanged",
            version=target.version,
            previous_version=leaving,
            digest=target.digest,
            marked_bad=bad,
            target_release=target.release_id,
            differences=changed,
            left=release_command.left(rung, served.digest) if served and served.digest != target.digest else (),
        )
        return RollbackChoice(state, target, version, report)

    # read

    def _read(self, pool: ThreadPoolExecutor) -> RollbackState:
        rung = self.rung
        alias = pool.submit(rung.alias)
        ledger = pool.submit(rung.ledger.snapshot, rung.target)
        deployment = pool.submit(rung.active_deployment)
        state = alias.result()
        snapshot = ledger.result()
        if state is None or not snapshot.exists:
            raise restore.nothing_live(rung)
        if self.dry_run:
            preview.warn_of_lock(rung, snapshot.lock)
        elif not deployment.result():  # with one, a promotion holds the lock until it has ended
            if snapshot.lock and rung.recover(snapshot.lock):
                return self._read(pool)  # the alias may have been restored
            rung.lock.check_free(snapshot.lock)
        candidates = tuple(islice(rung.ledger.succeeded(rung.target), HISTORY))
        return RollbackState(state, snapshot, deployment.result(), candidates)

    # act

    def _act(self, choice: RollbackChoice) -> RollbackReport:
        console, report = self.rung.console, choice.report
        self.show(choice)
        if choice.is_done:
            console.line(f"{report.environment}: nothing to do, version {report.version} is live")
            return report
        if self.dry_run:
            RollbackDescription(self.rung, asks=self.bad is None).execute(choice.plan())
            return replace(report, result="dry_run")
        bad = self.judged(choice.state, report.marked_bad)
        report = RollbackActs(self.rung, choice.plan(marked_bad=bad), self.why).execute()
        self._close(report)
        return report

    def _close(self, report: RollbackReport) -> None:
        """Say where traffic goes now, and what became of the image that was left."""
        console = self.rung.console
        console.line()
        console.line(f"{report.environment}: version {report.previous_version} -> {report.version}, verified")
        if report.marked_bad:
            console.line(
                f"image {short(report.marked_bad)} is marked bad: deploy and promote refuse it without --force"
            )
            console.hint(f"if it is good after all: `{marks.unmark_command(report.marked_bad)}`")
        elif self.bad and report.differences:
            console.warn("both versions have the same image, so it is not marked bad")
        elif report.differences:
            console.hint("the image is the same, the configuration isn't: fix it, or the next deploy releases it again")

    def judged(self, state: RollbackState, digest: str) -> str:
        """Return the digest to mark: nobody is asked where traffic or an alarm has judged it, or nobody can answer."""
        rung = self.rung
        if not digest or self.bad or state.in_flight or not rung.console.can_ask:
            return digest
        if fired := self._alarms():
            rung.console.line(f"{fired}: image {short(digest)} counts as bad")
            return digest
        answer = rung.console.ask(f"is image {short(digest)} bad? then deploy and promote refuse it from now on")
        if answer is False:
            rung.console.line(f"image {short(digest)} is not marked: deploy and promote take it as before")
            return ""
        return digest

    def _alarms(self) -> str:
        """Return which alarms fire; nothing when that can't be read, which must not hold a rollback up."""
        try:
            health = status.read_health(self.rung)
        except Exception as error:
            if not error_code(error):
                raise
            return ""
        return health if health.startswith(status.ALARM) else ""

    def show(self, choice: RollbackChoice) -> None:
        """Say what is going to happen, and which configuration returns with the old version."""
        state, target, report = choice.state, choice.target, choice.report
        with self.rung.console.step("target") as step:
            flight = f"; deployment {state.deployment} is stopped first" if state.deployment else ""
            step.done(
                f"version {report.previous_version}{aliases.weighted(state.alias)} -> {target.version}, "
                f"release {target.release_id} ({short(target.digest)}){flight}"
            )
        for line in report.differences:
            self.rung.console.line(f"  {line}")
        for line in report.left:
            self.rung.console.warn(line)
