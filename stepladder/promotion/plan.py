"""Plan a promotion: read everything that decides whether it may start, and change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.lambda_function import LambdaFunction
from stepladder.core.errors import LockedError
from stepladder.core.names import split_target, target_key
from stepladder.core.release_facts import LATEST
from stepladder.promotion import attested
from stepladder.promotion.executions import ListedExecution, StateMachine
from stepladder.promotion.subject import PromotionOptions, Subject, read_lowest
from stepladder.promotion.subjects import check_marks, identity, promoted, read_subjects
from stepladder.releases import restore
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import Suite, check_promotable, load_suite

CODEPIPELINE = "codepipeline-"
"""How the names begin of executions that CodePipeline started; the rest is its own id."""
_NAME_MAX = 80
_AT_ONCE = 8  # targets that are read at once
_MISSING, _UNRELEASED, _SERVES, _OTHER = "missing", "unreleased", "serves", "other"


@dataclass(frozen=True)
class PromotionPlan:
    """What was read before anything is changed.

    `subjects` are the images by function: of a project with several only those that a rung lacks. `subject` stands for
    all of them. `base` is the execution's name without its attempt. `missing` are the targets that have no function
    yet, `unreleased` those that were never released (the missing ones too). `serves` says whether every rung runs the
    images already, `serving` which targets do. `running` is the ARN of the same promotion that is under way, empty
    without one. `ended` are its promotions before, newest first.
    """

    subject: Subject
    subjects: Mapping[str, Subject]
    suites: Mapping[str, Suite]
    base: str
    missing: tuple[str, ...] = ()
    unreleased: tuple[str, ...] = ()
    serves: bool = False
    serving: tuple[str, ...] = ()
    running: str = ""
    ended: tuple[ListedExecution, ...] = field(default=())

    @property
    def digests(self) -> dict[str, str]:
        """The digests by function."""
        return {name: subject.digest for name, subject in self.subjects.items()}

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do: every rung runs the images, and their last promotion succeeded.

        Of several functions none is left over: what every rung runs is no part of a promotion.
        """
        if self.serves and not self.subjects:
            return True
        return bool(self.ended and self.ended[0]["status"] == "SUCCEEDED" and self.serves)


def plan_promotion(machine: StateMachine, options: PromotionOptions) -> PromotionPlan:
    """Read what decides whether a promotion may start.

    Raises `RefusedError` (nothing to promote, a bad digest, another account), `LockedError` (another promotion),
    `BadInputError` (no smoke cases).
    """
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="promote") as pool:
        wanted = read_subjects(machine, options, pool)
        if not options.force:
            check_marks(machine, wanted)
        if options.digest or options.release:  # else the images were read there
            lowest = machine.settings.lowest
            list(pool.map(read_lowest, [machine.at(target_key(lowest, name)) for name in wanted]))
        listed = pool.submit(machine.executions, may_be_missing=True)
        reads = {
            target_key(environment, name): pool.submit(
                read_state, machine.at(target_key(environment, name)), wanted[name].digest
            )
            for environment in machine.settings.ladder_environments
            for name in wanted
        }
        states = {key: read.result() for key, read in reads.items()}
        subjects = _changed(machine, wanted, states)
        suites = {
            name: load_suite(machine.at(target_key(machine.settings.lowest, name)), no_smoke=options.no_smoke)
            for name in subjects
        }
        for suite in suites.values():
            check_promotable(suite, checks=machine.settings.promotion.checks)
        subject = identity(subjects or wanted)
        base = base_name(machine.settings.rungs[-1], subject)
        executions = listed.result()
    states = {key: state for key, state in states.items() if split_target(key)[1] in subjects or not subjects}
    plan = PromotionPlan(
        subject=subject,
        subjects=subjects,
        suites=suites,
        base=base,
        missing=tuple(key for key, state in states.items() if state == _MISSING),
        unreleased=tuple(key for key, state in states.items() if state in (_MISSING, _UNRELEASED)),
        serves=set(states.values()) == {_SERVES},
        serving=tuple(key for key, state in states.items() if state == _SERVES),
        running=_running(machine, executions, base, wanted, subjects),
        ended=_ended(machine, executions, base, subjects),
    )
    if not plan.running and not plan.is_done:
        attested.check(machine, subjects)
    return plan


