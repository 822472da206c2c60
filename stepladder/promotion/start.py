"""Start the promotion of a digest, or join the one that is under way.

The execution's name is the idempotency key: `<top rung>-<commit>-<digest>-<attempt>`. Step Functions answers the same
name three ways (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html): a running
execution with the same input is returned, with another input it is ExecutionAlreadyExists, and so is a closed one. So
a running one is joined and a closed one gets the next attempt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.errors import StepladderError
from stepladder.core.process_identity import release_id
from stepladder.promotion import definition_age, frozen, ladder
from stepladder.promotion.contract import TargetRelease
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.ladder import PromotionRequest
from stepladder.promotion.plan import PromotionPlan
from stepladder.promotion.subject import PromotionOptions
from stepladder.releases import environment_outputs, smoke_outputs
from stepladder.releases.smoke_suite import UNTESTED, UNTESTED_WARNING, Suite, with_outputs
from stepladder.terraform import function_packages

_ATTEMPTS = 100
_AT_ONCE = 8  # bundles of smoke cases that are put at once


@dataclass(frozen=True)
class StartResult:
    """What became of a request. `how` is started, joined, unchanged or prepared.

    `execution` is None when nothing was started.
    """

    how: str
    release: PromotionRequest
    execution: Execution | None = None


def start(machine: StateMachine, options: PromotionOptions, plan: PromotionPlan) -> StartResult:
    """Start the planned promotion, or join the one that is under way.

    Raises `StepladderError` when a hundred attempts of the digest have ended.
    """
    release, text = compose(machine, options, plan)
    return _start(machine, release, text, plan.base, len(plan.ended) + 1)


def compose(machine: StateMachine, options: PromotionOptions, plan: PromotionPlan) -> tuple[PromotionRequest, str]:
    """Put the smoke cases where the execution reads them; return the promotion, and the execution's input as JSON."""
    suites = {name: with_outputs(suite, _outputs(machine, name, suite)) for name, suite in plan.suites.items()}
    _put_smoke_cases(machine, suites.values(), no_smoke=options.no_smoke)
    keys = {name: suite.key for name, suite in suites.items()}
    release = request(machine, options, plan, keys, after=machine.newest_release())
    return release, _text(machine, plan, release)


def check_size(machine: StateMachine, options: PromotionOptions, plan: PromotionPlan) -> None:
    """Raise `BadInputError` for more functions than one execution takes."""
    keys = {name: suite.key for name, suite in plan.suites.items()}  # of the length that they will have
    _text(machine, plan, request(machine, options, plan, keys))


def _text(machine: StateMachine, plan: PromotionPlan, release: PromotionRequest) -> str:
    given = ladder.execution_input(machine.settings, release)
    definition_age.check(machine.settings.root, given)
    text = json.dumps(given, sort_keys=True)
    ladder.check_size(text, plan.subjects)
    return text


def existing(machine: StateMachine, options: PromotionOptions, plan: PromotionPlan) -> StartResult | None:
    """Return the result of a request that starts nothing; None when one is to be started.

    A promotion that is under way is joined. One that is done is left as it is.
    """
    if plan.running:
        joined = machine.describe(plan.running)
        if joined:
            return StartResult("joined", request(machine, options, plan, {}), joined)
    if plan.is_done:
        return StartResult("unchanged", request(machine, options, plan, {}))
    return None


def request(
    machine: StateMachine,
    options: PromotionOptions,
    plan: PromotionPlan,
    smoke_keys: Mapping[str, str],
    *,
    after: str = "",
) -> PromotionRequest:
    """Return the promotion that the options ask for; its release id comes after `after`.

    `smoke_keys` are the bundles of smoke cases by function. One function's image is the promotion's own; of several
    functions each has its own, and the promotion's digest only distinguishes it from others.
    """
    untested = "; ".join(filter(None, (frozen.remark(machine, options), UNTESTED if options.no_smoke else "")))
    own: dict[str, TargetRelease] = {
        name: {
            "digest": subject.digest,
            "git_commit": subject.git_commit,
            "input_key": subject.input_key,
            "smoke_key": smoke_keys.get(name, ""),
            "untested": untested,
        }
        for name, subject in plan.subjects.items()
    }
    single = next(iter(plan.subjects)) if len(plan.subjects) == 1 else None
    subject = plan.subject if single is None else plan.subjects[single]
    return PromotionRequest(
        release_id=release_id(machine.rung.clock.now(), after),
        digest=subject.digest,
        git_commit=subject.git_commit,
        requested_by=machine.rung.requested_by,
        input_key=subject.input_key,
        smoke_key="" if single is None else smoke_keys.get(single, ""),
        untested=untested,
        hotfix=options.hotfix,
        force=options.force,
        functions=tuple(plan.subjects),
        own=own if single is None else {},
        during_freeze=options.why.strip() if options.during_freeze else "",
    )


def _start(machine: StateMachine, release: PromotionRequest, text: str, base: str, attempt: int) -> StartResult:
    for number in range(attempt, attempt + _ATTEMPTS):
        name = f"{base}-{number}"
        try:
            answer = machine.sfn.start_execution(stateMachineArn=f"{machine.arn}:{names.ALIAS}", name=name, input=text)
            how = "started"
        except Exception as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
            answer, how = {"executionArn": machine.execution_arn(name)}, "joined"
        execution = machine.describe(answer["executionArn"])
        if execution and (how == "started" or execution.is_running):
            return StartResult(how, release, execution)
    raise StepladderError(
        f"{_ATTEMPTS} promotions of {base} have ended already",
        kind="promotion-refused",
        hint="see what runs where: `inv status`",
    )


def _outputs(machine: StateMachine, function: str, suite: Suite) -> dict[str, dict[str, Any]]:
    """Return the outputs that a function's smoke cases use, by target. Raises `RefusedError` when one lacks one."""
    used = smoke_outputs.used(suite.cases)
    outputs: dict[str, dict[str, Any]] = {}
    for key in machine.targets([function]) if used else ():
        values = environment_outputs.read(machine.at(key))
        lacking = [each for each in used if each not in values]
        if lacking:
            raise environment_outputs.missing(key, lacking, "inv promote --infra")
        outputs[key] = {each: values[each] for each in used}
    return outputs


def _put_smoke_cases(machine: StateMachine, suites: Iterable[Suite], *, no_smoke: bool) -> None:
    """Put the smoke cases of each function into each location's artifacts bucket."""
    if no_smoke:
        machine.console.warn(UNTESTED_WARNING)
    bundles = {suite.key: suite.bundle for suite in suites if suite.key}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="smoke") as pool:
        for rung in machine.representatives if bundles else ():
            put = partial(function_packages.put, rung.aws.client("s3"), rung.names.artifacts_bucket)
            list(pool.map(put, bundles, bundles.values()))
