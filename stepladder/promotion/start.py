"""Start the promotion of a digest, or join the one that is under way.

The execution's name is the idempotency key: `<top rung>-<commit>-<digest>-<attempt>`. Step Functions answers the same
name three ways (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html): a running
execution with the same input is returned, with another input it is ExecutionAlreadyExists, and so is a closed one. So
a running one is joined and a closed one gets the next attempt.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.lambda_function import LATEST, LambdaFunction
from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.errors import BadInputError, LockedError, RefusedError, StepladderError
from stepladder.core.process_identity import release_id
from stepladder.ledger import table as ledgers
from stepladder.ledger.schema import SUCCEEDED
from stepladder.promotion import ladder
from stepladder.promotion.executions import Desk, Execution
from stepladder.promotion.ladder import PromotionRequest
from stepladder.releases import marks, restore
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import UNTESTED, UNTESTED_WARNING, Suite, load_suite
from stepladder.terraform import function_packages

_NAME_MAX = 80
_ATTEMPTS = 100
_DIGEST = "sha256:"
_DIGEST_LENGTH = len(_DIGEST) + 64
_MISSING, _UNRELEASED, _SERVES, _OTHER = "missing", "unreleased", "serves", "other"


@dataclass(frozen=True)
class PromotionOptions:
    """What the caller asked to promote: a digest, a release of the lowest rung, or what that rung runs now.

    `infra` applies changed infrastructure before, and creates rungs without asking.
    """

    digest: str = ""
    release: str = ""
    hotfix: bool = False
    force: bool = False
    no_smoke: bool = False
    infra: bool = False


@dataclass(frozen=True)
class Started:
    """What became of the request. `how` is started, joined or unchanged; no execution when unchanged."""

    how: str
    release: PromotionRequest
    execution: Execution | None = None


@dataclass(frozen=True)
class Subject:
    """What is to be promoted, before it has a release id."""

    digest: str
    git_commit: str
    input_key: str = ""


@dataclass(frozen=True)
class Survey:
    """What was read before anything is changed.

    `missing` have no service yet, `first` were never released (the missing ones too). `serves` says that every rung
    runs the digest already, `running` is the ARN of the digest's own promotion, `ended` are those before, newest first.
    """

    subject: Subject
    suite: Suite
    base: str
    missing: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    serves: bool = False
    running: str = ""
    ended: tuple[dict[str, Any], ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do: the last promotion of the digest succeeded, and every rung runs it still."""
        return bool(self.ended and self.ended[0]["status"] == "SUCCEEDED" and self.serves)


def survey(desk: Desk, request: PromotionOptions) -> Survey:
    """Read everything that decides whether a promotion may start, and change nothing.

    Raises `RefusedError` (nothing to promote, a bad digest, another account), `LockedError` (another promotion),
    `BadInputError` (no smoke cases).
    """
    subject = _subject(desk.rung, request)
    if not request.force:
        for place in desk.places:
            check_mark(place, subject.digest)
    _lowest(desk.rung, desk.rung.settings.lowest)
    suite = load_suite(desk.rung, no_smoke=request.no_smoke)
    base = base_name(desk.rung.settings.rungs[-1], subject)
    with ThreadPoolExecutor(8, thread_name_prefix="promote") as pool:
        listed = pool.submit(desk.executions, may_be_missing=True)
        asked = {
            name: pool.submit(_state, desk.at(name), name, subject.digest)
            for name in desk.rung.settings.ladder_environments
        }
        states = {name: state.result() for name, state in asked.items()}
    return Survey(
        subject=subject,
        suite=suite,
        base=base,
        missing=tuple(name for name, state in states.items() if state == _MISSING),
        first=tuple(name for name, state in states.items() if state in (_MISSING, _UNRELEASED)),
        serves=set(states.values()) == {_SERVES},
        running=_running(listed.result(), base),
        ended=tuple(e for e in listed.result() if e["name"].startswith(f"{base}-") and e["status"] != "RUNNING"),
    )


