"""Observe a project: read what its promises are checked against, and change nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda import deployments
from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.release_facts import release_of
from stepladder.ledger.schema import Bad, SentCommand
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.observation import (
    Observation,
    ObservedDeployment,
    ObservedExecution,
    ObservedRung,
    PublishedVersion,
)
from stepladder.releases import release_command
from stepladder.releases.rung import Rung

_EXECUTIONS = 20
_RELEASES = 100
_NO_GROUP = ("ApplicationDoesNotExistException", "DeploymentGroupDoesNotExistException")


def observe(
    machine: StateMachine, *, executions: int = _EXECUTIONS, releases: int = _RELEASES, since: float = 0.0
) -> Observation:
    """Observe the ladder's rungs and its newest promotions, those that started `since` (epoch seconds)."""
    rungs = [machine.at(key) for key in machine.targets()]
    with ThreadPoolExecutor(8, thread_name_prefix="observe") as pool:
        listed = machine.executions(limit=executions, may_be_missing=True)
        newer = [one for one in listed if one["startDate"].timestamp() >= since]
        promotions = [pool.submit(observe_execution, machine.sfn, str(one["executionArn"])) for one in newer]
        observed = tuple(pool.map(lambda rung: observe_rung(rung, releases), rungs))
        digests = {entry.digest for rung in observed for entry in rung.releases}
        marks: dict[str, Bad] = {}
        for rung in reversed(machine.representatives):  # the primary location's mark is the one that is shown
            marks |= rung.ledger.marks(digests)
        return Observation(observed, tuple(promotion.result() for promotion in promotions), marks)


def observe_execution(sfn: Any, arn: str) -> ObservedExecution:
    """Observe one execution; `sfn` is the client of Step Functions."""
    return as_observed(sfn.describe_execution(executionArn=arn))


def as_observed(described: Mapping[str, Any]) -> ObservedExecution:
    """Return what an answer of DescribeExecution says of an execution."""
    begun: Mapping[str, Any] = json.loads(described.get("input") or "{}")
    output = json.loads(described.get("output") or "null") or []
    targets = [target for rung in output for target in rung["targets"]]
    return ObservedExecution(
        arn=str(described["executionArn"]),
        status=str(described["status"]),
        release_id=str(begun.get("release_id", "")),
        digest=str(begun.get("digest", "")),
        error=str(described.get("error", "")),
        force=bool(begun.get("force", False)),
        rungs=tuple(tuple(t["environment"] for t in rung["targets"]) for rung in begun.get("rungs", ())),
        outcomes=tuple(str(target["outcome"]) for target in targets),
        ended={str(target["environment"]): str(target["outcome"]) for target in targets or _ended(described)},
    )


def _ended(described: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the targets of the last rung, of which the cause of a promotion's own end says how they ended."""
    try:
        targets = json.loads(described.get("cause") or "[]")
    except ValueError:  # somebody else's words
        return []
    return [one for one in targets if isinstance(one, dict) and "outcome" in one] if isinstance(targets, list) else []


def observe_rung(rung: Rung, releases: int = _RELEASES) -> ObservedRung:
    """Observe one target; without a function it has nothing but its ledger."""
    snapshot = rung.ledger.snapshot(rung.target)
    alias = aliases.read(rung.lambda_client, rung.names.function)
    entries = tuple(rung.ledger.history(rung.target, limit=releases)) if snapshot.exists else ()
    return ObservedRung(
        environment=rung.target,
        version=alias.version if alias else "",
        weights=dict(alias.weights) if alias else {},
        versions=_versions(rung) if alias else {},
        lock=snapshot.lock,
        current=snapshot.current,
        releases=entries,
        deployments=_deployments(rung),
        commands=_commands(rung) if snapshot.exists else (),
    )


def _commands(rung: Rung) -> tuple[SentCommand, ...]:
    """Read the release commands that were sent, where the project has one."""
    if not release_command.of(rung.settings, rung.environment):
        return ()
    return tuple(run for _, run in rung.ledger.command_runs(rung.target))


def _versions(rung: Rung) -> dict[str, PublishedVersion]:
    """Read the published versions. An image function's CodeSha256 is its image's digest."""
    versions = {}
    for state in rung.function.versions():
        digest = state.digest or (f"sha256:{state.code_sha256}" if state.package_type == "Image" else "")
        versions[state.version] = PublishedVersion(digest, release_of(state.description))
    return versions


def _deployments(rung: Rung) -> tuple[ObservedDeployment, ...]:
    client = rung.aws.client("codedeploy")
    try:
        active = deployments.active(client, rung.names.codedeploy_application, names.ALIAS)
    except Exception as error:
        if error_code(error) in _NO_GROUP:
            return ()
        raise
    return tuple(_deployment(client, one) for one in active)


def _deployment(client: Any, deployment: str) -> ObservedDeployment:
    info = client.get_deployment(deploymentId=deployment)["deploymentInfo"]
    undoes = (info.get("rollbackInfo") or {}).get("rollbackTriggeringDeploymentId")
    return ObservedDeployment(deployment, "" if undoes else release_of(str(info.get("description", ""))))
