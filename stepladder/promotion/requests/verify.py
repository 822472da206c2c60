"""What the verify function is sent, by the state machine and by CodeDeploy, and what it answers."""

from typing import Literal, TypedDict, final

from stepladder.promotion.contract import ReleaseInput, ShiftProgress, TargetInput


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
class CommandRequest(TypedDict):
    """Send the release command to a version. `same_image` says that the alias serves the image already."""

    action: Literal["command"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    version: str
    same_image: bool


class CommandResponse(TypedDict):
    """How the command stands, empty where it was never sent, and whether it ran now."""

    outcome: str
    ran: bool


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
class JudgeRequest(TypedDict):
    """Judge a version by its synthetic traffic, the alarms and the metrics of both; say what follows."""

    action: Literal["judge"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    version: str
    previous_version: str
    shifted: ShiftProgress
    at: str


@final
class RestoredRequest(TypedDict):
    """Check that the alias serves what it served before."""

    action: Literal["restored"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    version: str
    previous_version: str


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
