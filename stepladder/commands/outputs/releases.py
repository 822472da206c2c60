"""What the tasks about releases and the ledger print as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from stepladder.commands.drift_report import DriftFinding
from stepladder.commands.promote import PromotionRecord
from stepladder.commands.secrets import SecretRecord
from stepladder.commands.status import RungStatus
from stepladder.commands.unlock import HeldLock
from stepladder.ledger.schema import ReleaseEntry, SentCommand
from stepladder.releases.live_smoke import SmokeRecord
from stepladder.releases.report import DeployReport
from stepladder.releases.rollback_plan import RollbackReport


@dataclass(frozen=True, kw_only=True)
class DeployedFunction(DeployReport):
    """One function of a deploy of several. The project's own one has an empty name."""

    name: str


class DeployedFunctions(TypedDict):
    """A deploy of several functions. `result` is the first that any has of released, applied, tested, unchanged."""

    environment: str
    result: str
    release_id: str
    functions: list[DeployedFunction]


@dataclass(frozen=True, kw_only=True)
class ReturnedFunction(RollbackReport):
    """One function of a rollback of several. The project's own one has an empty name."""

    name: str


class ReturnedFunctions(TypedDict):
    """A rollback of several functions."""

    environment: str
    result: str
    functions: list[ReturnedFunction]


@dataclass(frozen=True, kw_only=True)
class FunctionStatus(RungStatus):
    """One function of a rung, in a project with several."""

    rung: str
    function: str


@dataclass(frozen=True)
class CheckedEnvironment:
    """What `--check` found in one environment. `drifted` says whether it found anything."""

    environment: str
    findings: tuple[DriftFinding, ...]
    under_way: str
    released: bool
    problem: str
    drifted: bool


class StatusCheck(TypedDict):
    """What `inv status --check` prints: of each rung whether it serves what the ledger says."""

    drifted: bool
    environments: list[CheckedEnvironment]


class EnvironmentLocks(TypedDict):
    """The locks of an environment; none of them holds a run up."""

    environment: str
    locks: list[HeldLock]


class RemovedLock(TypedDict):
    """The lock that was removed, by its id."""

    environment: str
    removed: str


class AuditedPromise(TypedDict):
    """One promise: whether the promotion's history holds it (held, violated or unknown), and what shows that."""

    number: int
    kind: str
    sentence: str
    state: str
    seen: list[str]


class PromotionAudit(TypedDict):
    """A promotion beside its promises."""

    execution_arn: str
    name: str
    release_id: str
    end: str
    steps: int
    environments: list[str]
    promises: list[AuditedPromise]


class PlannedRoot(TypedDict):
    """A Terraform root that a promotion would apply first."""

    environment: str
    root: str
    plan: str


class PlannedTarget(TypedDict):
    """What a target of a rung would get: unchanged, first release or release, and how traffic would move."""

    environment: str
    action: str
    shift: str
    bake_minutes: int
    compares: NotRequired[Any]
    bake_requests: NotRequired[int]


class PlannedRung(TypedDict):
    """A rung of a promotion that would be started."""

    name: str
    approval: bool
    targets: list[PlannedTarget]


class PlannedPromotion(TypedDict):
    """What `inv promote --dry-run` would do."""

    outcome: str
    how: str
    digest: str
    infrastructure: list[PlannedRoot]
    rungs: list[PlannedRung]


class PrunedImages(TypedDict):
    """What `inv image.prune` deleted. `kept` counts the images that stay, by why; `to_delete` is of a dry run."""

    environment: str
    repository: str
    result: str
    deleted: list[str]
    kept: Mapping[str, int]
    keep: int
    bytes: int
    to_delete: NotRequired[list[str]]


Deploy = DeployReport | DeployedFunctions
Rollback = RollbackReport | ReturnedFunctions
Smoke = SmokeRecord
Secrets = list[SecretRecord]
Status = list[RungStatus] | list[FunctionStatus] | StatusCheck
Releases = list[ReleaseEntry]
Commands = list[SentCommand] | SentCommand
Unlock = EnvironmentLocks | RemovedLock
Promote = PromotionRecord | PlannedPromotion
