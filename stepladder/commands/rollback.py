"""`inv rollback`: point the alias at a version that was live before, in seconds, verified. Nothing is rebuilt.

The target comes from the ledger, never from counting versions down: the version below may be the one that failed its
smoke cases. While a CodeDeploy deployment is under way, rolling back means stopping it and being where it began.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.alias import Alias
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.commands import status
from stepladder.core.aws import error_code
from stepladder.core.clock import stamp
from stepladder.core.errors import BadInputError, RefusedError, StepladderError
from stepladder.core.process_identity import release_id
from stepladder.ledger import schema
from stepladder.ledger.schema import Bad, Holder, ReleaseEntry
from stepladder.ledger.table import short
from stepladder.releases import cut_off, finish, marks, preview
from stepladder.releases.release import run_smoke
from stepladder.releases.rollback_target import HISTORY, RollbackState, Targets, differences
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import load_suite

STOP_DEADLINE = 300.0
SETTLE_DEADLINE = 180.0
_ENDED = frozenset({"Succeeded", "Failed", "Stopped"})


@dataclass(frozen=True)
class RollbackReport:
    """How a rollback ended. `result` is rolled_back, unchanged or dry_run."""

    environment: str
    result: str
    version: str
    previous_version: str
    digest: str
    marked_bad: str
    target_release: str
    release_id: str = ""
    differences: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the one record that `--json` prints."""
        return asdict(self)


