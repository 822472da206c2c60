"""What a command that was cut off between the alias and the ledger left unwritten, which its lock still names.

A promotion that takes such a lock over writes it down first, as the next command would, by
stepladder/releases/cut_off.py: afterwards nothing else explains what the alias serves.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace

from shared import ledger, serving
from shared.errors import RefusedError

from stepladder.core.names import flags_of
from stepladder.ledger import schema
from stepladder.ledger.schema import SUCCEEDED, Current, Holder, ReleaseEntry
from stepladder.promotion.contract import TargetInput

CAUSE = "cut off after the alias had moved; a promotion wrote it down"


def write_down(target: TargetInput, alias: serving.ServedAlias) -> None:
    """Write down the release that explains an alias which the ledger doesn't, if an abandoned lock names one.

    Raises `RefusedError` for a rollback that was to mark its image bad, which only a command may.
    """
    environment = target["environment"]
    holder = ledger.lock(environment)
    if not holder or not holder.pending or not _is_over(holder) or not alias.serves_only(holder.version):
        return
    current = ledger.read(schema.CURRENT, environment=environment)
    if current and current.version == holder.version:
        return
    try:
        document = json.loads(holder.pending)
        entry, serves = ReleaseEntry(**document["release"]), Current(**document["current"])
    except (KeyError, TypeError, ValueError):
        return  # another version of stepladder wrote it
    if document.get("bad"):
        raise RefusedError(
            f"a rollback of {environment} by {holder.owner} was cut off before it was written down; "
            f"`inv rollback {flags_of(environment)}` finishes it"
        )
    cause = "; ".join(filter(None, (entry.cause, CAUSE)))
    ended = replace(entry, result=SUCCEEDED, cause=cause, ended_at=ledger.stamp(time.time()))
    ledger.write_release(ended, replace(serves, alias_revision=alias.revision), instead_of=current)


def _is_over(holder: Holder) -> bool:
    return holder.expires + schema.CLOCK_SKEW < time.time()
