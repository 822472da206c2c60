"""Run a Lambda deployment: hooks, traffic by the configuration, alarms, stop, rollback as a second deployment.

https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-steps-lambda.html
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Protocol

from localcloud.callers import ServiceCaller
from localcloud.cloud import Cloud, ServiceError
from localcloud.events import emit
from localcloud.services.codedeploy import alarms
from localcloud.services.codedeploy.model import (
    ACTIVE,
    AppSpec,
    AppSpecError,
    Deployment,
    DeploymentFailure,
    LifecycleEvent,
    content_of,
    failed,
    new_id,
    read_appspec,
    steps_of,
)

HOOK_SECONDS = 3600.0
ALARM_POLL = 5.0  # cloud seconds
MESSAGE = (
    "The deployment failed because the AppSpec file that specifies the AWS Lambda deployment configuration is missing"
)
MESSAGE += " or has an invalid configuration. "


class DeploymentStore(Protocol):
    """What the engine asks of the service."""

    lock: Any

    def group(self, deployment: Deployment) -> dict[str, Any]:
        """Return the deployment's group as it is now."""

    def caller(self, deployment: Deployment) -> ServiceCaller | None:
        """Return the service role with which CodeDeploy calls, or None when the group is gone."""

    def route(self, deployment: Deployment) -> dict[str, Any]:
        """Return the traffic routing of the deployment's configuration."""

    def add(self, deployment: Deployment) -> None:
        """Keep a deployment."""


