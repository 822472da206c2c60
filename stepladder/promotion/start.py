"""Start the climb of a digest, or join the one that is under way.

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

from stepladder import names
from stepladder.aws import error_code
from stepladder.errors import BadInputError, LockedError, RefusedError, StepladderError
from stepladder.promotion import ladder, packages
from stepladder.promotion.bring import bring
from stepladder.promotion.desk import Desk, Execution
from stepladder.promotion.ladder import Release
from stepladder.releases import alias as aliases
from stepladder.releases import ledger as ledgers
from stepladder.releases.cases import UNTESTED, UNTESTED_WARNING, load_suite
from stepladder.releases.function import LATEST, Function
from stepladder.releases.identity import release_id
from stepladder.releases.marks import unmark_command
from stepladder.releases.records import SUCCEEDED
from stepladder.releases.rung import Rung

_NAME_MAX = 80
_ATTEMPTS = 100
_DIGEST = "sha256:"
_DIGEST_LENGTH = len(_DIGEST) + 64


@dataclass(frozen=True)
class Request:
    """What the caller asked to promote: a digest, a release of the lowest rung, or what that rung runs now."""

    digest: str = ""
    release: str = ""
    hotfix: bool = False
    force: bool = False
    no_smoke: bool = False


@dataclass(frozen=True)
class Started:
    """What became of the request. `how` is started, joined or unchanged; no execution when unchanged."""

    how: str
    release: Release
    execution: Execution | None = None


@dataclass(frozen=True)
class Subject:
    """What is to climb, before it has a release id."""

    digest: str
    git_commit: str
    input_key: str = ""


def start(desk: Desk, request: Request) -> Started:
    """Start or join. Raises `RefusedError` (nothing to climb, a bad digest), `LockedError` (another climb)."""
    subject = _subject(desk.rung, request)
    if not request.force:
        for place in desk.places:
            check_mark(place, subject.digest)
    if len(desk.places) > 1:
        bring(desk, subject.digest)
    with ThreadPoolExecutor(8, thread_name_prefix="promote") as pool:
        bundle = pool.submit(_bundle, desk, no_smoke=request.no_smoke)
        listed = pool.submit(desk.executions)
        serving = [pool.submit(_serves, desk.at(name), name, subject.digest) for name in desk.rung.settings.rungs]
        release = Release(
            release_id=release_id(desk.rung.clock.now()),
            digest=subject.digest,
            git_commit=subject.git_commit,
            requested_by=desk.rung.requested_by,
            input_key=subject.input_key,
            smoke_key=bundle.result(),
            untested=UNTESTED if request.no_smoke else "",
            hotfix=request.hotfix,
            force=request.force,
        )
        there = [found.result() for found in serving]
        base = base_name(desk.rung.settings.ladder[-1], subject)
        running = _running(listed.result(), base)
        if running:
            joined = desk.describe(running)
            if joined:
                return Started("joined", release, joined)
        closed = [e for e in listed.result() if e["name"].startswith(f"{base}-")]
        if closed and closed[0]["status"] == "SUCCEEDED" and all(there):
            return Started("unchanged", release)
    return _start(desk, release, base, len(closed) + 1)


def base_name(top: tuple[str, ...], subject: Subject) -> str:
    """Return the execution's name without its attempt: at most 76 of the 80 characters allowed."""
    commit = "".join(c if c.isalnum() else "-" for c in subject.git_commit[:12]) or "none"
    digest = subject.digest.removeprefix(_DIGEST)[:8]
    return f"{'_'.join(top)[: _NAME_MAX - 30]}-{commit}-{digest}"


def _start(desk: Desk, release: Release, base: str, attempt: int) -> Started:
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
    raise StepladderError(f"{_ATTEMPTS} climbs of {base} have ended already", hint="see what runs where: `inv status`")


def _running(listed: list[dict[str, Any]], base: str) -> str:
    """Return the running climb of the same digest; refuse while another is on the ladder."""
    running = [e for e in listed if e["status"] == "RUNNING"]
    for execution in running:
        if execution["name"].startswith(f"{base}-"):
            return str(execution["executionArn"])
    for execution in running:
        raise LockedError(
            f"another climb is under way: {execution['name']}",
            hint="watch it with `inv promote.watch`, or stop it with `inv promote.stop`",
        )
    return ""