def start(desk: Desk, request: PromotionOptions, found: Survey) -> Started:
    """Start the promotion of what was read, or join the one that is under way."""
    subject = found.subject
    smoke_key = _bundle(desk, found.suite, no_smoke=request.no_smoke)
    release = _release(desk, request, subject, smoke_key, after=desk.newest_release())
    return _start(desk, release, found.base, len(found.ended) + 1)


def existing(desk: Desk, request: PromotionOptions, found: Survey) -> Started | None:
    """Return what became of a request that starts nothing: one under way is joined, one that is done is left."""
    if found.running:
        joined = desk.describe(found.running)
        if joined:
            return Started("joined", _release(desk, request, found.subject, ""), joined)
    if found.is_done:
        return Started("unchanged", _release(desk, request, found.subject, ""))
    return None


def _release(
    desk: Desk, request: PromotionOptions, subject: Subject, smoke_key: str, *, after: str = ""
) -> PromotionRequest:
    return PromotionRequest(
        release_id=release_id(desk.rung.clock.now(), after),
        digest=subject.digest,
        git_commit=subject.git_commit,
        requested_by=desk.rung.requested_by,
        input_key=subject.input_key,
        smoke_key=smoke_key,
        untested=UNTESTED if request.no_smoke else "",
        hotfix=request.hotfix,
        force=request.force,
    )


def base_name(top: tuple[str, ...], subject: Subject) -> str:
    """Return the execution's name without its attempt: at most 76 of the 80 characters allowed."""
    commit = "".join(c if c.isalnum() else "-" for c in subject.git_commit[:12]) or "none"
    digest = subject.digest.removeprefix(_DIGEST)[:8]
    return f"{'_'.join(top)[: _NAME_MAX - 30]}-{commit}-{digest}"


def _start(desk: Desk, release: PromotionRequest, base: str, attempt: int) -> Started:
    text = json.dumps(ladder.execution_input(desk.rung.settings, release), sort_keys=True)
    for number in range(attempt, attempt + _ATTEMPTS):
        name = f"{base}-{number}"
        try:
            answer = desk.sfn.start_execution(stateMachineArn=f"{desk.machine}:{names.ALIAS}", name=name, input=text)
            how = "started"
        except Exception as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
            answer, how = {"executionArn": desk.execution_arn(name)}, "joined"
        found = desk.describe(answer["executionArn"])
        if found and (how == "started" or found.is_running):
            return Started(how, release, found)
    raise StepladderError(
        f"{_ATTEMPTS} promotions of {base} have ended already",
        kind="promotion-refused",
        hint="see what runs where: `inv status`",
    )


def _running(listed: list[dict[str, Any]], base: str) -> str:
    """Return the running promotion of the same digest; refuse while another is on the ladder."""
    running = [e for e in listed if e["status"] == "RUNNING"]
    for execution in running:
        if execution["name"].startswith(f"{base}-"):
            return str(execution["executionArn"])
    for execution in running:
        raise LockedError(
            f"another promotion is under way: {execution['name']}",
            kind="promotion-under-way",
            hint="watch it with `inv promote.watch`, or stop it with `inv promote.stop`",
        )
    return ""


def _subject(rung: Rung, request: PromotionOptions) -> Subject:
    lowest = rung.settings.lowest
    if request.digest and request.release:
        raise BadInputError("--digest and --release name the same thing", kind="bad-arguments", hint="give one of them")
    if request.release:
        return _released(rung, lowest, request.release, force=request.force)
    if request.digest:
        digest = request.digest if request.digest.startswith(_DIGEST) else _DIGEST + request.digest
        if len(digest) != _DIGEST_LENGTH:
            raise BadInputError(
                f"{request.digest!r} is no digest",
                kind="unknown-digest",
                hint="give all 64 digits, as `inv status` shows",
            )
        known = next((r for r in rung.ledger.history(lowest, limit=100) if r.digest == digest), None)
        return Subject(digest, known.git_commit if known else "unknown", known.input_key if known else "")
    return _runs_now(rung, lowest)


