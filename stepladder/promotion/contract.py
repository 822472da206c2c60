"""The contract of a promotion: what its execution is started with, and how its targets end.

`ladder` builds the execution's input from these shapes. The state machine's definition reads them: a test compares
each of its references with the keys here and in `requests`. The pipeline's functions take and return them: their
deployment packages carry these files, which import only the standard library and each other.

Executions that began under an older release still send what that release sent. A key may be added here as
`NotRequired`; none is renamed or removed.
"""

import hashlib
from typing import Any, Literal, NotRequired, Protocol, TypedDict

CHILD_POLL_SECONDS = 5
"""For how long the relay waits for news of a child at each poll: a Wait state can't be shorter than a second."""

TargetResult = Literal["succeeded", "unchanged", "untouched", "failed", "rolled_back", "rollback_failed", "cut_off"]
"""How a target ended. `untouched`: the promotion never came to it. `cut_off`: its child execution was stopped."""

ENDS = {"RefusedBeforeTraffic": "refused", "RolledBack": "rolled_back", "RollbackFailed": "rollback_failed"}
"""The errors with which an execution ends itself, and the outcome of the promotion that each stands for."""
CUT_OFF = ("ABORTED", "TIMED_OUT")
"""The statuses of an execution that something outside ended; the next command brings it to an end."""


class LocationInput(TypedDict):
    """The account and region of a target in another location, and how its child execution is polled.

    There are `look_seconds` between two polls. After `max_looks` polls the child is ended.
    """

    account: str
    region: str
    look_seconds: int
    max_looks: int


class CommandInput(TypedDict):
    """The release command of a target: its name, its part of the event, the seconds that its answer is waited for."""

    name: str
    event: dict[str, Any]
    wait_seconds: int


class TargetRelease(TypedDict):
    """What a target releases instead of the execution's own image and smoke cases: those of another function."""

    digest: str
    git_commit: str
    input_key: str
    smoke_key: str
    untested: str


class CanaryInput(TypedDict):
    """What the comparison of two versions tolerates: percentage points more errors, so many times the old p99."""

    error_rate: float
    p99: float
    minimum_requests: int


class ShiftInput(TypedDict):
    """A shift by the state machine itself: `widths` in percent, each kept for `seconds`; the last one is 100.

    A width stays for up to `limit_seconds` without a judgement. Then `inconclusive` says what ends it. An answer is
    waited for `ask_seconds`, with `ask_poll_seconds` between two polls. The version bakes for `bake_seconds`, or until
    it had `bake_requests`. Without a `canary` nothing is compared.
    """

    widths: list[int]
    seconds: list[int]
    limit_seconds: int
    bake_seconds: int
    bake_requests: int
    inconclusive: Literal["ask", "restore"]
    ask_seconds: int
    ask_poll_seconds: NotRequired[int]
    max_polls: int
    canary: NotRequired[CanaryInput]


class ShiftProgress(TypedDict):
    """How far a shift by the state machine itself is: which width, since when, and what is to be done next.

    `step` counts the widths from 0 on, `polls` all polls. `began` and `moved` are the times of the first move and of
    the last one, `moves` those of all, `questioned` that of a question to a person, empty for none; `wait` is in
    seconds. `why` says what a judgement is based on.
    """

    step: int
    polls: int
    began: str
    moved: str
    moves: NotRequired[list[str]]
    questioned: str
    wait: int
    move: Literal["wait", "widen", "ask", "verify"]
    why: str


class TargetInput(TypedDict):
    """One function in one environment of a rung: everything that releases it.

    `environment` is the target's key: the environment, with the function's name when it has one (`names.target_key`).
    A target with an image or smoke cases of its own has a `release`, one with a release command a `command`, and one
    whose traffic the state machine moves itself a `shift`. One of many begins `begins_after` seconds later than the
    first. `during_freeze` is the reason to release although the environment is frozen.

    `lock_seconds` is the lease of its lock, `max_polls` and `bake_polls` count polls of `poll_seconds`. Only a target
    in another location has a `place` and `verdict_seconds`, for which its child waits for the decision.
    """

    environment: str
    function: str
    alias: str
    image_uri: str
    application: str
    deployment_group: str
    deployment_config: str
    poll_seconds: int
    max_polls: int
    bake_polls: int
    probe_requests: int
    lock_seconds: int
    begins_after: NotRequired[int]
    command: NotRequired[CommandInput]
    place: NotRequired[LocationInput]
    release: NotRequired[TargetRelease]
    shift: NotRequired[ShiftInput]
    during_freeze: NotRequired[str]
    verdict_seconds: NotRequired[int]


class RungInput(TypedDict):
    """One rung: its targets are released together. Only a child's one rung has `verdict_seconds`."""

    name: str
    approval: bool
    approval_seconds: int
    targets: list[TargetInput]
    verdict_seconds: NotRequired[int]


class _Promoted(TypedDict):
    """What is promoted: the same keys in an execution's input and in its states.

    `smoke_key` names the bundle of smoke cases in the artifacts bucket, empty without one. `untested` is then the
    ledger's remark.
    """

    digest: str
    git_commit: str
    requested_by: str
    input_key: str
    smoke_key: str
    untested: str
    hotfix: bool
    force: bool


class ExecutionInput(_Promoted):
    """The input of an execution. `parent` is the ARN of the execution that started this child."""

    release_id: str
    rungs: list[RungInput]
    parent: NotRequired[str]


class ReleaseInput(_Promoted):
    """What is promoted, as every state below the first Map has it under `release`."""

    id: str


class CaughtError(TypedDict):
    """An error that a state caught, as Step Functions writes it."""

    Error: str
    Cause: str


class RungDecision(TypedDict):
    """The decision to keep or undo the released targets of a rung, with the reason to undo them."""

    word: Literal["keep", "undo"]
    error: str
    cause: str


class TargetOutcome(TypedDict):
    """How one target ended: in the execution's output, in its cause, and in what `recover` answers."""

    environment: str
    outcome: TargetResult
    error: str
    cause: str


class RungOutcome(TypedDict):
    """One rung of the output of an execution that succeeded."""

    rung: str
    targets: list[TargetOutcome]


class AliasServes(TypedDict):
    """What the alias serves, as people read it."""

    serves: str


class Context(Protocol):
    """The part of Lambda's context that the functions use."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds for which the invocation may still run."""
        ...


def release_of(release: ReleaseInput, target: TargetInput) -> ReleaseInput:
    """Return what is released on a target: its own image and smoke cases, or the execution's."""
    own = target.get("release")
    if not own:
        return release
    return {
        "id": release["id"],
        "digest": own["digest"],
        "git_commit": own["git_commit"],
        "requested_by": release["requested_by"],
        "input_key": own["input_key"],
        "smoke_key": own["smoke_key"],
        "untested": own["untested"],
        "hotfix": release["hotfix"],
        "force": release["force"],
    }


def child_name(execution_arn: str, environment: str) -> str:
    """Name the execution by which another location releases a target for a parent execution.

    A name has at most 80 characters, which the key of a named function may exceed: then the hash distinguishes it.
    """
    subject = execution_arn if "-" not in environment else f"{execution_arn}/{environment}"
    return f"{environment[:39]}-{hashlib.sha256(subject.encode()).hexdigest()[:40]}"
