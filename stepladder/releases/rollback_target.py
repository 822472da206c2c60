"""What a rollback may return to: chosen from the ledger, and checked to be able to serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from stepladder.aws_lambda.alias import Alias
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.core.errors import RefusedError
from stepladder.core.release_facts import short
from stepladder.ledger import schema
from stepladder.ledger.schema import ROLLBACK, Bad, Current, ReleaseEntry
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import cut_off, marks
from stepladder.releases.rung import Rung

MOST_NAMED = 10  # releases that a hint names, at most
_PATIENCE = 3.0  # seconds that another location has to answer
HISTORY = 100  # releases that are looked through for a target: one page of the ledger


@dataclass(frozen=True)
class RollbackState:
    """What was read: where traffic goes, what the ledger says, what CodeDeploy is doing."""

    alias: Alias
    ledger: Snapshot
    deployment: str
    candidates: tuple[ReleaseEntry, ...]

    @property
    def in_flight(self) -> bool:
        """Whether traffic is being shifted, or was left half shifted."""
        return bool(self.deployment or self.alias.weights)

    @property
    def is_ahead(self) -> bool:
        """Whether the alias serves what was published after the release that the ledger calls current.

        A release was cut off after it had moved the alias and before it was written down, or somebody moved the alias
        by hand. An alias on an older version is a rollback that was cut off, and is gone on with.
        """
        current, version = self.ledger.current, self.alias.version
        if current is None or self.in_flight or version == current.version:
            return False
        return not (version.isdigit() and current.version.isdigit() and int(version) < int(current.version))

    def leaving(self, target: ReleaseEntry) -> str:
        """Return the version to get away from: the one that is being shifted onto, else the one that serves.

        Where the alias serves the target already but the ledger says otherwise, a rollback was cut off before it was
        written down, and what it left is what the ledger calls current.
        """
        if self.ledger.current and self.alias.serves(target.version):
            return self.ledger.current.version
        return next(iter(sorted(self.alias.weights)), self.alias.version)


class Targets:
    """The releases of one rung that a rollback may return to."""

    def __init__(self, rung: Rung) -> None:
        self.rung = rung
        self._remote_marks: Mapping[str, Bad] | None = None

    def _is_bad(self, digest: str, state: RollbackState) -> bool:
        """Say whether any location's ledger marks a digest as bad; the others are read once, for all candidates."""
        if self.rung.ledger.is_bad(digest):
            return True
        if self._remote_marks is None:
            digests = {release.digest for release in state.candidates} | {digest}
            self._remote_marks = marks.known_remotely(self.rung, digests, within=_PATIENCE)
        return digest in self._remote_marks

    def choose(self, state: RollbackState, to: str) -> ReleaseEntry:
        """Return the release named `to`, or the last good one before the current; `RefusedError` without one."""
        if to:
            return self._named(state, to)
        current = state.ledger.current
        begun_by_rollback = cut_off.rollback_target(state.ledger.lock, state.alias, state.ledger)
        for release in state.candidates:
            if release.version == begun_by_rollback:
                return release
        if state.in_flight and current:
            begun = self.rung.ledger.find(self.rung.target, current.release_id)
            if begun:
                return begun
        if current and state.is_ahead and not self._is_bad(current.digest, state):
            live = self.rung.ledger.find(self.rung.target, current.release_id)
            if live and live.result == schema.SUCCEEDED:
                return live
        leaving = current.version if current else state.alias.version
        for release in earlier(state.candidates, current):
            if release.version != leaving and not self._is_bad(release.digest, state):
                return release
        raise RefusedError(
            f"there is no earlier good release on {self.rung.target} to return to",
            kind="no-rollback-target",
            hint=f"its ledger: `inv ledger {self.rung.flags}`; a release fixes forward: `inv deploy {self.rung.flags}`",
        )

    def _named(self, state: RollbackState, to: str) -> ReleaseEntry:
        release = self.rung.ledger.find(self.rung.target, to)
        if release is None or release.result not in (schema.SUCCEEDED, schema.UNKNOWN):
            what = f"ended {release.result}" if release else "isn't in the ledger"
            raise RefusedError(
                f"release {to} of {self.rung.target} {what}, so it is no target",
                kind="no-rollback-target",
                hint=f"`--to` takes one of: {self._targets(state.candidates)}",
            )
        return release

    def check(self, target: ReleaseEntry, version: FunctionState | None, *, image: bool) -> FunctionState:
        """Refuse a target that can't serve any more, and say which ones can."""
        gone = ""
        if version is None:
            gone = f"version {target.version} is gone"
        elif version.digest and version.digest != target.digest:
            gone = f"version {target.version} has image {short(version.digest)}: the function was recreated since"
        elif not image:
            gone = f"image {short(target.digest)} is gone from ECR"
        if version is None or gone:
            candidates = tuple(islice(self.rung.ledger.succeeded(self.rung.target), HISTORY))
            raise RefusedError(
                f"release {target.release_id} can't serve any more: {gone}",
                kind="no-rollback-target",
                hint=f"`--to` takes one that exists: {self._targets(candidates)}",
            )
        return version

    def _targets(self, candidates: tuple[ReleaseEntry, ...]) -> str:
        """List the releases whose version and image still exist, newest first."""
        published = {state.version for state in self.rung.function.versions()}
        choices, seen = [], set()
        for release in candidates[:MOST_NAMED]:
            if release.version in published and release.version not in seen and self.has_image(release.digest):
                seen.add(release.version)
                choices.append(f"--to {release.release_id} (version {release.version}, {short(release.digest)})")
        return ", ".join(choices) or "none"

    def has_image(self, digest: str) -> bool:
        """Say whether the image is still in ECR."""
        from stepladder.images.registry import ecr

        return ecr.holds(self.rung.aws, self.rung.names, digest)


def earlier(candidates: Sequence[ReleaseEntry], current: Current | None) -> Iterator[ReleaseEntry]:
    """Yield what was live before the current release, newest first, without what a rollback left.

    The ledger is a line of events, not of good versions: after 7, 8 and a rollback to 7, the release of 8 is older
    than the rollback and succeeded. So a rollback stands where the release stands that it returned to, and a version
    that it left is no target, unless it was released again later.
    """
    past = [release for release in candidates if not current or release.release_id < current.release_id]
    live = [release for release in candidates if current and release.release_id == current.release_id]
    if live and live[0].kind == ROLLBACK:
        origin = next((r for r in past if r.version == live[0].version and r.kind != ROLLBACK), None)
        past = [release for release in past if origin and release.release_id < origin.release_id]
    left: set[str] = set()
    for release in past:
        if release.version not in left:
            yield release
        if release.kind == ROLLBACK:
            left.add(release.previous_version)


def differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """Say in a line each what configuration changes; of environment variables only the names, values may be secret."""
    lines = []
    for name in sorted({*now, *then}):
        if now.get(name) == then.get(name):
            continue
        if name == "Environment":
            before = (now.get(name) or {}).get("Variables", {})
            after = (then.get(name) or {}).get("Variables", {})
            changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
            lines.append(f"environment variables that differ: {', '.join(changed)}")
        else:
            lines.append(f"{name}: {now.get(name, 'none')} -> {then.get(name, 'none')}")
    return lines
