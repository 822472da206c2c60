"""What the validate function is sent, and what it answers."""

from typing import Literal, NotRequired, TypedDict

from stepladder.promotion.contract import ReleaseInput, TargetInput


class CheckRequest(TypedDict):
    """Check whether the digest may be released on all targets of a rung; nothing is locked. `now` is an ISO time."""

    action: Literal["check"]
    execution_arn: NotRequired[str]
    release: ReleaseInput
    targets: list[TargetInput]
    now: NotRequired[str]


class CheckResponse(TypedDict):
    """Whether every target serves the digest already."""

    unchanged: bool


class ValidateRequest(TypedDict):
    """Lock one target and check whether the digest may be released on it. `now` is an ISO time."""

    action: Literal["validate"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput
    now: NotRequired[str]


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
