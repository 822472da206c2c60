"""`inv status --check`: whether what serves is what the ledger says, and whether a rollback could return. Reads only.

A deploy or promotion under way moves alias, weights and `$LATEST` before it writes the ledger: what it explains is no
drift. What one reading finds and a second one doesn't was a run that ended in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.alias import Alias
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.commands import drift_report, every_rung
from stepladder.commands.drift_report import DriftFinding
from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.console import Console
from stepladder.core.errors import DriftError, RefusedError, StepladderError
from stepladder.core.release_facts import LATEST, short
from stepladder.ledger.schema import ROLLBACK, SUCCEEDED, UNKNOWN, Current, Holder
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import cut_off
from stepladder.releases import drift as drifts
from stepladder.releases.rollback_target import HISTORY, RollbackState, Targets
from stepladder.releases.rung import Rung

_SPELLED_OUT = 10
"""Functions of an environment that have a line each although they are as they should be."""
_NOT_PROVISIONED = "ProvisionedConcurrencyConfigNotFoundException"


@dataclass(frozen=True)
class ReleaseCheck:
    """One rung. `under_way` says what is at work there; `problem` is set when it couldn't be read."""

    environment: str
    findings: tuple[DriftFinding, ...] = ()
    under_way: str = ""
    released: bool = True
    problem: str = ""

    def record(self) -> dict[str, object]:
        """Return it as data."""
        return {**asdict(self), "drifted": bool(self.findings)}


@dataclass(frozen=True)
class _State:
    """What was read of a rung, at about one moment."""

    alias: Alias | None
    ledger: Snapshot
    deployment: str
    latest: FunctionState | None
    holder: Holder | None
    """Who holds the lock and may be alive."""

    @property
    def under_way(self) -> str:
        if self.holder:
            return f"{self.holder.command} by {self.holder.owner} since {self.holder.since}"
        return f"CodeDeploy deployment {self.deployment}" if self.deployment else ""


def check(rungs: Sequence[Rung]) -> None:
    """Check every rung and print what differs.

    Raises `DriftError` where something does, and another `StepladderError` when a rung couldn't be read: a script must
    not take silence for health.
    """
    console = rungs[0].console
    checks, obstacle = every_rung.read(rungs, _checked, lambda name, problem: ReleaseCheck(name, problem=problem))
    by_environment: dict[str, list[ReleaseCheck]] = {}
    for rung, each in zip(rungs, checks, strict=True):
        by_environment.setdefault(rung.environment, []).append(each)
    for environment, own in by_environment.items():
        problem = "; ".join(f"{each.environment}: {each.problem}" for each in own if each.problem)
        unwritten = drift_report.leave(
            rungs[0].settings,
            environment,
            drift_report.RELEASES,
            findings=[finding for each in own for finding in each.findings],
            problem=own[0].problem if len(own) == 1 else problem,
        )
        if unwritten:
            console.warn(unwritten)
        if not console.as_json:
            _print_all(console, environment, own)
    record: dict[str, object] = {
        "drifted": any(each.findings for each in checks),
        "environments": [each.record() for each in checks],
    }
    drift_report.conclude(console, record, obstacle or _outcome(checks))


def _outcome(checks: Sequence[ReleaseCheck]) -> StepladderError | None:
    unread = [each.environment for each in checks if each.problem]
    drifted = [each for each in checks if each.findings]
    if unread:
        return StepladderError(
            f"{len(unread)} of {len(checks)} rungs can't be read: {', '.join(unread)}",
            kind="status-incomplete",
            hint="the lines above say why; `--json` under problem",
        )
    if not drifted:
        return None
    first = drifted[0].findings[0]
    return DriftError(
        "; ".join(f"{each.environment}: {len(each.findings)} not as the ledger says" for each in drifted),
        hint=f"begin with the first: `{first.command}`",
    )


def _print_all(console: Console, environment: str, results: Sequence[ReleaseCheck]) -> None:
    """Print a line for each function, but one for all that are as the ledger says where those are many."""
    fine = [each for each in results if not (each.problem or each.findings or each.under_way) and each.released]
    if len(fine) <= _SPELLED_OUT:
        fine = []
    for each in results:
        if each not in fine:
            _print(console, each)
    if fine:
        console.line(f"{environment}: {len(fine)} of {len(results)} functions serve what the ledger says")