def _subject(rung: Rung, request: Request) -> Subject:
    lowest = rung.settings.rungs[0]
    if request.digest and request.release:
        raise BadInputError("--digest and --release name the same thing", hint="give one of them")
    if request.release:
        return _released(rung, lowest, request.release, force=request.force)
    if request.digest:
        digest = request.digest if request.digest.startswith(_DIGEST) else _DIGEST + request.digest
        if len(digest) != _DIGEST_LENGTH:
            raise BadInputError(f"{request.digest!r} is no digest", hint="give all 64 digits, as `inv status` shows")
        known = next((r for r in rung.ledger.history(lowest, limit=100) if r.digest == digest), None)
        return Subject(digest, known.git_commit if known else "unknown", known.input_key if known else "")
    return _runs_now(rung, lowest)


def _released(rung: Rung, lowest: str, release: str, *, force: bool) -> Subject:
    """Return the image of a release of the lowest rung, which must have succeeded there."""
    found = rung.ledger.find(lowest, release)
    if not found:
        raise BadInputError(f"{lowest} has no release {release!r}", hint=f"its releases: `inv ledger --env {lowest}`")
    if found.result != SUCCEEDED and not force:
        raise RefusedError(
            f"release {release} ended {found.result} on {lowest}: {found.cause or 'no cause was recorded'}",
            hint=f"name one that succeeded (`inv ledger --env {lowest}`), or promote it all the same: "
            f"`inv promote --release {release} --force`",
        )
    return Subject(found.digest, found.git_commit, found.input_key)


def _runs_now(rung: Rung, lowest: str) -> Subject:
    """Return what the lowest rung serves, from Lambda itself; the ledger tells the commit."""
    function = rung.settings.names(lowest).function
    alias = aliases.read(rung.lambda_client, function)
    if alias is None:
        raise RefusedError(f"{lowest} has no function yet", hint=f"deploy it first: `inv deploy --env {lowest}`")
    rung.check_account(alias.account)
    if alias.version == LATEST:
        raise RefusedError(f"{lowest} has no release yet", hint=f"release it first: `inv deploy --env {lowest}`")
    if alias.weights:
        raise RefusedError(
            f"{lowest} is being shifted: it serves version {alias.version}{aliases.weighted(alias)}",
            hint="wait for its deployment to end",
        )
    state = Function(rung.lambda_client, function, clock=rung.clock).read(alias.version)
    if state is None or not state.digest:
        raise RefusedError(f"version {alias.version} of {function} has no image", hint="only images climb")
    current = rung.ledger.snapshot(lowest).current
    input_key = current.input_key if current and current.digest == state.digest else ""
    commit = next((part[4:] for part in state.description.split() if part.startswith("git=")), "unknown")
    return Subject(state.digest, commit, input_key)


def check_mark(rung: Rung, digest: str) -> None:
    """Refuse a digest that was marked bad."""
    bad = rung.ledger.is_bad(digest)
    if bad:
        raise RefusedError(
            f"{ledgers.short(digest)} was marked bad by {bad.by}: {bad.why}",
            hint="release another image, promote it all the same with `inv promote --force`, "
            f"or take the mark away: `{unmark_command(digest)}`",
        )


def _serves(rung: Rung, environment: str, digest: str) -> bool:
    """Say whether a rung serves a digest alone, with the configuration that its function has now.

    One that was never released serves nothing, whatever image $LATEST has. Validate decides the same in the climb.
    """
    named = rung.settings.names(environment).function
    alias = aliases.read(rung.lambda_client, named)
    if alias is None:
        hint = f"deploy it once: `inv deploy --env {environment}`"
        raise RefusedError(f"{environment} was never deployed", hint=hint)
    rung.check_account(alias.account)
    if alias.weights or alias.version == LATEST:
        return False
    function = Function(rung.lambda_client, named, clock=rung.clock)
    served = function.read(alias.version)
    if not served or served.digest != digest:
        return False
    latest = function.read()
    return bool(latest and latest.config_hash == served.config_hash)


def _bundle(desk: Desk, *, no_smoke: bool) -> str:
    """Put the project's smoke cases into each place's artifacts bucket by content; return the key, empty for none."""
    rung = desk.rung
    if no_smoke:
        rung.console.warn(UNTESTED_WARNING)
    suite = load_suite(rung, no_smoke=no_smoke)
    if suite.key:
        for place in desk.places:
            packages.put(place.aws.client("s3"), place.names.artifacts_bucket, suite.key, suite.bundle)
    return suite.key
