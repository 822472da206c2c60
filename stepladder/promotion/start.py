"""Start the promotion of a digest, or join the one that is under way.

The execution's name is the idempotency key: `<top rung>-<commit>-<digest>-<attempt>`. Step Functions answers the same
name three ways (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html): a running
execution with the same input is returned, with another input it is ExecutionAlreadyExists, and so is a closed one. So
a running one is joined and a closed one gets the next attempt.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.errors import StepladderError
from stepladder.core.process_identity import release_id
from stepladder.promotion import ladder
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.ladder import PromotionRequest
from stepladder.promotion.plan import PromotionPlan
from stepladder.promotion.subject import PromotionOptions, Subject
from stepladder.releases import environment_outputs, smoke_outputs
from stepladder.releases.smoke_suite import UNTESTED, UNTESTED_WARNING, Suite, with_outputs
from stepladder.terraform import function_packages

_ATTEMPTS = 100


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
    suite = with_outputs(plan.suite, _outputs(machine, plan.suite))
    smoke_key = _put_smoke_cases(machine, suite, no_smoke=options.no_smoke)
    release = request(machine, options, plan.subject, smoke_key, after=machine.newest_release())
    return release, json.dumps(ladder.execution_input(machine.rung.settings, release), sort_keys=True)


def existing(machine: StateMachine, options: PromotionOptions, plan: PromotionPlan) -> StartResult | None:
    """Return the result of a request that starts nothing; None when one is to be started.

    A promotion that is under way is joined. One that is done is left as it is.
    """
    if plan.running:
        joined = machine.describe(plan.running)
        if joined:
            return StartResult("joined", request(machine, options, plan.subject, ""), joined)
    if plan.is_done:
        return StartResult("unchanged", request(machine, options, plan.subject, ""))
    return None


def request(
    machine: StateMachine, options: PromotionOptions, subject: Subject, smoke_key: str, *, after: str = ""
) -> PromotionRequest:
    """Return the promotion that the options ask for; its release id comes after `after`."""
    return PromotionRequest(
        release_id=release_id(machine.rung.clock.now(), after),
        digest=subject.digest,
        git_commit=subject.git_commit,
        requested_by=machine.rung.requested_by,
        input_key=subject.input_key,
        smoke_key=smoke_key,
        untested=UNTESTED if options.no_smoke else "",
        hotfix=options.hotfix,
        force=options.force,
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


def _outputs(machine: StateMachine, suite: Suite) -> dict[str, dict[str, Any]]:
    """Return the outputs that the smoke cases use, by environment. Raises `RefusedError` when one lacks an output."""
    used = smoke_outputs.used(suite.cases)
    outputs: dict[str, dict[str, Any]] = {}
    for name in machine.rung.settings.ladder_environments if used else ():
        values = environment_outputs.read(machine.at(name), name)
        lacking = [each for each in used if each not in values]
        if lacking:
            raise environment_outputs.missing(name, lacking, "inv promote --infra")
        outputs[name] = {each: values[each] for each in used}
    return outputs


def _put_smoke_cases(machine: StateMachine, suite: Suite, *, no_smoke: bool) -> str:
    """Put the project's smoke cases into each location's artifacts bucket; return their key, empty for none."""
    if no_smoke:
        machine.console.warn(UNTESTED_WARNING)
    if suite.key:
        for rung in machine.representatives:
            function_packages.put(rung.aws.client("s3"), rung.names.artifacts_bucket, suite.key, suite.bundle)
    return suite.key
