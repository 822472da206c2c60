"""What the relay is sent about targets in other locations and their child executions, and what it answers."""

from typing import Literal, TypedDict

from stepladder.promotion.contract import CaughtError, ReleaseInput, RungDecision, TargetInput, TargetResult

ChildPhase = Literal["climbing", "waiting", "ended"]
"""How far a child execution is. `waiting`: it has released, and waits for its parent's decision."""


class EnvironmentOnly(TypedDict):
    """A target of which only the environment is given."""

    environment: str


class StartChildRequest(TypedDict):
    """Start the child execution of a target in another location."""

    action: Literal["start"]
    execution_arn: str
    release: ReleaseInput
    target: TargetInput


class StartChildResponse(TypedDict):
    """The child's ARN."""

    execution_arn: str


class PollChildRequest(TypedDict):
    """Poll the child."""

    action: Literal["look"]
    execution_arn: str
    target: TargetInput


class AnswerChildRequest(TypedDict):
    """Give the child its decision."""

    action: Literal["tell"]
    execution_arn: str
    target: TargetInput
    verdict: RungDecision


class EndChildRequest(TypedDict):
    """Stop the child and recover what it left; one that has ended is only read.

    `appears` is for how many seconds a child that doesn't show yet is polled. `unwritten` is the outcome of a
    target that the child never came to.
    """

    action: Literal["end"]
    execution_arn: str
    target: TargetInput
    why: CaughtError
    appears: float
    unwritten: TargetResult


class ChildState(TypedDict):
    """How far a child is; once it has ended, how its target did."""

    state: ChildPhase
    outcome: TargetResult | Literal[""]
    error: str
    cause: str


class CheckTargetRequest(TypedDict):
    """Check whether the digest may be released on a target in another location."""

    action: Literal["check"]
    release: ReleaseInput
    target: TargetInput


class ServedRequest(TypedDict):
    """Read which image an environment in another location serves."""

    action: Literal["runs"]
    target: EnvironmentOnly


class Served(TypedDict):
    """The digest that an alias serves, empty before the first release; `whole` when it gets all traffic."""

    digest: str
    whole: bool
