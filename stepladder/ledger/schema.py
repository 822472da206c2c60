"""What the ledger holds, as dataclasses, and how they become DynamoDB items (docs/concepts/architecture.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from stepladder.core.process_identity import Process

SUCCEEDED, FAILED, ROLLED_BACK, ROLLBACK_FAILED = "succeeded", "failed", "rolled_back", "rollback_failed"
UNKNOWN = "unknown"
"""The result of a release that is known only from its version's description, which says nothing of how it ended."""
ROLLBACK = "rollback"  # a release's kind; the others are deploy and promote
RELEASE_PREFIX = "release#"
FOUNDATION = "root#foundation"

NO_COMMIT = "none"
_SHORT_COMMIT = 12
_DIRTY = "-dirty"

Item = dict[str, dict[str, Any]]
R = TypeVar("R")


@dataclass(frozen=True)
class Holder:
    """Who holds an environment's lock. `since` is ISO 8601; `expires` is in epoch seconds, 0 once its run has ended.

    `version` is what the alias is about to serve, or serves and the ledger doesn't know yet; `previous_version` what it
    served before; `pending` what is to be written down of it (`cut_off.Pending`).
    """

    owner: str
    host: str
    boot_id: str
    pid: int
    run_id: str
    command: str
    since: str
    expires: int
    started: int = 0
    version: str = ""
    previous_version: str = ""
    pending: str = ""

    @property
    def process(self) -> Process:
        """The process that holds the lock."""
        return Process(self.owner, self.host, self.boot_id, self.pid, self.started)


@dataclass(frozen=True)
class Holding:
    """That a run holds an environment's lock: what a write of the ledger may be conditioned on."""

    environment: str
    run_id: str


@dataclass(frozen=True)
class Current:
    """What the last verified release left on the alias."""

    release_id: str
    version: str
    digest: str
    input_key: str
    config_hash: str
    alias_revision: str
    infra_hash: str = ""
    smoke_key: str = ""


@dataclass(frozen=True)
class InfraRecord:
    """What the last apply of a Terraform root left.

    `url` is the function's URL, empty without one; `config_hash` that of the function's configuration after the apply.
    """

    input_hash: str
    plan_id: str
    applied_at: str
    url: str = ""
    config_hash: str = ""


@dataclass(frozen=True)
class ReleaseEntry:
    """One release of one rung, written once. Times are ISO 8601, UTC.

    `skipped_ladder` is why it was released past the ladder, empty for a release that kept to it.
    """

    release_id: str
    environment: str
    kind: str
    version: str
    previous_version: str
    digest: str
    git_commit: str
    requested_by: str
    result: str
    started_at: str
    ended_at: str
    cause: str = ""
    plan_id: str = ""
    execution_arn: str = ""
    deployment_id: str = ""
    input_key: str = ""
    hotfix: bool = False
    skipped_ladder: str = ""

    @property
    def remarks(self) -> str:
        """What a person should know of it: its cause, and that it was released past the ladder; empty for nothing."""
        past = f"past the ladder: {self.skipped_ladder}" if self.skipped_ladder else ""
        return "; ".join(filter(None, (self.cause, past)))


@dataclass(frozen=True)
class Bad:
    """Why a digest must not be released again."""

    marked_at: str
    by: str
    why: str


@dataclass(frozen=True)
class Unmarked:
    """That a digest's mark was taken away: when, by whom and why, and what the mark had said."""

    unmarked_at: str
    by: str
    why: str
    marked_at: str = ""
    marked_by: str = ""
    marked_why: str = ""


@dataclass(frozen=True)
class Snapshot:
    """One environment as the ledger has it; `exists` is false before the foundation is there."""

    exists: bool
    lock: Holder | None = None
    current: Current | None = None
    infra: InfraRecord | None = None
    foundation: InfraRecord | None = None


def key(pk: str, sk: str) -> Item:
    """Return a primary key."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def environment_key(environment: str, sk: str) -> Item:
    """Return the key of an environment's item."""
    return key(f"env#{environment}", sk)


def item(pk_sk: Item, record: Any) -> Item:
    """Turn a record into an item under a key; empty text is left out."""
    return pk_sk | {name: _write(value) for name, value in asdict(record).items() if value != ""}


def record(kind: type[R], raw: Mapping[str, Any] | None) -> R | None:
    """Read an item back; attributes that are missing get an empty value, unknown ones are ignored."""
    if not raw:
        return None
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        empty: Any = {"int": 0, "bool": False}.get(str(field.type), "")
        values[field.name] = _read(raw[field.name]) if field.name in raw else empty
    return kind(**values)


def _write(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": str(value)}


def _read(value: Mapping[str, Any]) -> Any:
    if "N" in value:
        return int(float(value["N"]))
    return value.get("BOOL", value.get("S", ""))


def result_words(result: str) -> str:
    """Return how a release ended, as people read it: `rolled back`."""
    return result.replace("_", " ")


def recorded_commit(sha: str, *, dirty: bool) -> str:
    """Return what the ledger and a version's Description say of a commit; without one, nothing differs from it."""
    return (sha + (_DIRTY if dirty else "")) if sha else NO_COMMIT


def shown_commit(recorded: str) -> str:
    """Return a recorded commit as tables show it: short, and still saying that files differed from it."""
    sha, dirty = recorded.removesuffix(_DIRTY), recorded.endswith(_DIRTY)
    if sha == NO_COMMIT:
        return "no commit"
    return sha[:_SHORT_COMMIT] + (_DIRTY if dirty else "")
