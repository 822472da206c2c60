"""Bad marks: what deploy refuses because of one, and taking one away, in the ledger of every place that has it."""

from __future__ import annotations

from stepladder.display import plain_cause
from stepladder.errors import RefusedError
from stepladder.releases.ledger import short
from stepladder.releases.rung import Rung


def check(rung: Rung, digest: str, *, force: bool, hint: str) -> None:
    """Refuse a digest that the rung's ledger marks as bad; with `force` only warn."""
    bad = rung.ledger.is_bad(digest)
    if bad is None:
        return
    if not force:
        raise RefusedError(
            f"image {short(digest)} was marked bad by {bad.by} at {bad.marked_at}: {bad.why}",
            hint=hint,
        )
    rung.console.warn(f"image {short(digest)} is marked bad ({plain_cause(bad.why)}); released by --force")


def unmark_command(digest: str) -> str:
    """Return the command that takes a digest's mark away."""
    return f"inv ledger.unmark --digest {digest}"
