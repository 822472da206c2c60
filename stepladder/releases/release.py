"""The update algorithm: give $LATEST the image, publish, verify, test, move the alias, verify, write it down.

Every guard that Lambda offers is used (RevisionId, CodeSha256), every wait has a deadline, and the alias moves only to
a version that was verified to be the wanted digest and passed its smoke cases. The order and its reasons:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html and terraform-provider-aws#12266 for what
happens without them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Thread

from stepladder.aws_lambda.alias import PRECONDITION, Alias
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.core.aws import error_code
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.core.release_facts import LATEST, description, short
from stepladder.ledger.schema import ReleaseEntry
from stepladder.releases import environment_outputs, finish, release_command
from stepladder.releases import smoke_case as smoke
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import UNTESTED

_CODE_CHANGED = "InvalidParameterValueException"  # PublishVersion, when CodeSha256 isn't that of $LATEST


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class ReleaseTarget:
    """What is to be released. `image_uri` is `<repository>@<digest>`, `after` the id of the release that is live.

    `release_id` is the id that it shares with the other functions of one deploy; empty for an id of its own.
    `live_digest` is the image that serves now, which needs no release command. `before_traffic` waits for what else has
    to be done before the image gets any; what it raises fails the release.
    """

    digest: str
    image_uri: str
    git_commit: str
    input_key: str = ""
    infra_hash: str = ""
    smoke_key: str = ""
    plan_id: str = ""
    kind: str = "deploy"
    skipped_ladder: str = ""
    remark: str = ""
    after: str = ""
    release_id: str = ""
    live_digest: str = ""
    before_traffic: Callable[[], None] = _nothing


@dataclass(frozen=True)
class Prepared:
    """A version that was published and tested, and has no callers yet; `alias` is as it was read before."""

    entry: ReleaseEntry
    target: ReleaseTarget
    alias: Alias
    version: FunctionState


@dataclass(frozen=True)
class Released:
    """What a release did. `moved` is false when the alias served the version already."""

    release: ReleaseEntry
    alias: Alias
    moved: bool
    config_changed: bool = False


def release(
    rung: Rung, target: ReleaseTarget, alias: Alias, latest: FunctionState, cases: Sequence[smoke.Case]
) -> Released:
    """Release a digest on a rung whose lock is held; `alias` and `latest` are as they were just read.

    Raises `RefusedError` when a check said no before the alias moved, `StepladderError` when AWS did,
    `RolledBackError` when the alias was restored, `RollbackFailedError` when that failed. However it ends, the ledger
    has an entry and the lock is given back, unless the process is killed; then the next run goes on from there.
    """
    ready = prepared(rung, target, alias, latest, cases)
    entry, live = finish.go_live(
        rung, ready.entry, alias, ready.version, infra_hash=target.infra_hash, smoke_key=target.smoke_key
    )
    return Released(entry, live, moved=alias.version != ready.version.version)


def prepared(
    rung: Rung, target: ReleaseTarget, alias: Alias, latest: FunctionState, cases: Sequence[smoke.Case]
) -> Prepared:
    """Do all of a release that comes before traffic: image, version, release command, smoke cases.

    The smoke cases come after the command: they may need the schema that it makes. The alias isn't touched.

    Raises as `release` does; a failure is in the ledger then, and the lock is given back.
    """
    entry = finish.begun(
        rung,
        target.kind,
        release_id=target.release_id,
        after=target.after,
        previous_version="" if alias.version == LATEST else alias.version,
        digest=target.digest,
        git_commit=target.git_commit,
        plan_id=target.plan_id,
        input_key=target.input_key,
        cause="; ".join(filter(None, (target.remark, "" if cases else UNTESTED))),
        skipped_ladder=target.skipped_ladder,
    )
    try:
        settled = _give_image(rung, target, latest)
        version = _publish(rung, target, settled, entry.release_id)
        entry = replace(entry, version=version.version)
        release_command.run(rung, entry, version.version, live=target.digest == target.live_digest)
        run_smoke(rung, version.version, cases)
        target.before_traffic()
    except BaseException as error:
        finish.failed(rung, entry, error)
        raise
    return Prepared(entry, target, alias, version)


def _give_image(rung: Rung, target: ReleaseTarget, latest: FunctionState) -> FunctionState:
    """Bring $LATEST to the wanted image and return its settled state."""
    with rung.console.step("code") as step:
        latest = rung.function.wait_settled(latest)
        check_kind(rung, latest)
        if latest.digest == target.digest and latest.update == "Successful":
            step.skip(f"$LATEST has {short(target.digest)} already")
            return latest
        rung.lock.check()
        updated = _update_code(rung, target, latest)
        Thread(target=_make_invoker, args=(rung,), name="invoker", daemon=True).start()  # while Lambda is at work
        settled = rung.function.wait_settled(updated)
        if settled.update == "Failed":
            raise StepladderError(
                f"Lambda could not take the image {short(target.digest)}: {settled.update_reason or 'no reason given'}",
                kind="lambda-refused",
                hint=f"the alias has not moved; {_restore(rung, latest, settled)}",
            )
        if settled.code_sha256 != updated.code_sha256:
            raise _somebody_else(rung, "its code is not the one that was just given to it")
        step.done(f"$LATEST has {short(target.digest)}")
        return settled


def _make_invoker(rung: Rung) -> None:
    """Make the client that the smoke cases use: 10 ms. What hinders that, they will meet."""
    with contextlib.suppress(Exception):
        rung.invoker()


def check_kind(rung: Rung, latest: FunctionState) -> None:
    """Refuse a function that can't run the project's images: another package type or architecture."""
    if latest.package_type != "Image":
        raise RefusedError(
            f"{rung.names.function} is a {latest.package_type} function, and only images are released",
            kind="image-not-taken",
            hint=f"a function's package type can't be changed; remove it and make it again: `inv deploy {rung.flags}`",
        )
    if latest.architectures != (rung.settings.architecture,):
        raise RefusedError(
            f"{rung.names.function} runs {', '.join(latest.architectures)}, the image is {rung.settings.architecture}",
            kind="wrong-architecture",
            hint=f"apply it: `inv deploy {rung.flags} --infra always`; or fix `stepladder.architecture`",
        )


def _update_code(rung: Rung, target: ReleaseTarget, latest: FunctionState) -> FunctionState:
    try:
        return rung.function.update_code(target.image_uri, latest.revision)
    except Exception as error:
        if error_code(error) != PRECONDITION:
            raise
        now = _unchanged(rung, latest, requested=target.digest)
        if now.digest == target.digest:
            return now
        return rung.function.update_code(target.image_uri, now.revision)


def _unchanged(rung: Rung, before: FunctionState, *, requested: str = "") -> FunctionState:
    """After a 412: read again, and refuse unless only the RevisionId moved on (or our own request did it).

    Lambda gives a new RevisionId also when a status changes, so a 412 alone doesn't prove that somebody was there.
    """
    rung.function.wait_settled()
    now = rung.function.read()
    if now is None:
        hint = f"run `inv deploy {rung.flags}` to make it again"
        raise StepladderError(f"{rung.names.function} is gone", kind="function-gone", hint=hint)
    same_code = before.code_sha256 == now.code_sha256 or (requested and now.digest == requested)
    if not same_code or now.config_hash != before.config_hash:
        raise _somebody_else(rung, "its code or configuration is not what was read")
    return now


def _somebody_else(rung: Rung, what: str) -> RefusedError:
    return RefusedError(
        f"{rung.names.function} was changed by somebody else during this release: {what}",
        kind="changed-by-hand",
        hint="the alias has not moved; run the same command again",
    )


def _restore(rung: Rung, before: FunctionState, failed: FunctionState) -> str:
    """Give $LATEST its previous image back after a Failed update, and say how that went."""
    if not before.image_uri or before.update != "Successful":
        return "$LATEST had no good image before, so it is left as it is"
    try:
        rung.function.update_code(before.image_uri, failed.revision)
        restored = rung.function.wait_settled()
    except Exception as error:  # noqa: BLE001 - what failed first is what matters
        return f"$LATEST could not be restored ({error_code(error) or type(error).__name__}); no traffic goes there"
    if restored.update == "Failed":
        return f"$LATEST could not be restored ({restored.update_reason}); no traffic goes there"
    return f"$LATEST was restored to {short(before.digest) or before.image_uri}"


def _publish(rung: Rung, target: ReleaseTarget, settled: FunctionState, rel: str) -> FunctionState:
    """Publish exactly the settled state, and verify that the version is the wanted digest."""
    with rung.console.step("version") as step:
        rung.lock.check()
        text = description(rel, target.git_commit, target.digest)
        try:
            made = rung.function.publish(code_sha256=settled.code_sha256, revision=settled.revision, description=text)
        except Exception as error:
            if error_code(error) == _CODE_CHANGED:
                raise _somebody_else(rung, "PublishVersion found other code than ours") from error
            if error_code(error) != PRECONDITION:
                raise
            now = _unchanged(rung, settled)
            made = rung.function.publish(code_sha256=now.code_sha256, revision=now.revision, description=text)
        version = rung.function.wait_active(made.version)
        served = version.digest or f"sha256:{version.code_sha256}"
        if served != target.digest:
            raise RefusedError(
                f"version {version.version} has image {short(served)}, not the wanted {short(target.digest)}",
                kind="changed-by-hand",
                hint="the alias has not moved; somebody else is updating this function, so run the same command again",
            )
        step.done(f"{version.version} is {short(target.digest)}, verified")
        return version


def run_smoke(rung: Rung, version: str, cases: Sequence[smoke.Case], *, fate: str = "the alias has not moved") -> None:
    """Run the smoke cases against the version's own ARN; the alias isn't touched.

    Raises `RefusedError` with the first mismatch in its sentence and the others below it; `fate` is what its hint says
    of the alias.
    """
    with rung.console.step("smoke") as step:
        if not cases:
            step.skip("none run")
            return
        results = outcomes(rung, version, cases)
        failed = [outcome for outcome in results if not outcome.passed]
        slowest = max(outcome.seconds for outcome in results)
        step.done(f"{len(results) - len(failed)} of {len(results)} pass, slowest {slowest * 1000:.0f} ms")
        if not failed:
            return
        step.mark = "fail"
    first, *others = [f"{outcome.name}: {mismatch}" for outcome in failed for mismatch in outcome.mismatches]
    raise RefusedError(
        f"version {version} fails {len(failed)} of {len(results)} smoke cases: {first}",
        kind="smoke-failed",
        hint=f"{fate}; if the new answers are meant, change the cases in {rung.settings.smoke.path}; "
        f"to run them again: `inv smoke {rung.flags} --version {version}`",
        problems=tuple(others),
    )


def outcomes(rung: Rung, qualifier: str, cases: Sequence[smoke.Case]) -> list[smoke.SmokeOutcome]:
    """Run the smoke cases against a version or an alias, and return how each went."""
    cases = environment_outputs.filled(rung, cases)
    return smoke.run(cases, lambda payload: _invoke(rung, payload, qualifier))


def _invoke(rung: Rung, payload: object, version: str) -> tuple[object, str | None, float]:
    answer = rung.function.invoke(payload, version)
    return answer.result, answer.error, answer.seconds
