"""`inv function.release`: release an image that is in the registry already."""

from __future__ import annotations

from string import hexdigits

from stepladder.aws_lambda.alias import Alias
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.release_facts import short
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import (
    cut_off,
    drift,
    freeze_guard,
    ladder_guard,
    marks,
    registered,
    restore,
    secret_check,
    served_commit,
)
from stepladder.releases import release as releases
from stepladder.releases.release import Released, ReleaseTarget
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import UNTESTED_WARNING, load_suite

_DIGEST = 71  # "sha256:" and 64 hexadecimal digits
_PREFIX = 6  # fewest digits that name an image of the ledger


def release(
    rung: Rung,
    *,
    digest: str = "",
    version: str = "",
    force: bool = False,
    no_smoke: bool = False,
    skip_ladder: bool = False,
    during_freeze: bool = False,
    why: str = "",
) -> Released:
    """Release an image that is in the registry already, with every guard of a deploy.

    `digest` is whole, or the beginning of one that a ledger of this project knows; `version` stands for the image of a
    published version. The configuration is that of $LATEST, which has to be what Terraform applied.
    """
    past = freeze_guard.past_ladder(during_freeze=during_freeze, skip_ladder=skip_ladder, why=why)
    skipped = ladder_guard.skipped(rung.settings, rung.environment, skip_ladder=skip_ladder, why=past)
    if bool(digest) == bool(version):
        raise BadInputError(
            "one of --digest and --version is needed",
            kind="bad-arguments",
            hint="give `--digest sha256:...` or `--version 7`",
        )
    what = f"--digest {digest}" if digest else f"--version {version}"
    again = f"inv function.release {rung.flags} {what}"
    remark = freeze_guard.check_release(
        rung.settings, rung.environment, rung.clock, again, during_freeze=during_freeze, why=why
    )
    alias, snapshot = _read(rung)
    wanted = _of_version(rung, version) if version else _whole(rung, digest)
    pin = None if skipped else ladder_guard.check_release(rung, alias, snapshot, wanted, force=force)
    marks.check(rung, wanted, force=force, hint="release another one, or this with `--force`")
    if no_smoke:
        rung.console.warn(UNTESTED_WARNING)
    suite = load_suite(rung, no_smoke=no_smoke)
    secret_check.check([rung])
    image = registered.read(rung, wanted, pin.origin if pin else None)
    before = served_commit.released(rung.ledger, rung.target, wanted)
    commit = (pin.git_commit if pin else "") or (before.git_commit if before else "") or image.git_commit
    with rung.locked(snapshot.lock) as was_free:
        if not was_free:
            alias, snapshot = _read(rung)
            if cut_off.adopt(rung, alias, snapshot):
                alias, snapshot = _read(rung)
        latest = rung.function.read()
        if latest is None:
            raise RefusedError(
                f"{rung.names.function} is gone",
                kind="function-gone",
                hint=f"make it again: `inv deploy {rung.flags}`",
            )
        if drift.has_drifted(snapshot, latest):
            raise drift.refused(rung, drift.changes(rung, snapshot, latest), "a release would publish that")
        target = ReleaseTarget(
            wanted,
            image.reference,
            commit,
            input_key=image.input_key,
            infra_hash=snapshot.infra.input_hash if snapshot.infra else "",
            smoke_key=suite.key,
            skipped_ladder=skipped,
            remark=remark,
            after=snapshot.current.release_id if snapshot.current else "",
            live_digest=snapshot.current.digest if snapshot.current else "",
        )
        done = releases.release(rung, target, alias, latest, suite.cases)
    remarks = f", {done.release.remarks}" if done.release.remarks else ""
    rung.console.line()
    rung.console.line(f"{rung.target}: version {alias.version} -> {done.release.version} ({short(wanted)}){remarks}")
    return done


def _read(rung: Rung) -> tuple[Alias, Snapshot]:
    alias, snapshot = rung.alias(), rung.ledger.snapshot(rung.target)
    if alias is None or not snapshot.exists:
        raise restore.nothing_live(rung)
    if not rung.lock.held:
        rung.lock.check_free(snapshot.lock)
    rung.check_unshifted(alias, rung.active_deployment(), snapshot.current)
    return alias, snapshot


def _of_version(rung: Rung, version: str) -> str:
    state = rung.function.read(version)
    if state is None or not state.digest:
        raise RefusedError(
            f"there is no version {version} of {rung.names.function}",
            kind="unknown-version",
            hint="`inv status` shows what is live",
        )
    return state.digest


def _whole(rung: Rung, digest: str) -> str:
    """Complete the beginning of a digest from the project's ledgers."""
    text = f"sha256:{digest.removeprefix('sha256:').lower()}"
    if not set(text.removeprefix("sha256:")) <= set(hexdigits):
        raise BadInputError(
            f"{digest!r} is no digest: it has more than hexadecimal digits",
            kind="unknown-digest",
            hint="`inv status` shows those that are live",
        )
    if len(text) == _DIGEST:
        return text
    if len(text) < len("sha256:") + _PREFIX:
        raise BadInputError(
            f"digest {digest!r} is too short",
            kind="unknown-digest",
            hint=f"give at least {_PREFIX} digits; `inv ledger {rung.flags}` lists the images",
        )
    known = {
        entry.digest
        for environment in rung.settings.environments
        for entry in rung.ledger.history(environment, limit=100)
        if entry.digest.startswith(text)
    }
    if len(known) != 1:
        what = "several images begin so" if known else "the ledger knows no such image"
        raise BadInputError(
            f"digest {digest!r} is not clear: {what}",
            kind="unknown-digest",
            hint=f"give the whole digest; `inv ledger {rung.flags}` lists the images",
        )
    return known.pop()