def is_bad(*, keep_image: bool, bad: bool) -> bool | None:
    """Return what the flags say of the image that is left; None when they say nothing."""
    if keep_image and bad:
        raise BadInputError("--keep-image and --bad contradict each other", hint="give one of them, or none")
    return True if bad else False if keep_image else None


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
        with preview.foretold(dry_run=self.dry_run):
            return self._run()

    def _run(self) -> RollbackReport:
        rung = self.rung
        with ThreadPoolExecutor(6, thread_name_prefix="rollback") as pool:
            found = self._read(pool)
            targets = Targets(rung)
            target = targets.choose(found, self.to)
            leaving = found.leaving(target)
            now = pool.submit(rung.function.read, leaving)
            there = pool.submit(targets.image_there, target.digest)
            version = targets.check(target, rung.function.read(target.version), image=there.result())
            served = now.result()
        changed = tuple(differences(served.configuration if served else {}, version.configuration))
        bad = served.digest if served and served.digest != target.digest and self.bad is not False else ""
        report = RollbackReport(
            environment=rung.environment,
            result="unchanged",
            version=target.version,
            previous_version=leaving,
            digest=target.digest,
            marked_bad=bad,
            target_release=target.release_id,
            differences=changed,
        )
        return self._act(found, target, version, report)

    # read

    def _read(self, pool: ThreadPoolExecutor) -> RollbackState:
        rung = self.rung
        alias = pool.submit(rung.alias)
        ledger = pool.submit(rung.ledger.snapshot, rung.environment)
        deployment = pool.submit(rung.active_deployment)
        found = alias.result()
        snapshot = ledger.result()
        if found is None or not snapshot.exists:
            raise RefusedError(
                f"nothing is live on {rung.environment}", hint=f"`inv deploy --env {rung.environment}` makes it"
            )
        if self.dry_run:
            preview.warn_of_lock(rung, snapshot.lock)
        elif not deployment.result():  # with one, a climb holds the lock until it has settled
            if snapshot.lock and rung.recover(snapshot.lock):
                return self._read(pool)  # the alias may have been restored
            rung.lock.check_free(snapshot.lock)
        candidates = tuple(islice(rung.ledger.succeeded(rung.environment), HISTORY))
        return RollbackState(found, snapshot, deployment.result(), candidates)

    # act

    def _act(
        self, found: RollbackState, target: ReleaseEntry, version: FunctionState, report: RollbackReport
    ) -> RollbackReport:
        console = self.rung.console
        self._tell(found, target, report)
        current = found.ledger.current
        recorded = current is not None and current.version == target.version
        if recorded and found.alias.serves(target.version) and not found.deployment:
            console.line(f"{report.environment}: nothing to do, version {target.version} is live")
            return report
        if self.dry_run:
            self._foretell(report.marked_bad)
            return replace(report, result="dry_run")
        rung = self.rung
        report = replace(report, marked_bad=self._judged(found, report.marked_bad))
        if found.deployment:
            # Before the lock: a climb holds it until it has seen its deployment stopped and settled its rung.
            self._stop(found.deployment)
        seen = None if found.deployment else found.ledger.lock
        wait = SETTLE_DEADLINE if found.deployment else 0.0
        with rung.alone(seen, wait=wait, waiting=self._say_waiting):
            # otherwise the alias stays as it was read with the target: whoever moved it since makes its guard fail
            alias = (rung.alias() if found.deployment else None) or found.alias
            entry = self._entry(target, report, after=self._adopted(found, alias))
            version = self._ready(entry, version, untested=target.result == schema.UNKNOWN)
            entry, _ = finish.go_live(rung, entry, alias, version, bad=self._bad(report), put_back=False)
        console.line()
        console.line(f"{report.environment}: version {report.previous_version} -> {target.version}, verified")
        if report.marked_bad:
            console.line(
                f"image {short(report.marked_bad)} is marked bad: deploy and promote refuse it without --force"
            )
            console.hint(f"if it is good after all: `{marks.unmark_command(report.marked_bad)}`")
        elif self.bad and report.differences:
            console.warn("both versions have the same image, so it is not marked bad")
        elif report.differences:
            console.hint(
                "the image is the same, the configuration isn't: mend it, or the next deploy releases it again"
            )
        return replace(report, result="rolled_back", release_id=entry.release_id)

    def _adopted(self, found: RollbackState, alias: Alias) -> str:
        """Return the id of the release that is left, once a deploy that was cut off is written down.

        A rollback that was cut off is gone on with: this one writes it down.
        """
        begun = cut_off.pending(self.rung.lock.taken_over)
        if begun and begun.release.kind != schema.ROLLBACK:
            written = cut_off.adopt(self.rung, alias, found.ledger)
            if written:
                return written.release_id
        return found.ledger.current.release_id if found.ledger.current else ""

    def _foretell(self, digest: str) -> None:
        """Say in a dry run what would become of the image that is left."""
        if digest and self.bad is None:
            self.rung.console.line(
                f"image {short(digest)} would be marked bad; a person on a terminal is asked first if it looks healthy"
            )
        elif digest:
            self.rung.console.line(f"image {short(digest)} would be marked bad")

    def _judged(self, found: RollbackState, digest: str) -> str:
        """Return the digest to mark: nobody is asked where traffic or an alarm has judged it, or nobody can answer."""
        rung = self.rung
        if not digest or self.bad or found.in_flight or not rung.console.can_ask:
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

    def _tell(self, found: RollbackState, target: ReleaseEntry, report: RollbackReport) -> None:
        """Say what is going to happen, and which configuration returns with the old version."""
        with self.rung.console.step("target") as step:
            flight = f"; deployment {found.deployment} is stopped first" if found.deployment else ""
            step.done(
                f"version {report.previous_version}{aliases.weighted(found.alias)} -> {target.version}, "
                f"release {target.release_id} ({short(target.digest)}){flight}"
            )
        for line in report.differences:
            self.rung.console.line(f"  {line}")

    def _say_waiting(self, holder: Holder) -> None:
        self.rung.console.line(f"waiting until {holder.owner} has settled: {holder.command}")

    def _stop(self, deployment: str) -> None:
        """Stop a deployment with its rollback and wait until it, and the rollback it makes, have ended."""
        client = self.rung.aws.client("codedeploy")
        with self.rung.console.step("deployment") as step:
            try:
                client.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
            except Exception as error:
                if error_code(error) != "DeploymentAlreadyCompletedException":
                    raise
            waiting = deployment
            for _ in self.rung.clock.polls(STOP_DEADLINE):
                info = client.get_deployment(deploymentId=waiting)["deploymentInfo"]
                if info["status"] in _ENDED:
                    following = (info.get("rollbackInfo") or {}).get("rollbackDeploymentId")
                    if not following or following == waiting:
                        step.done(f"{deployment} stopped")
                        return
                    waiting = following
        raise StepladderError(
            f"deployment {waiting} was still under way {STOP_DEADLINE:.0f} s after it was stopped",
            hint="the alias was not touched; look at it in CodeDeploy, then run the same command again",
        )

    def _entry(self, target: ReleaseEntry, report: RollbackReport, *, after: str) -> ReleaseEntry:
        rung = self.rung
        now = rung.clock.now()
        return ReleaseEntry(
            release_id=release_id(now, after),
            environment=rung.environment,
            kind=schema.ROLLBACK,
            version=target.version,
            previous_version=report.previous_version,
            digest=target.digest,
            git_commit=target.git_commit,
            requested_by=rung.requested_by,
            result=schema.FAILED,
            started_at=stamp(now),
            ended_at="",
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

    def _bad(self, report: RollbackReport) -> tuple[str, Bad] | None:
        if not report.marked_bad:
            return None
        why = self.why or f"rolled back from version {report.previous_version} of {report.environment}"
        return report.marked_bad, Bad(stamp(self.rung.clock.now()), self.rung.requested_by, why)
