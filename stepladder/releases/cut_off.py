"""What a run that was cut off between the alias and the ledger would have written, and writing it in its stead.

Before the alias moves, the environment's lock takes in the version that is about to serve and all that is to be
written down of it. So lock, ledger and alias explain each other at every moment, and whoever takes the lock over can
finish what its holder began.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from stepladder.aws_lambda.alias import Alias
from stepladder.core.clock import stamp
from stepladder.core.names import flags_of
from stepladder.ledger.schema import ROLLBACK, SINCE_FAILURES, SUCCEEDED, Bad, Current, Holder, ReleaseEntry
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases.rung import Rung

CAUSE = "cut off after the alias had moved; the next run wrote it down"


@dataclass(frozen=True)
class Pending:
    """What is to be written once the alias serves: the entry, what is current then, the digest that is marked."""

    release: ReleaseEntry
    current: Current
    bad: tuple[str, Bad] | None = None

    def text(self) -> str:
        """Return it as a lock holds it."""
        entry = {key: value for key, value in asdict(self.release).items() if value or key not in SINCE_FAILURES}
        document = {"release": entry, "current": asdict(self.current)}
        return json.dumps(document | ({"bad": [self.bad[0], asdict(self.bad[1])]} if self.bad else {}))


def pending(holder: Holder | None) -> Pending | None:
    """Read what a lock says of a release under way; None for a lock without, or with what another version wrote."""
    if holder is None or not holder.pending:
        return None
    try:
        document: dict[str, Any] = json.loads(holder.pending)
        bad = (str(document["bad"][0]), Bad(**document["bad"][1])) if "bad" in document else None
        return Pending(ReleaseEntry(**document["release"]), Current(**document["current"]), bad)
    except (KeyError, TypeError, ValueError, IndexError):
        return None


def unwritten_release(holder: Holder | None, alias: Alias | None, ledger: Snapshot) -> Pending | None:
    """Return the release that explains an alias which the ledger doesn't: the one that the lock's holder was at."""
    known = ledger.current.version if ledger.current else ""
    if holder is None or alias is None or not alias.serves(holder.version) or holder.version == known:
        return None
    return pending(holder)


def explanation(holder: Holder | None, alias: Alias, ledger: Snapshot) -> str:
    """Explain an alias that the ledger doesn't know by the lock; empty when it doesn't explain it either."""
    unwritten = unwritten_release(holder, alias, ledger)
    if holder is None or unwritten is None:
        return ""
    kind, version = unwritten.release.kind, unwritten.release.version
    return (
        f"a {kind} of {holder.owner} since {holder.since} was about to serve version {version}; "
        f"when it was cut off, `inv deploy {flags_of(unwritten.release.environment)}` writes it down"
    )


def adopt(rung: Rung, alias: Alias | None, ledger: Snapshot) -> ReleaseEntry | None:
    """Write down what the holder whose lock was taken over has done to the alias and not written; None without that.

    The alias serves the version, which passed its smoke cases before it was moved: the release succeeded.
    """
    unwritten = unwritten_release(rung.lock.taken_over, alias, ledger)
    if alias is None or unwritten is None:
        rung.lock.settled()
        return None
    cause = "; ".join(filter(None, (unwritten.release.cause, CAUSE)))
    entry = replace(unwritten.release, result=SUCCEEDED, cause=cause, ended_at=stamp(rung.clock.now()))
    current = replace(unwritten.current, alias_revision=alias.revision)
    rung.ledger.adopt(entry, current, rung.lock.run_id, bad=unwritten.bad)
    rung.lock.settled()
    rung.console.warn(
        f"the {entry.kind} {entry.release_id} was cut off after it had moved the alias to version {entry.version}; "
        "the ledger has it now"
    )
    return entry


def rollback_target(holder: Holder | None, alias: Alias, ledger: Snapshot) -> str:
    """Return the version that a rollback which was cut off has moved the alias to; empty without one."""
    unwritten = unwritten_release(holder, alias, ledger)
    return unwritten.release.version if unwritten and unwritten.release.kind == ROLLBACK else ""
