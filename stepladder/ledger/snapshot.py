"""What is read of one environment at once, and the hold on its lock that a write is conditioned on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stepladder.core.records import dataclass
from stepladder.ledger.environment_items import Current, Holder, InfraRecord

if TYPE_CHECKING:
    from stepladder.ledger.destruction import Destruction


@dataclass(frozen=True)
class Holding:
    """That a run holds an environment's lock: what a write of the ledger may be conditioned on."""

    environment: str
    run_id: str


@dataclass(frozen=True)
class Snapshot:
    """One environment as the ledger has it; `exists` is false before the foundation is there.

    `destroying` is a destroy that began and has not ended.
    """

    exists: bool
    lock: Holder | None = None
    current: Current | None = None
    infra: InfraRecord | None = None
    foundation: InfraRecord | None = None
    destroying: Destruction | None = None