def _print(console: Console, result: ReleaseCheck) -> None:
    name = result.environment
    if result.problem:
        console.warn(f"{name} wasn't checked: {result.problem}")
    elif not result.released:
        console.line(f"{name}: nothing is released yet")
    elif not result.findings:
        console.line(f"{name}: serves what the ledger says")
    if result.under_way:
        console.line(f"{name}: under way: {result.under_way}; what it changes is no drift")
    for finding in result.findings:
        console.data(f"{name}: {finding.text}")
        for line in finding.details:
            console.data(f"  {line}")
        console.hint(f"`{finding.command}`")


def _checked(rung: Rung) -> ReleaseCheck:
    first = _once(rung)
    if not first.findings:
        return first
    second = _once(rung)
    kinds = {(each.kind, each.text) for each in second.findings}
    return replace(second, findings=tuple(each for each in first.findings if (each.kind, each.text) in kinds))


def _once(rung: Rung) -> ReleaseCheck:
    state = _read(rung)
    released = state.ledger.current is not None or (state.alias is not None and state.alias.version != LATEST)
    if not released:
        rung.check_caller()
        return ReleaseCheck(rung.target, under_way=state.under_way, released=False)
    return ReleaseCheck(rung.target, tuple(_findings(rung, state)), state.under_way)


def _read(rung: Rung) -> _State:
    with ThreadPoolExecutor(4, thread_name_prefix=f"check {rung.environment}") as pool:
        alias, ledger = pool.submit(rung.alias), pool.submit(rung.ledger.snapshot, rung.target)
        deployment, latest = pool.submit(rung.active_deployment), pool.submit(rung.function.read)
        snapshot = ledger.result()
        holder = snapshot.lock if snapshot.lock and not rung.lock.is_over(snapshot.lock) else None
        return _State(alias.result(), snapshot, deployment.result(), latest.result(), holder)


def _findings(rung: Rung, state: _State) -> Iterator[DriftFinding]:
    """Yield what differs, the worst first."""
    current, alias = state.ledger.current, state.alias
    if current is None:
        if not state.under_way:
            why = cut_off.explanation(state.ledger.lock, alias, state.ledger) if alias else ""
            text = f"the alias serves version {alias.version if alias else ''}, and the ledger knows of no release"
            command = f"inv deploy {rung.flags}" if why else f"inv ledger.rebuild {rung.flags}"
            if not state.ledger.exists:
                command = f"inv tf.plan --env {rung.environment} --root foundation"
            yield _finding(rung, "unrecorded", text, command, why)
        return
    served = rung.function.read(current.version) if state.latest else None
    yield from _missing(rung, state, current, served)
    if alias and not _explained(state, current, alias):
        why = cut_off.explanation(state.ledger.lock, alias, state.ledger)
        text = f"the alias serves version {alias.version}, the ledger says {current.version}"
        command = f"inv rollback {rung.flags} --to {current.release_id}"
        yield _finding(rung, "alias-moved", text, f"inv deploy {rung.flags}" if why else command, why)
    if alias and alias.weights and not state.under_way:
        text = f"weights were left without a deployment: version {alias.version}{aliases.weighted(alias)}"
        yield _finding(rung, "weights-left", text, f"inv rollback {rung.flags}")
    yield from _images(rung, current)
    if state.latest and not state.under_way:
        yield from _latest(rung, state, current, state.latest, served)
    if alias and alias.serves(current.version):
        yield from _provisioned(rung)
        if not state.under_way:
            yield from _rollback(rung, state, alias)


def _missing(rung: Rung, state: _State, current: Current, served: FunctionState | None) -> Iterator[DriftFinding]:
    """Yield what was deleted, or recreated as something else."""
    recorded = f"the ledger says that it serves version {current.version}"
    command = f"inv deploy {rung.flags}"
    if state.latest is None:
        yield _finding(rung, "function-missing", f"the function {rung.names.function} is gone, and {recorded}", command)
        return
    if state.alias is None:
        text = f"the alias {names.ALIAS} of {rung.names.function} is gone, and {recorded}"
        yield _finding(rung, "alias-missing", text, command)
    if served is None:
        text = f"version {current.version} of {rung.names.function} is gone, and {recorded}"
        yield _finding(rung, "version-missing", text, command)
    elif served.digest and served.digest != current.digest:
        text = f"version {current.version} has image {short(served.digest)}, the ledger says {short(current.digest)}"
        yield _finding(rung, "version-changed", text, command)