class DeploymentEngine:
    """Runs each deployment on a thread of its own."""

    def __init__(self, cloud: Cloud, store: DeploymentStore) -> None:
        self._cloud = cloud
        self._store = store

    def start(self, deployment: Deployment) -> None:
        """Run a deployment in the background."""
        threading.Thread(
            target=self._guard, args=(deployment,), daemon=True, name=f"deployment-{deployment.id}"
        ).start()

    def fail_interrupted(self, deployment: Deployment) -> None:
        """End a deployment whose cloud was restarted under it, as an internal error of CodeDeploy would."""
        self._end(deployment, failed("INTERNAL_ERROR", "The local cloud was restarted during the deployment."))

    def finish_hook(self, deployment: Deployment, token: str, status: str) -> None:
        """Take a hook's result."""
        for event in deployment.events:
            if event.token == token and event.token:
                if event.status != "InProgress":
                    raise ServiceError("LifecycleEventAlreadyCompletedException", "The lifecycle event is completed")
                event.status = status
                event.end = self._cloud.clock.utcnow()
                return
        raise ServiceError("InvalidLifecycleEventHookExecutionIdException", "The lifecycle event hook id is invalid")

    def _guard(self, deployment: Deployment) -> None:
        failure: DeploymentFailure | None = None
        try:
            self._run(deployment)
        except DeploymentFailure as deployment_failure:
            failure = deployment_failure
        except ServiceError as error:
            failure = failed("INVALID_LAMBDA_FUNCTION", f"{error.code}: {error.message}")
        except Exception:  # noqa: BLE001 - a bug must not leave a deployment in progress for ever
            traceback.print_exc(file=sys.stderr)
            failure = failed("INTERNAL_ERROR", "The local cloud broke; its log has the traceback.")
        self._end(deployment, failure)

    def _run(self, deployment: Deployment) -> None:
        clock = self._cloud.clock
        self._check_stop(deployment)
        deployment.status, deployment.started = "InProgress", clock.utcnow()
        self._publish(deployment)
        try:
            spec = deployment.spec = read_appspec(content_of(deployment.revision))
        except AppSpecError as error:
            raise failed("INVALID_LAMBDA_CONFIGURATION", MESSAGE + str(error)) from error
        is_rollback = deployment.creator == "codeDeployRollback"
        steps = [(1.0, 0.0)] if is_rollback else steps_of(self._store.route(deployment))
        if not is_rollback:
            self._check_spec(deployment, spec, steps)
            deployment.begun = True
            self._check_alarms(deployment)
        self._hook(deployment, deployment.events[0])
        self._with_event(deployment, deployment.events[1], lambda: self._shift(deployment, spec, steps))
        self._hook(deployment, deployment.events[2])
        if not is_rollback:
            self._check_alarms(deployment)

    def _check_spec(self, deployment: Deployment, spec: AppSpec, steps: list[tuple[float, float]]) -> None:
        alias = self._lambda(deployment, "GetAlias", FunctionName=spec.function, Name=spec.alias)
        if (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights"):
            raise failed(
                "INVALID_LAMBDA_CONFIGURATION", MESSAGE + "The Lambda function alias has weights on another version."
            )
        if alias["FunctionVersion"] != spec.current:
            raise failed(
                "INVALID_LAMBDA_CONFIGURATION",
                MESSAGE + "The Lambda function alias version does not match the current version in AppSpec file.",
            )
        if spec.current == spec.target and len(steps) > 1:
            raise failed("INVALID_LAMBDA_CONFIGURATION", MESSAGE.strip())  # AWS says no more (terraform-aws-lambda#82)
        if "$LATEST" in (spec.current, spec.target) and len(steps) > 1:
            raise failed("INVALID_LAMBDA_CONFIGURATION", MESSAGE + "Traffic can't be shifted from or to $LATEST.")
        self._lambda(deployment, "GetFunctionConfiguration", FunctionName=spec.function, Qualifier=spec.target)

    def _shift(self, deployment: Deployment, spec: AppSpec, steps: list[tuple[float, float]]) -> None:
        for weight, seconds in steps:
            if weight < 1:
                self._route(deployment, spec.current, {spec.target: weight})
            else:
                self._route(deployment, spec.target, {})
            deployment.weight, deployment.updated = weight, self._cloud.clock.utcnow()
            self._wait(deployment, seconds)

    def _wait(self, deployment: Deployment, seconds: float) -> None:
        """Wait, looking at alarms and for a stop request."""
        clock = self._cloud.clock
        deadline = clock.now() + seconds
        while True:
            self._check_stop(deployment)
            self._check_alarms(deployment)
            left = deadline - clock.now()
            if left <= 0:
                return
            clock.sleep(min(left, max(ALARM_POLL, 0.02 * clock.speed)), cancel=deployment.wake)

    def _route(self, deployment: Deployment, version: str, weights: dict[str, float]) -> None:
        spec = deployment.spec
        assert spec is not None  # noqa: S101 - set before traffic moves
        self._lambda(
            deployment,
            "UpdateAlias",
            FunctionName=spec.function,
            Name=spec.alias,
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": weights},
        )

    def _with_event(self, deployment: Deployment, event: LifecycleEvent, work: Callable[[], None]) -> None:
        event.status, event.start = "InProgress", self._cloud.clock.utcnow()
        deployment.updated = event.start
        try:
            work()
        except (DeploymentFailure, ServiceError) as error:
            event.status, event.end = "Failed", self._cloud.clock.utcnow()
            event.message = str(error)
            raise
        event.status, event.end = "Succeeded", self._cloud.clock.utcnow()

    def _hook(self, deployment: Deployment, event: LifecycleEvent) -> None:
        function = deployment.spec.hooks.get(event.name) if deployment.spec else None
        if not function:
            event.status = "Succeeded"
            event.start = event.end = self._cloud.clock.utcnow()
            return
        self._with_event(deployment, event, lambda: self._call_hook(deployment, event, function))

    def _call_hook(self, deployment: Deployment, event: LifecycleEvent, function: str) -> None:
        clock = self._cloud.clock
        token = json.dumps({"deploymentId": deployment.id, "event": event.name, "nonce": new_id()})
        event.token = base64.b64encode(token.encode()).decode()
        payload = {"DeploymentId": deployment.id, "LifecycleEventHookExecutionId": event.token}
        try:
            self._lambda(
                deployment,
                "Invoke",
                FunctionName=function,
                InvocationType="Event",
                Payload=json.dumps(payload).encode(),
            )
        except ServiceError as error:
            raise failed(
                "HOOK_EXECUTION_FAILURE", f"The hook {function} can't be invoked: {error.code}: {error.message}"
            ) from error
        deadline = clock.now() + HOOK_SECONDS
        checked = clock.now()
        while event.status == "InProgress":
            self._check_stop(deployment)
            if clock.now() - checked >= ALARM_POLL:
                checked = clock.now()
                self._check_alarms(deployment)
            if clock.now() >= deadline:
                raise failed(
                    "HOOK_EXECUTION_FAILURE", f"The {event.name} hook {function} did not report within an hour."
                )
            time.sleep(0.01)
        if event.status != "Succeeded":
            raise failed("HOOK_EXECUTION_FAILURE", f"One or more of the lifecycle event hooks failed: {event.name}.")

    def _check_stop(self, deployment: Deployment) -> None:
        if deployment.stop_requested:
            raise DeploymentFailure(
                "Stopped", "MANUAL_STOP", "The deployment was stopped on request.", "DEPLOYMENT_STOP_ON_REQUEST"
            )

    def _check_alarms(self, deployment: Deployment) -> None:
        alarms.check(self._cloud, deployment, self._store.group(deployment), self._store.caller(deployment))

    def _end(self, deployment: Deployment, failure: DeploymentFailure | None) -> None:
        """Close a deployment, and start its rollback in the same breath: no other may come between."""
        with self._store.lock:
            deployment.completed = deployment.updated = self._cloud.clock.utcnow()
            if failure is None:
                deployment.status = "Succeeded"
            else:
                for event in deployment.events:
                    if event.status == "Pending":
                        event.status = "Skipped"
                deployment.error = {"code": failure.code, "message": failure.message}
                self._roll_back(deployment, failure)
                deployment.status = failure.status
        self._publish(deployment)
        if deployment.creator == "codeDeployRollback" and failure:
            sys.stderr.write(f"the rollback {deployment.id} failed: {failure.message}\n")

    def _publish(self, deployment: Deployment) -> None:
        detail = {
            "application": deployment.application,
            "deploymentGroup": deployment.group,
            "deploymentId": deployment.id,
            "region": deployment.region,
            "state": {"Succeeded": "SUCCESS", "Failed": "FAILURE", "Stopped": "STOP"}.get(deployment.status, "START"),
        }
        kind = "CodeDeploy Deployment State-change Notification"
        emit(self._cloud, "aws.codedeploy", kind, detail, region=deployment.region, account=deployment.account)

    def _roll_back(self, deployment: Deployment, failure: DeploymentFailure) -> None:
        auto_rollback = deployment.auto_rollback or self._store.group(deployment).get("autoRollbackConfiguration") or {}
        enabled = bool(auto_rollback.get("enabled")) and failure.event in (auto_rollback.get("events") or ())
        if failure.event == "DEPLOYMENT_STOP_ON_REQUEST" and deployment.stop_rollback is not None:
            enabled = deployment.stop_rollback
        if deployment.creator == "codeDeployRollback" or deployment.spec is None or not deployment.begun or not enabled:
            return
        rollback = Deployment(
            id=new_id(),
            account=deployment.account,
            region=deployment.region,
            application=deployment.application,
            group=deployment.group,
            config="CodeDeployDefault.LambdaAllAtOnce",
            revision=deployment.spec.reversed().revision(),
            description=f"Rollback of {deployment.id}",
            creator="codeDeployRollback",
            created=self._cloud.clock.utcnow(),
            rollback={"rollbackTriggeringDeploymentId": deployment.id},
        )
        message = f"Deployment {deployment.id} is rolled back by {rollback.id}: {failure.message}"
        deployment.rollback = {"rollbackDeploymentId": rollback.id, "rollbackMessage": message}
        self._store.add(rollback)
        self.start(rollback)

    def _lambda(self, deployment: Deployment, action: str, **params: Any) -> dict[str, Any]:
        return self._call(deployment, "lambda", action, **params)

    def _call(self, deployment: Deployment, service: str, action: str, **params: Any) -> dict[str, Any]:
        # CodeDeploy's own policies have no GetFunctionConfiguration: it reads versions by itself
        caller = None if action == "GetFunctionConfiguration" else self._store.caller(deployment)
        where = {"region": deployment.region, "account": deployment.account}
        return self._cloud.call_as(caller, service, action, params, **where)


def is_active(deployment: Deployment) -> bool:
    """Say whether a deployment is still under way."""
    return deployment.status in ACTIVE
