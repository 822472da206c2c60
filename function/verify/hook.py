"""CodeDeploy's BeforeAllowTraffic and AfterAllowTraffic: always answer, before our own deadline.

A hook that never answers holds a deployment for an hour
(https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html). Which version is
under test comes from the deployment's AppSpec, never from this function's environment.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import cases
from shared import aws, deployments, ledger, serving

_MARGIN = 20.0  # seconds kept for the answer itself
_ATTEMPTS = 4


def answer(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Test what a deployment is about to serve, or serves; report Succeeded or Failed, whatever happens."""
    told: dict[str, str] = {}
    deployment_id = event["DeploymentId"]

    def work() -> None:
        try:
            told["done"] = _test(deployment_id)
        except Exception as error:  # noqa: BLE001 - a hook must answer, whatever happened
            told["error"] = type(error).__name__
            told["why"] = f"{type(error).__name__}: {error}"

    try:
        worker = threading.Thread(target=work, name="hook", daemon=True)
        worker.start()
        budget = max(1.0, context.get_remaining_time_in_millis() / 1000 - _MARGIN)
        worker.join(budget)
        if not told:
            told["why"] = f"the smoke cases did not end within {budget:.0f} s"
    finally:
        status = "Succeeded" if "done" in told else "Failed"
        _report(event, status)
    why = told.get("why", "")
    if why:
        _note(deployment_id, why, told.get("error", ""))
    return {"status": status, "why": why or told["done"]}


def _test(deployment_id: str) -> str:
    deployment = deployments.get(deployment_id)
    if deployment.is_rollback:
        return "a rollback is never held up by tests"
    function, name, version = deployment.function, deployment.alias, deployment.target
    if not version:
        raise ValueError(f"deployment {deployment_id} has no AppSpec that names a version")
    after = serving.alias(function, name).serves_only(version)
    qualifier = name if after else version
    known = cases.load(deployment.smoke_key)
    count = cases.run(
        function,
        cases.healthy(known) if after else known,
        lambda payload: cases.invoke(function, qualifier, payload),
        f"version {version} of {function}{f' behind alias {name}' if after else ''}",
    )
    return f"{count} smoke cases passed"


def _report(event: dict[str, Any], status: str) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            aws.client("codedeploy").put_lifecycle_event_hook_execution_status(
                deploymentId=event["DeploymentId"],
                lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
                status=status,
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
