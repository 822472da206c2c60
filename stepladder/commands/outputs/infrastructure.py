"""What the tasks about Terraform, images, CI and the local cloud print as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from stepladder.commands.prices import CostRow
from stepladder.core.error_kinds import ErrorKind
from stepladder.images.model import BuiltImage
from stepladder.releases.review import Forecast, PlanFailure
from stepladder.terraform.drift import RootDrift
from stepladder.terraform.events import ResourceChange
from stepladder.terraform.review import RootReview
from stepladder.terraform.saved_plan import Inputs
from stepladder.terraform.upgrade import ProviderUpgrade


class ChangeCounts(TypedDict):
    """How many resources a plan adds, changes, destroys and imports."""

    add: int
    change: int
    destroy: int
    imported: int


@dataclass(frozen=True, kw_only=True)
class PlanManifest(Inputs):
    """A saved plan: what it was made from, and what it would change; never a value. `own` are your own addresses."""

    backend: str
    changed: bool
    changes: tuple[ResourceChange, ...]
    counts: ChangeCounts
    created: str
    id: str
    image_uri: str | None
    needs_image: list[str]
    plan_sha256: str
    own: list[str]
    images: Mapping[str, str] = field(default_factory=dict, metadata={"optional": True})


class NothingDeployed(TypedDict):
    """Before the first deployment there is nothing to plan against."""

    deployed: bool
    why: str


class AppliedChange(TypedDict):
    """One resource that was changed."""

    action: str
    address: str


class AppliedPlan(TypedDict):
    """What `inv tf.apply` did, with the root's outputs."""

    applied: bool
    changes: list[AppliedChange]
    outputs: Mapping[str, Any]
    plan: str


@dataclass(frozen=True, kw_only=True)
class DriftOfRoot(RootDrift):
    """One root. `problem` says why it couldn't be checked."""

    drifted: bool
    problem: str


class DriftCheck(TypedDict):
    """What was changed outside Terraform."""

    drifted: bool
    roots: list[DriftOfRoot]


class ProviderUpgrades(TypedDict):
    """The providers of each root, before and after."""

    providers: list[ProviderUpgrade]


class LayerBlob(TypedDict):
    """A layer of an image, as its manifest names it."""

    digest: str
    mediaType: str
    size: int


class MadeImage(TypedDict):
    """An image that was built and not pushed. An engine's has an id, and gets its digest by the push."""

    architecture: str
    base: str
    size: int
    builder: str
    digest: str | None
    id: str
    layers: list[LayerBlob] | None
    functions: NotRequired[list[str]]


@dataclass(frozen=True, kw_only=True)
class SharedImage(BuiltImage):
    """An image in the registry, and the functions that use it."""

    functions: list[str]


class PostedComment(TypedDict):
    """How a comment or an issue was written: its address, or why it wasn't."""

    how: str
    problem: str
    url: str


class ReviewedEnvironment(TypedDict):
    """An environment's review in a few words."""

    planned: bool
    why: NotRequired[str]
    changes: NotRequired[int]
    destroys: NotRequired[list[str]]
    refused: NotRequired[list[str]]
    release: NotRequired[bool]


class CommentRecord(TypedDict):
    """What `inv ci.comment` wrote."""

    comment: PostedComment
    environments: Mapping[str, ReviewedEnvironment]
    file: str
    fork: bool


class CheckedPart(TypedDict):
    """What one check for drift found in an environment: how much, or why it wasn't made."""

    findings: int
    problem: str


class IssueRecord(TypedDict):
    """What `inv ci.issue` wrote."""

    drifted: list[str]
    environments: Mapping[str, Mapping[str, CheckedPart]]
    issue: PostedComment


class LocationRecord(TypedDict):
    """One account and region of `inv aws.bootstrap`."""

    account: str
    region: str
    environment: str
    plan: str
    problem: str
    state: str


class NotedPrices(TypedDict):
    """Where the prices come from."""

    noted_on: str
    region: str
    sources: list[str]


class BootstrapRecord(TypedDict):
    """What `inv aws.bootstrap` made or would make, what that costs, and the variables that the forge needs."""

    dry_run: bool
    environments: list[str]
    locations: list[LocationRecord]
    makes: list[CostRow]
    monthly_dollars: float
    prices: NotedPrices
    settings: Mapping[str, Mapping[str, Any]]
    variables: list[Mapping[str, Any]]


class IdentityRecord(TypedDict):
    """This job's token beside what each role expects. `equal` are the roles that take it."""

    token: Mapping[str, list[str]] | None
    source: str
    problem: str
    equal: list[str]
    roles: list[Mapping[str, Any]]


class IamRecord(TypedDict):
    """How the local cloud takes IAM, and what it refused lately."""

    mode: str
    denials: list[Mapping[str, Any]]


class CloudHealth(TypedDict):
    """The local cloud that runs on this machine."""

    ready: bool
    pid: int
    version: str
    engine: Any
    url: str
    data: str | None
    speed: float
    iam: str


class ReviewRecord(TypedDict):
    """What `inv tf.plan --review` left: the plans of an environment's roots, and the releases that would follow."""

    schema: int
    environment: str
    commit: str
    roots: list[RootReview]
    early: list[str]
    forecast: Forecast | None
    failure: PlanFailure | None
    run: str
    functions: NotRequired[Mapping[str, Forecast]]


Explain = ErrorKind | list[ErrorKind]
Plan = PlanManifest | NothingDeployed | ReviewRecord
Image = MadeImage | list[MadeImage]
PushedImage = BuiltImage | list[SharedImage]
Outputs = Mapping[str, Any]
Answer = object
