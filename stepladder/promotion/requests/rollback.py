"""What the rollback function is sent, by the state machine, EventBridge and `inv promote`, and what it answers."""

from typing import Literal, NotRequired, TypedDict, final

from stepladder.promotion.contract import ReleaseInput, ShiftProgress, TargetInput, TargetOutcome


@final
class RestoreRequest(TypedDict):
    """Put the alias back on the version before."""

    action: Literal["restore"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    version: str
    previous_version: str


class RestoreResponse(TypedDict):
    """Whether traffic had moved, and what is known of the deployment.

    `cause` is CodeDeploy's own; `blames_version` says that the version failed in traffic.
    """

    moved: bool
    deployment_id: str
    cause: str
    blames_version: bool


@final
class ReleaseFirstRequest(TypedDict):
    """Move an alias that never served a release to its first version."""

    action: Literal["release_first"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    version: str


@final
class MoveTrafficRequest(TypedDict):
    """Give the new version the width that the progress names, all of it or a share. `at` is the promotion's time."""

    action: Literal["shift"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    version: str
    previous_version: str
    shifted: ShiftProgress
    at: str


@final
class RecoverRequest(TypedDict):
    """Recover an execution that has ended without doing so itself.

    The state machine names its own `release`, `targets` and `cause`. Without them all are read from the execution;
    `brief` asks for a short attempt.
    """

    action: Literal["settle"]
    execution_arn: str
    brief: NotRequired[bool]
    release: NotRequired[ReleaseInput]
    targets: NotRequired[list[TargetInput]]
    cause: NotRequired[str]


class RecoverResponse(TypedDict):
    """How each target ended; none while the execution still runs."""

    settled: list[TargetOutcome]


class EndedExecution(TypedDict):
    """The detail of EventBridge's "Step Functions Execution Status Change"."""

    executionArn: str


@final
class EndedEvent(TypedDict):
    """EventBridge's event that an execution has ended."""

    detail: EndedExecution
