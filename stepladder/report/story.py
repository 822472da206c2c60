"""The story of a release or a promotion: plain facts, as they were read. Nothing in it calls AWS or guesses.

Times are seconds since the epoch by the clock of whoever wrote them: the execution's, the ledger's or CloudWatch's.
What could not be read is in `unknown`, as sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stepladder.images.comparison import ContentsDiff
from stepladder.ledger.schema import Bad, Holder, ReleaseEntry, SentCommand

RUNNING, CUT_OFF, NOT_REACHED, UNKNOWN_END = "running", "cut_off", "not_reached", "unknown"
"""Ends of a story, or of a target in it, beside those that the ledger and an execution have."""


@dataclass(frozen=True)
class Visit:
    """One state that an execution entered. `key` is its target, empty outside of one; `left` is 0 while it is in it.

    `error` and `cause` are those of its last try, empty when that succeeded. `scope` are the Maps around it.
    """

    state: str
    scope: tuple[str, ...]
    key: str
    at: float
    left: float = 0.0
    error: str = ""
    cause: str = ""
    tries: int = 1


@dataclass(frozen=True)
class TargetPhase:
    """A phase of a target in words, when it began and how many seconds it took."""

    phrase: str
    at: float
    seconds: float


@dataclass(frozen=True)
class Weight:
    """From a time on, the share of traffic (0 to 1) that the new version was given."""

    at: float
    share: float


@dataclass(frozen=True)
class Exceptional:
    """The first exception of a version: the exception, its last frames, where it was raised, and the log it is from."""

    raised: str
    frames: tuple[str, ...]
    at: float
    place: str
    source: str
    link: str = ""


@dataclass(frozen=True)
class AlarmFacts:
    """An alarm that fired: what it watches and from which value on, why it fired, and the values that made it."""

    name: str
    condition: str
    reason: str
    at: float
    values: tuple[float, ...]
    source: str
    link: str = ""


@dataclass(frozen=True)
class MinuteOfVersion:
    """What one version answered in one minute; `p99` in milliseconds, None without data."""

    at: float
    requests: int
    errors: int
    p99: float | None


@dataclass(frozen=True)
class TargetStory:
    """One function in one environment. `result` is the ledger's word, or one of the ends above.

    `failed_state` is where it turned, with the error's name and the cause as they were written. `minutes` are by
    version. `logs_since` begins its part of the log, as `inv logs --since` takes it. `contents` compares its image with
    that of the version before.
    """

    key: str
    function: str
    rung: str
    result: str
    error: str = ""
    cause: str = ""
    failed_state: str = ""
    failed_at: float = 0.0
    digest: str = ""
    version: str = ""
    previous_version: str = ""
    began: float = 0.0
    ended: float = 0.0
    phases: tuple[TargetPhase, ...] = ()
    weights: tuple[Weight, ...] = ()
    entry: ReleaseEntry | None = None
    exception: Exceptional | None = None
    alarms: tuple[AlarmFacts, ...] = ()
    commands: tuple[SentCommand, ...] = ()
    minutes: Mapping[str, tuple[MinuteOfVersion, ...]] = field(default_factory=dict)
    cases: tuple[str, ...] = ()
    size: int = 0
    contents: ContentsDiff | None = None
    child: str = ""
    logs_since: str = ""
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Story:
    """A release or a promotion. `name` is the execution's, empty for a command's release.

    `links` are addresses by what they show.
    `kind` is deploy, promote or rollback; `end` how it ended as a whole. `rungs` are the targets' keys, lowest first.
    `holder` holds the lock of a command that was cut off, or is at work still.
    """

    release_id: str
    name: str
    kind: str
    end: str
    rungs: tuple[tuple[str, ...], ...]
    targets: tuple[TargetStory, ...]
    visits: tuple[Visit, ...] = ()
    requested_by: str = ""
    git_commit: str = ""
    digest: str = ""
    began: float = 0.0
    ended: float = 0.0
    error: str = ""
    cause: str = ""
    arn: str = ""
    remarks: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    holder: Holder | None = None
    mark: Bad | None = None
    unknown: tuple[str, ...] = ()

    @property
    def environments(self) -> tuple[str, ...]:
        """The keys of its targets."""
        return tuple(target.key for target in self.targets)

    def target(self, key: str) -> TargetStory | None:
        """Return one of its targets."""
        return next((target for target in self.targets if target.key == key), None)