def _changed(machine: StateMachine, wanted: Mapping[str, Subject], states: Mapping[str, str]) -> dict[str, Subject]:
    """Return the images of the functions that a rung doesn't serve as it should: those are promoted, on all rungs.

    The project's own function alone is promoted whatever it serves: its promotion verifies that.
    """
    if machine.settings.function_names == ("",):
        return dict(wanted)
    behind = {split_target(key)[1] for key, state in states.items() if state != _SERVES}
    return {name: subject for name, subject in wanted.items() if name in behind}


def base_name(top: tuple[str, ...], subject: Subject) -> str:
    """Return the execution's name without its attempt: at most 76 of the 80 characters allowed."""
    commit = "".join(c if c.isalnum() else "-" for c in subject.git_commit[:12]) or "none"
    digest = subject.digest.removeprefix("sha256:")[:8]
    return f"{'_'.join(top)[: _NAME_MAX - 30]}-{commit}-{digest}"


def _running(
    machine: StateMachine,
    listed: Sequence[ListedExecution],
    base: str,
    wanted: Mapping[str, Subject],
    subjects: Mapping[str, Subject],
) -> str:
    """Return the ARN of the running promotion of the same images, empty without one.

    A function that every rung serves by now may still be part of it. Raises `LockedError` for another promotion.
    """
    running = [e for e in listed if e["status"] == "RUNNING"]
    for execution in running:
        if _promotes(machine, execution, base, subjects) or _takes_along(machine, execution, wanted, subjects):
            return execution["executionArn"]
    for execution in running:
        raise LockedError(
            f"another promotion is under way: {execution['name']}",
            kind="promotion-under-way",
            hint="watch it with `inv promote.watch`, or stop it with `inv promote.stop`",
        )
    return ""


def _ended(
    machine: StateMachine, listed: Sequence[ListedExecution], base: str, subjects: Mapping[str, Subject]
) -> tuple[ListedExecution, ...]:
    """Return the promotions of the images that have ended, newest first: of those of CodePipeline the newest."""
    ended = [e for e in listed if e["status"] != "RUNNING"]
    newest = next((e for e in ended if e["name"].startswith(CODEPIPELINE)), None)
    return tuple(
        e for e in ended if e["name"].startswith(f"{base}-") or (e is newest and _promotes(machine, e, base, subjects))
    )


def _promotes(machine: StateMachine, execution: ListedExecution, base: str, subjects: Mapping[str, Subject]) -> bool:
    """Say whether an execution promotes the images. One that CodePipeline started isn't named by them."""
    if not execution["name"].startswith(CODEPIPELINE):
        return execution["name"].startswith(f"{base}-")
    described = machine.describe(execution["executionArn"])
    return bool(described and promoted(described.input) == {name: each.digest for name, each in subjects.items()})


def _takes_along(
    machine: StateMachine,
    execution: ListedExecution,
    wanted: Mapping[str, Subject],
    subjects: Mapping[str, Subject],
) -> bool:
    """Say whether an execution promotes all images of several functions, with others of those that are wanted."""
    if machine.settings.function_names == ("",):
        return False
    described = machine.describe(execution["executionArn"])
    digests = promoted(described.input) if described else {}
    known = {name: each.digest for name, each in wanted.items()}
    return digests.items() <= known.items() and subjects.keys() <= digests.keys()


def read_state(rung: Rung, digest: str) -> str:
    """Return a target's state: missing, unreleased, serving the digest alone, or something else.

    It serves a digest with the configuration that its function has now. Validate decides the same in the promotion.
    """
    function_name = rung.names.function
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
