"""What each function of the pipeline is sent, and what it answers, action by action.

The state machine sends most of these, the relay and `inv promote` the others (see `contract`).
"""

from typing import Literal, NotRequired, Protocol, TypedDict, final

from stepladder.promotion.contract import ReleaseInput, TargetInput, TargetOutcome
from stepladder.promotion.relay_requests import (
    AnswerChildRequest,
    CheckTargetRequest,
    ChildState,
    EndChildRequest,
    PollChildRequest,
    Served,
    ServedRequest,
    StartChildRequest,
    StartChildResponse,
)


class CheckRequest(TypedDict):
    """Check whether the digest may be released on all targets of a rung; nothing is locked."""

    action: Literal["check"]
    execution_arn: NotRequired[str]
    release: ReleaseInput
    targets: list[TargetInput]


class CheckResponse(TypedDict):
    """Whether every target serves the digest already."""

    unchanged: bool


class ValidateRequest(TypedDict):
    """Lock one target and check whether the digest may be released on it."""

    action: Literal["validate"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput


class TargetFacts(TypedDict):
    """What Validate saw of a target. `replaces` is the version before, empty for a first release.

    `configuration` is the hash of what a new version would freeze besides its image; `description` is written into that
    version.
    """

    configuration: str
    previous_version: str
    replaces: str
    unchanged: bool
    same_image: bool
    description: str


class UpdateRequest(TypedDict):
    """Give the function its image."""

    action: Literal["update"]
    execution_arn: str
    target: TargetInput


class UpdateResponse(TypedDict):
    """The hash of the image, as Lambda writes it."""

    sha256: str


class UpdatedRequest(TypedDict):
    """Wait until the function has taken its image, with the configuration that Validate saw."""

    action: Literal["updated"]
    execution_arn: str
    target: TargetInput
    configuration: str
    sha256: str


class UpdatedResponse(TypedDict):
    """The revision of $LATEST after its update."""

    revision: str


class PublishRequest(TypedDict):
    """Publish $LATEST as a version, if it is still that code and revision."""

    action: Literal["publish"]
    execution_arn: str
    target: TargetInput
    description: str
    revision: str
    sha256: str


class PublishResponse(TypedDict):
    """The version's number."""

    version: str


class ActiveRequest(TypedDict):
    """Wait until a version can be invoked."""

    action: Literal["active"]
    execution_arn: str
    target: TargetInput
    version: str


class ActiveResponse(TypedDict):
    """The version's state, as Lambda names it."""

    state: Literal["Active"]


class DeployedRequest(TypedDict):
    """Wait until a deployment ends or moves the first traffic."""

    action: Literal["deployed"]
    execution_arn: str
    target: TargetInput
    deployment_id: str
    version: str
    previous_version: str


class DeployedResponse(TypedDict):
    """The deployment's status, as CodeDeploy names it."""

    status: str


@final
class VersionRequest(TypedDict):
    """Run the smoke cases on a version by its number."""

    action: Literal["version"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    version: str


class VersionResponse(TypedDict):
    """How many smoke cases passed."""

    cases: int


@final
class AliasRequest(TypedDict):
    """Read the alias back and run the smoke cases through it; `unchanged` for a target that needed no release."""

    action: Literal["alias", "unchanged"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    version: str


class AliasResponse(TypedDict):
    """How many smoke cases passed, and the revision of the alias that was verified."""

    cases: int
    alias_revision: str


@final
class ProbeRequest(TypedDict):
    """Send synthetic traffic through the alias. `baked` counts the polls since all traffic has shifted."""

    action: Literal["probe"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    version: str
    previous_version: str
    baked: int


class ProbeResponse(TypedDict):
    """How many requests the new version answered, and how many of those badly."""

    samples: int
    bad: int


@final
class RestoredRequest(TypedDict):
    """Check that the alias serves what it served before."""

    action: Literal["restored"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    version: str
    previous_version: str


class AliasServes(TypedDict):
    """What the alias serves, for a person."""

    serves: str


@final
class HookRequest(TypedDict):
    """A lifecycle event of CodeDeploy.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
    """

    DeploymentId: str
    LifecycleEventHookExecutionId: str


class HookResponse(TypedDict):
    """What CodeDeploy was answered, and why."""

    status: Literal["Succeeded", "Failed"]
    why: str


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


class Context(Protocol):
    """What the functions use of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still run."""
        ...


ACTIONS: dict[str, dict[str, tuple[type, type]]] = {
    "validate": {
        "check": (CheckRequest, CheckResponse),
        "validate": (ValidateRequest, TargetFacts),
        "update": (UpdateRequest, UpdateResponse),
        "updated": (UpdatedRequest, UpdatedResponse),
        "publish": (PublishRequest, PublishResponse),
        "active": (ActiveRequest, ActiveResponse),
        "deployed": (DeployedRequest, DeployedResponse),
    },
    "verify": {
        "version": (VersionRequest, VersionResponse),
        "alias": (AliasRequest, AliasResponse),
        "unchanged": (AliasRequest, AliasResponse),
        "probe": (ProbeRequest, ProbeResponse),
        "restored": (RestoredRequest, AliasServes),
    },
    "rollback": {
        "restore": (RestoreRequest, RestoreResponse),
        "release_first": (ReleaseFirstRequest, AliasServes),
        "settle": (RecoverRequest, RecoverResponse),
    },
    "relay": {
        "check": (CheckTargetRequest, CheckResponse),
        "end": (EndChildRequest, ChildState),
        "look": (PollChildRequest, ChildState),
        "runs": (ServedRequest, Served),
        "start": (StartChildRequest, StartChildResponse),
        "tell": (AnswerChildRequest, ChildState),
    },
}
"""Every action of every function of the pipeline: its request and its response."""