def _released(rung: Rung, lowest: str, release: str, *, force: bool) -> Subject:
    """Return the image of a release of the lowest rung, which must have succeeded there."""
    found = rung.ledger.find(lowest, release)
    if not found:
        raise BadInputError(
            f"{lowest} has no release {release!r}",
            kind="unknown-release",
            hint=f"its releases: `inv ledger --env {lowest}`",
        )
    if found.result != SUCCEEDED and not force:
        raise RefusedError(
            f"release {release} ended {found.result} on {lowest}: {found.cause or 'no cause was recorded'}",
            kind="release-failed",
            hint=f"name one that succeeded (`inv ledger --env {lowest}`), or promote it all the same: "
            f"`inv promote --release {release} --force`",
        )
    return Subject(found.digest, found.git_commit, found.input_key)


def _lowest(rung: Rung, lowest: str) -> aliases.Alias:
    """Return the alias of the lowest rung; refuse one that was never released."""
    alias = aliases.read(rung.lambda_client, rung.settings.names(lowest).function)
    if alias is None:
        raise RefusedError(
            f"{lowest} has no function yet", kind="nothing-live", hint=f"deploy it first: `inv deploy --env {lowest}`"
        )
    rung.check_account(alias.account)
    if alias.version == LATEST:
        raise RefusedError(
            f"{lowest} has no release yet", kind="nothing-live", hint=f"release it first: `inv deploy --env {lowest}`"
        )
    return alias


def _runs_now(rung: Rung, lowest: str) -> Subject:
    """Return what the lowest rung serves, from Lambda itself; the ledger tells the commit."""
    function = rung.settings.names(lowest).function
    alias = _lowest(rung, lowest)
    if alias.weights:
        raise RefusedError(
            f"{lowest} is being shifted: it serves version {alias.version}{aliases.weighted(alias)}",
            kind="deployment-under-way",
            hint="wait for its deployment to end",
        )
    state = LambdaFunction(rung.lambda_client, function, clock=rung.clock).read(alias.version)
    if state is None or not state.digest:
        raise RefusedError(
            f"version {alias.version} of {function} has no image", kind="image-missing", hint="only images are promoted"
        )
    current = rung.ledger.snapshot(lowest).current
    input_key = current.input_key if current and current.digest == state.digest else ""
    commit = next((part[4:] for part in state.description.split() if part.startswith("git=")), "unknown")
    return Subject(state.digest, commit, input_key)


def check_mark(rung: Rung, digest: str) -> None:
    """Refuse a digest that was marked bad."""
    try:
        bad = rung.ledger.is_bad(digest)
    except Exception as error:
        if error_code(error) != ledgers.NOT_FOUND:
            raise
        return  # a location without a foundation has no ledger yet
    if bad:
        raise marks.refused(digest, bad, "release another image, promote it all the same with `inv promote --force`")


def _state(rung: Rung, environment: str, digest: str) -> str:
    """Say how far a rung is: missing, unreleased, serving the digest alone, or something else.

    It serves a digest with the configuration that its function has now. Validate decides the same in the promotion.
    """
    named = rung.settings.names(environment).function
    alias = aliases.read(rung.lambda_client, named)
    if alias is None:
        rung.check_account(rung.aws.account())
        restore.check_alias(rung)
        return _MISSING
    rung.check_account(alias.account)
    if alias.version == LATEST:
        return _UNRELEASED
    if alias.weights:
        return _OTHER
    function = LambdaFunction(rung.lambda_client, named, clock=rung.clock)
    served = function.read(alias.version)
    if not served or served.digest != digest:
        return _OTHER
    latest = function.read()
    return _SERVES if latest and latest.config_hash == served.config_hash else _OTHER


def _bundle(desk: Desk, suite: Suite, *, no_smoke: bool) -> str:
    """Put the project's smoke cases into each place's artifacts bucket by content; return the key, empty for none."""
    if no_smoke:
        desk.console.warn(UNTESTED_WARNING)
    if suite.key:
        for place in desk.places:
            function_packages.put(place.aws.client("s3"), place.names.artifacts_bucket, suite.key, suite.bundle)
    return suite.key
