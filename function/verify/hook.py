"""CodeDeploy's BeforeAllowTraffic and AfterAllowTraffic: always answer, before our own deadline.

A hook that never answers holds a deployment for an hour
(https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html). Which version is
under test comes from the deployment's AppSpec, never from this function's environment.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import smoke_run
from shared import aws, deployments, ledger, serving

from stepladder.promotion.contract import Context
from stepladder.promotion.requests.verify import HookRequest, HookResponse

_MARGIN = 20.0  # seconds kept for the answer itself
_LONGEST = 280.0  # seconds for the smoke cases; the function may run longer, for a release command
_ATTEMPTS = 4


@dataclass
class _Result:
    """How the test went: `passed` is what passed, or `why` it failed, with the name of the error."""

    passed: str = ""
    why: str = ""
    error: str = ""


def answer(event: HookRequest, context: Context) -> HookResponse:
    """Test what a deployment is about to serve, or serves; report Succeeded or Failed, whatever happens."""
    results: list[_Result] = []
    deployment_id = event["DeploymentId"]

    def work() -> None:
        try:
            results.append(_Result(passed=_test(deployment_id)))
        except Exception as error:  # noqa: BLE001 - a hook must answer, whatever happened
            results.append(_Result(why=f"{type(error).__name__}: {error}", error=type(error).__name__))

    result = _Result(why="the smoke cases were not started")
    try:
        worker = threading.Thread(target=work, name="hook", daemon=True)
        worker.start()
        budget = max(1.0, min(_LONGEST, context.get_remaining_time_in_millis() / 1000 - _MARGIN))
        worker.join(budget)
        result = results[0] if results else _Result(why=f"the smoke cases did not end within {budget:.0f} s")
    finally:
        _report(event, succeeded=bool(result.passed))
    if result.why:
        _note(deployment_id, result.why, result.error)
    return {"status": "Succeeded" if result.passed else "Failed", "why": result.why or result.passed}


def _test(deployment_id: str) -> str:
    deployment = deployments.get(deployment_id)
    if deployment.is_rollback:
        return "a rollback is never held up by tests"
    function, name, version = deployment.function, deployment.alias, deployment.target
    if not version:
        raise ValueError(f"deployment {deployment_id} has no AppSpec that names a version")
    after = serving.alias(function, name).serves_only(version)
    qualifier = name if after else version
    cases = smoke_run.load(deployment.smoke_key, function)
    count = smoke_run.run(
        function,
        smoke_run.healthy(cases) if after else cases,
        lambda payload: smoke_run.invoke(function, qualifier, payload),
        f"version {version} of {function}{f' behind alias {name}' if after else ''}",
    )
    return f"{count} smoke cases passed"


def _report(event: HookRequest, *, succeeded: bool) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            aws.client("codedeploy").put_lifecycle_event_hook_execution_status(
                deploymentId=event["DeploymentId"],
                lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
                status="Succeeded" if succeeded else "Failed",
            )
        except Exception as error:
            if aws.code(error) == "LifecycleEventAlreadyCompletedException":
                return
            if attempt + 1 == _ATTEMPTS:
                raise
            time.sleep(0.5 * 2**attempt)
        else:
            return


def _note(deployment_id: str, why: str, error_name: str) -> None:
    try:
        ledger.note_hook(deployment_id, why, error_name)
    except Exception as error:  # noqa: BLE001 - CodeDeploy has its answer; this is for the person who reads later
        print(f"the reason could not be noted in the ledger: {error}")  # noqa: T201 - a function's log is its output
