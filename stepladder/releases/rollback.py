"""`inv rollback`: point the alias at a version that was live before, in seconds, verified. Nothing is rebuilt.

The target comes from the ledger, never from counting versions down: the version below may be the one that failed its
smoke cases. While a CodeDeploy deployment is under way, rolling back means stopping it and being where it began.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from stepladder import names
from stepladder.aws import error_code
from stepladder.errors import RefusedError, RollbackFailedError, StepladderError
from stepladder.releases import alias as aliases
from stepladder.releases import records
from stepladder.releases.alias import Alias
from stepladder.releases.clock import retrying, stamp
from stepladder.releases.function import State
from stepladder.releases.identity import release_id
from stepladder.releases.ledger import short
from stepladder.releases.records import Bad, Current, Release, Snapshot
from stepladder.releases.rung import Rung, uninterrupted

CANDIDATES = 10
STOP_DEADLINE = 300.0
_ENDED = frozenset({"Succeeded", "Failed", "Stopped"})


@dataclass(frozen=True)
class Report:
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


@dataclass(frozen=True)
class _Found:
    """What was read: where traffic goes, what the ledger says, what CodeDeploy is doing."""

    alias: Alias
    ledger: Snapshot
    deployment: str
    candidates: tuple[Release, ...]

    @property
    def in_flight(self) -> bool:
        """Whether traffic is being shifted, or was left half shifted."""
        return bool(self.deployment or self.alias.weights)

    @property
    def served(self) -> str:
        """The version to get away from: the one that is being shifted onto, else the one that serves."""
        return next(iter(sorted(self.alias.weights)), self.alias.version)


class Rollback:
    """One rollback of one rung. `to` names a release; without it the last good one before the current is taken."""

    def __init__(self, rung: Rung, *, to: str = "", why: str = "", dry_run: bool = False) -> None:
        self.rung = rung
        self.to = to
        self.why = why
        self.dry_run = dry_run

    def run(self) -> Report:
        """Roll back and return the report.

        Raises `RefusedError` when there is no target or it can't serve any more, `RollbackFailedError` when the alias
        was moved and doesn't serve the target.
        """
        rung = self.rung
        with ThreadPoolExecutor(6, thread_name_prefix="rollback") as pool:
            found = self._read(pool)
            target = self._target(found)
            now = pool.submit(rung.function.read, found.served)
            there = pool.submit(self._image_there, target.digest)
            version = self._check(target, rung.function.read(target.version), there.result())
            served = now.result()
        differences = tuple(_differences(served.configuration if served else {}, version.configuration))
        bad = served.digest if served and served.digest != target.digest else ""
        report = Report(
            environment=rung.environment,
            result="unchanged",
            version=target.version,
            previous_version=found.served,
            digest=target.digest,
            marked_bad=bad,
            target_release=target.release_id,
            differences=differences,
        )
        return self._act(found, target, version, report)

    # read

    def _read(self, pool: ThreadPoolExecutor) -> _Found:
        rung = self.rung
        alias = pool.submit(rung.alias)
        ledger = pool.submit(rung.ledger.snapshot, rung.environment)
        deployment = pool.submit(rung.active_deployment)
        found = alias.result()
        snapshot = ledger.result()
        if found is None or not snapshot.exists:
            raise RefusedError(
                f"nothing is live on {rung.environment}", hint=f"inv deploy --env {rung.environment} makes it"
            )
        candidates = tuple(islice(rung.ledger.succeeded(rung.environment), CANDIDATES * 3))
        return _Found(found, snapshot, deployment.result(), candidates)

    def _target(self, found: _Found) -> Release:
        if self.to:
            return self._named(found)
        current = found.ledger.current
        if found.in_flight and current:
            begun = self.rung.ledger.find(self.rung.environment, current.release_id)
            if begun:
                return begun
        before = current.release_id if current else ""
        for release in found.candidates:
            older = not before or release.release_id < before
            if older and release.version != found.alias.version and not self.rung.ledger.is_bad(release.digest):
                return release
        raise RefusedError(
            f"there is no earlier good release on {self.rung.environment} to return to",
            hint="its ledger: inv status; a release fixes forward: inv deploy",
        )

    def _named(self, found: _Found) -> Release:
        release = self.rung.ledger.find(self.rung.environment, self.to)
        if release is None or release.result != records.SUCCEEDED:
            what = f"ended {release.result}" if release else "isn't in the ledger"
            raise RefusedError(
                f"release {self.to} of {self.rung.environment} {what}, so it is no target",
                hint=f"targets: {self._targets(found.candidates)}",
            )
        return release

    def _check(self, target: Release, version: State | None, image: bool) -> State:
        """Refuse a target that can't serve any more, and say which ones can."""
        gone = ""
        if version is None:
            gone = f"version {target.version} is gone"
        elif version.digest and version.digest != target.digest:
            gone = f"version {target.version} has image {short(version.digest)}: the function was made anew since"
        elif not image:
            gone = f"image {short(target.digest)} is gone from ECR"
        if version is None or gone:
            candidates = tuple(islice(self.rung.ledger.succeeded(self.rung.environment), CANDIDATES * 3))
            raise RefusedError(
                f"release {target.release_id} can't serve any more: {gone}",
                hint=f"targets that exist: {self._targets(candidates)}",
            )
        return version

    def _targets(self, candidates: tuple[Release, ...]) -> str:
        """List the releases whose version and image still exist, newest first."""
        published = {state.version for state in self.rung.function.versions()}
        told, seen = [], set()
        for release in candidates[:CANDIDATES]:
            if release.version in published and release.version not in seen and self._image_there(release.digest):
                seen.add(release.version)
                told.append(f"--to {release.release_id} (version {release.version}, {short(release.digest)})")
        return ", ".join(told) or "none"

    def _image_there(self, digest: str) -> bool:
        from stepladder.images import ecr

        return ecr.holds(self.rung.aws, self.rung.names, digest)

    # act

    def _act(self, found: _Found, target: Release, version: State, report: Report) -> Report:
        console = self.rung.console
        self._tell(found, target, report)
        if found.alias.serves(target.version) and not found.deployment:
            console.line(f"{report.environment}: nothing to do, version {target.version} is live")
            return report
        if self.dry_run:
            return Report(**{**asdict(report), "result": "dry_run"})
        rung = self.rung
        try:
            rung.lock.acquire(found.ledger.lock)
            alias = found.alias
            if found.deployment:
                self._stop(found.deployment)
                alias = rung.alias() or alias
            if version.state != "Active":
                version = rung.function.wait_active(target.version)
            entry = self._move(alias, target, version, report)
        finally:
            try:
                rung.lock.release()
            except Exception as error:  # noqa: BLE001 - the lease runs out by itself; what happened before counts
                console.warn(f"the lock could not be given back ({error_code(error) or error})")
        console.line()
        console.line(f"{report.environment}: version {report.previous_version} -> {target.version}, verified")
        if report.marked_bad:
            console.line(
                f"image {short(report.marked_bad)} is marked bad: deploy and promote refuse it without --force"
            )
        elif report.differences:
            console.hint(
                "the image is the same, the configuration isn't: mend it, or the next deploy releases it again"
            )
        return Report(**{**asdict(report), "result": "rolled_back", "release_id": entry.release_id})

    def _tell(self, found: _Found, target: Release, report: Report) -> None:
        """Say what is going to happen, and which configuration returns with the old version."""
        with self.rung.console.step("target") as step:
            flight = f"; deployment {found.deployment} is stopped first" if found.deployment else ""
            step.done(
                f"version {report.previous_version}{aliases.weighted(found.alias)} -> {target.version}, "
                f"release {target.release_id} ({short(target.digest)}){flight}"
            )
        for line in report.differences:
            self.rung.console.line(f"  {line}")

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

    def _move(self, alias: Alias, target: Release, version: State, report: Report) -> Release:
        rung = self.rung
        now = rung.clock.now()
        entry = Release(
            release_id=release_id(now),
            environment=rung.environment,
            kind="rollback",
            version=target.version,
            previous_version=report.previous_version,
            digest=target.digest,
            git_commit=target.git_commit,
            requested_by=rung.requested_by,
            result=records.SUCCEEDED,
            started_at=stamp(now),
            ended_at="",
            cause=self.why,
            input_key=target.input_key,
        )
        with uninterrupted():
            with rung.console.step("alias") as step:
                rung.lock.check()
                moved = alias
                if not alias.serves(target.version):
                    moved = self._point(alias, target.version)
                step.done(f"{names.ALIAS} serves version {target.version}, verified")
            entry = Release(**{**asdict(entry), "ended_at": stamp(rung.clock.now())})
            current = Current(
                release_id=entry.release_id,
                version=target.version,
                digest=target.digest,
                input_key=target.input_key,
                config_hash=version.config_hash,
                alias_revision=moved.revision,
            )
            with rung.console.step("ledger") as step:
                rung.lock.stop_renewing()
                rung.ledger.finish(entry, current, rung.lock.run_id, bad=self._bad(report))
                rung.lock.given_back()
                step.done(f"release {entry.release_id}")
        return entry

    def _bad(self, report: Report) -> tuple[str, Bad] | None:
        if not report.marked_bad:
            return None
        why = self.why or f"rolled back from version {report.previous_version} of {report.environment}"
        return report.marked_bad, Bad(stamp(self.rung.clock.now()), self.rung.requested_by, why)

    def _point(self, alias: Alias, version: str) -> Alias:
        rung = self.rung
        aliases.move(rung.lambda_client, rung.names.function, version, revision=alias.revision, clock=rung.clock)
        try:
            now = retrying(lambda: aliases.read(rung.lambda_client, rung.names.function), rung.clock, timeout=30)
        except Exception as error:
            raise _unverified(rung, version, error_code(error) or str(error)) from error
        if now is None or not now.serves(version):
            serves = f"it serves version {now.version}{aliases.weighted(now)}" if now else "it is gone"
            raise _unverified(rung, version, serves)
        return now


def _unverified(rung: Rung, version: str, why: str) -> RollbackFailedError:
    return RollbackFailedError(
        f"alias {names.ALIAS} of {rung.names.function} was moved to version {version} but isn't verified: {why}",
        hint=f"look now: inv status --env {rung.environment}",
    )


def _differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """Say in a line each what configuration changes; of environment variables only the names, values may be secret."""
    found = []
    for name in sorted({*now, *then}):
        if now.get(name) == then.get(name):
            continue
        if name == "Environment":
            before = (now.get(name) or {}).get("Variables", {})
            after = (then.get(name) or {}).get("Variables", {})
            changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
            found.append(f"environment variables that differ: {', '.join(changed)}")
        else:
            found.append(f"{name}: {now.get(name, 'none')} -> {then.get(name, 'none')}")
    return found
