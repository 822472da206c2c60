"""Plan a promotion: read everything that decides whether it may start, and change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.lambda_function import LambdaFunction
from stepladder.core.errors import LockedError
from stepladder.core.release_facts import LATEST
from stepladder.promotion.executions import ListedExecution, StateMachine
from stepladder.promotion.subject import PromotionOptions, Subject, check_mark, read_lowest, read_subject
from stepladder.releases import restore
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import Suite, load_suite

CODEPIPELINE = "codepipeline-"
"""How the names begin of executions that CodePipeline started; the rest is its own id."""
_NAME_MAX = 80
_MISSING, _UNRELEASED, _SERVES, _OTHER = "missing", "unreleased", "serves", "other"


@dataclass(frozen=True)
class PromotionPlan:
    """What was read before anything is changed.

    `base` is the execution's name without its attempt. `missing` are the environments that have no service yet,
    `unreleased` those that were never released (the missing ones too). `serves` says whether every rung runs the
    digest already, `serving` which environments do. `running` is the ARN of the digest's own promotion, empty without
    one. `ended` are its promotions before, newest first.
    """

    subject: Subject
    suite: Suite
    base: str
    missing: tuple[str, ...] = ()
    unreleased: tuple[str, ...] = ()
    serves: bool = False
    serving: tuple[str, ...] = ()
    running: str = ""
    ended: tuple[ListedExecution, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do: the digest's last promotion succeeded, and every rung runs it still."""
        return bool(self.ended and self.ended[0]["status"] == "SUCCEEDED" and self.serves)


def plan_promotion(machine: StateMachine, options: PromotionOptions) -> PromotionPlan:
    """Read what decides whether a promotion may start.

    Raises `RefusedError` (nothing to promote, a bad digest, another account), `LockedError` (another promotion),
    `BadInputError` (no smoke cases).
    """
    subject = read_subject(machine.rung, options)
    if not options.force:
        for rung in machine.representatives:
            check_mark(rung, subject.digest)
    read_lowest(machine.rung, machine.rung.settings.lowest)
    suite = load_suite(machine.rung, no_smoke=options.no_smoke)
    base = base_name(machine.rung.settings.rungs[-1], subject)
    with ThreadPoolExecutor(8, thread_name_prefix="promote") as pool:
        listed = pool.submit(machine.executions, may_be_missing=True)
        reads = {
            name: pool.submit(read_state, machine.at(name), name, subject.digest)
            for name in machine.rung.settings.ladder_environments
        }
        states = {name: read.result() for name, read in reads.items()}
    return PromotionPlan(
        subject=subject,
        suite=suite,
        base=base,
        missing=tuple(name for name, state in states.items() if state == _MISSING),
        unreleased=tuple(name for name, state in states.items() if state in (_MISSING, _UNRELEASED)),
        serves=set(states.values()) == {_SERVES},
        serving=tuple(name for name, state in states.items() if state == _SERVES),
        running=_running(machine, listed.result(), base, subject.digest),
        ended=_ended(machine, listed.result(), base, subject.digest),
    )


def base_name(top: tuple[str, ...], subject: Subject) -> str:
    """Return the execution's name without its attempt: at most 76 of the 80 characters allowed."""
    commit = "".join(c if c.isalnum() else "-" for c in subject.git_commit[:12]) or "none"
    digest = subject.digest.removeprefix("sha256:")[:8]
    return f"{'_'.join(top)[: _NAME_MAX - 30]}-{commit}-{digest}"


def _running(machine: StateMachine, listed: Sequence[ListedExecution], base: str, digest: str) -> str:
    """Return the ARN of the digest's running promotion, empty without one.

    Raises `LockedError` for the running promotion of another digest.
    """
    running = [e for e in listed if e["status"] == "RUNNING"]
    for execution in running:
        if _promotes(machine, execution, base, digest):
            return execution["executionArn"]
    for execution in running:
        raise LockedError(
            f"another promotion is under way: {execution['name']}",
            kind="promotion-under-way",
            hint="watch it with `inv promote.watch`, or stop it with `inv promote.stop`",
        )
    return ""


def _ended(
    machine: StateMachine, listed: Sequence[ListedExecution], base: str, digest: str
) -> tuple[ListedExecution, ...]:
    """Return the digest's promotions that have ended, newest first: of those that CodePipeline started the newest."""
    ended = [e for e in listed if e["status"] != "RUNNING"]
    newest = next((e for e in ended if e["name"].startswith(CODEPIPELINE)), None)
    return tuple(
        e for e in ended if e["name"].startswith(f"{base}-") or (e is newest and _promotes(machine, e, base, digest))
    )


def _promotes(machine: StateMachine, execution: ListedExecution, base: str, digest: str) -> bool:
    """Say whether an execution promotes the digest. One that CodePipeline started isn't named by it."""
    if not execution["name"].startswith(CODEPIPELINE):
        return execution["name"].startswith(f"{base}-")
    described = machine.describe(execution["executionArn"])
    return bool(described and described.input["digest"] == digest)


def read_state(rung: Rung, environment: str, digest: str) -> str:
    """Return an environment's state: missing, unreleased, serving the digest alone, or something else.

    It serves a digest with the configuration that its function has now. Validate decides the same in the promotion.
    """
    function_name = rung.settings.names(environment).function
    alias = aliases.read(rung.lambda_client, function_name)
    if alias is None:
        rung.check_caller()
        restore.check_alias(rung)
        return _MISSING
    rung.check_account(alias.account)
    if alias.version == LATEST:
        return _UNRELEASED
    if alias.weights:
        return _OTHER
    function = LambdaFunction(rung.lambda_client, function_name, clock=rung.clock)
    served = function.read(alias.version)
    if not served or served.digest != digest:
        return _OTHER
    latest = function.read()
    return _SERVES if latest and latest.config_hash == served.config_hash else _OTHER
