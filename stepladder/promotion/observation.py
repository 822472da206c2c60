"""What the promises of a project are checked against: its rungs, promotions and bad marks as they were read.

Plain data, which imports nothing that calls AWS. `observe` fills it; a test or a recorded history may fill it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stepladder.core.release_facts import RUNNING
from stepladder.ledger.schema import Bad, Current, Holder, ReleaseEntry, SentCommand


@dataclass(frozen=True)
class PublishedVersion:
    """A published version: its image, and the release that published it."""

    digest: str
    release_id: str = ""


@dataclass(frozen=True)
class ObservedDeployment:
    """A deployment in flight. `release_id` is empty for one that undoes another, or is nobody's release."""

    id: str
    release_id: str = ""


@dataclass(frozen=True)
class ObservedRung:
    """One environment. `version` is empty without an alias. `releases` and the release `commands` are newest first."""

    environment: str
    version: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, PublishedVersion] = field(default_factory=dict)
    lock: Holder | None = None
    current: Current | None = None
    releases: tuple[ReleaseEntry, ...] = ()
    deployments: tuple[ObservedDeployment, ...] = ()
    commands: tuple[SentCommand, ...] = ()

    def entry(self, release_id: str) -> ReleaseEntry | None:
        """Return the ledger's entry of a release, if there is one."""
        return next((entry for entry in self.releases if entry.release_id == release_id), None)


@dataclass(frozen=True)
class ObservedExecution:
    """A promotion. `rungs` are the targets of each of its rungs, `outcomes` those that its output names.

    `ended` is the outcome of each environment that its end names, whether it went well or not.
    """

    arn: str
    status: str
    release_id: str
    digest: str = ""
    error: str = ""
    force: bool = False
    rungs: tuple[tuple[str, ...], ...] = ()
    outcomes: tuple[str, ...] = ()
    ended: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The execution's name."""
        return self.arn.rpartition(":")[2]

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.status in RUNNING


@dataclass(frozen=True)
class CommandRun:
    """A command that has ended, with its exit code and what it said."""

    command: str
    code: int
    message: str = ""


@dataclass(frozen=True)
class Observation:
    """A project at one moment.

    What AWS doesn't know comes from whoever did it: `runs` are the commands since nothing is broken any more, `edited`
    the environments whose alias a person moved since the last command there, `ever_edited` those where one ever did,
    `forced` the releases that were made with `--force`.
    """

    rungs: tuple[ObservedRung, ...]
    executions: tuple[ObservedExecution, ...] = ()
    marks: Mapping[str, Bad] = field(default_factory=dict)
    runs: tuple[CommandRun, ...] = ()
    edited: frozenset[str] = frozenset()
    ever_edited: frozenset[str] = frozenset()
    forced: frozenset[str] = frozenset()