def _explained(state: _State, current: Current, alias: Alias) -> bool:
    """Say whether the ledger, or a run under way, explains which version the alias serves."""
    versions = {current.version}
    if state.holder:
        versions |= {state.holder.version, state.holder.previous_version, state.holder.moved_to}
    return bool(state.deployment) or alias.version in versions


def _images(rung: Rung, current: Current) -> Iterator[DriftFinding]:
    if not rung.has_image(current.digest):
        text = f"image {short(current.digest)} of version {current.version}, which serves, is gone from the registry"
        yield _finding(rung, "image-missing", text, _release_again(rung))


def _latest(
    rung: Rung, state: _State, current: Current, latest: FunctionState, served: FunctionState | None
) -> Iterator[DriftFinding]:
    """Yield what somebody changed in $LATEST, which the next release builds on."""
    if latest.digest and latest.digest not in _given(rung, current):
        text = f"the image of $LATEST is {short(latest.digest)}, which no release gave it"
        command = f"inv function.release {rung.flags} --digest {short(current.digest)}"
        yield _finding(rung, "latest-code", text, command)
    if drifts.has_drifted(state.ledger, latest):
        text = "the configuration of $LATEST was changed by hand"
        command = f"inv tf.plan --env {rung.environment} --root service"
        yield _finding(rung, "latest-configuration", text, command, *drifts.changes(rung, state.ledger, latest, served))


def _given(rung: Rung, current: Current) -> set[str]:
    """Return the images that a release may have left on $LATEST.

    That is the newest good release's, or that of one which failed since. A rollback moves the alias only.
    """
    digests = set()
    for entry in islice(rung.ledger.releases(rung.target), HISTORY):
        if entry.kind == ROLLBACK:
            continue
        digests.add(entry.digest)
        if entry.result in (SUCCEEDED, UNKNOWN):
            return digests
    return digests | {current.digest}


def _provisioned(rung: Rung) -> Iterator[DriftFinding]:
    """Yield that the environments that the settings want ready aren't."""
    wanted = rung.settings.environment(rung.environment).function.provisioned_concurrency
    if not wanted:
        return
    try:
        answer = rung.lambda_client.get_provisioned_concurrency_config(
            FunctionName=rung.names.function, Qualifier=names.ALIAS
        )
        requested, status = int(answer["RequestedProvisionedConcurrentExecutions"]), str(answer["Status"])
    except Exception as error:
        if error_code(error) != _NOT_PROVISIONED:
            raise
        requested, status = 0, ""
    if requested == wanted and status != "FAILED":
        return
    text = f"provisioned concurrency is {requested or 'off'}, the settings say {wanted}"
    if requested == wanted:
        text = f"provisioned concurrency of {wanted} failed: {answer.get('StatusReason') or 'no reason given'}"
    yield _finding(rung, "not-provisioned", text, f"inv tf.plan --env {rung.environment} --root service")


def _rollback(rung: Rung, state: _State, alias: Alias) -> Iterator[DriftFinding]:
    """Yield that the release which a rollback would return to can't serve any more. Having none is no drift."""
    targets = Targets(rung)
    candidates = tuple(islice(rung.ledger.succeeded(rung.target), HISTORY))
    try:
        target = targets.choose(RollbackState(alias, state.ledger, "", candidates), "")
    except RefusedError:
        return
    version = rung.function.read(target.version)
    try:
        targets.check(target, version, image=rung.has_image(target.digest))
    except RefusedError as error:
        text = f"a rollback has nothing to return to: {error.message}"
        yield _finding(rung, "no-rollback", text, f"inv ledger {rung.flags}")


def _release_again(rung: Rung) -> str:
    """Return the command that brings an image back: only the lowest rung builds one."""
    is_lowest = rung.environment == rung.settings.lowest or rung.environment not in rung.settings.ladder_environments
    return f"inv deploy {rung.flags} --force" if is_lowest else "inv promote"


def _finding(rung: Rung, kind: str, text: str, command: str, *details: str) -> DriftFinding:
    return DriftFinding(rung.target, text, tuple(filter(None, details)), command, kind)
