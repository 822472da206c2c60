"""How results and commits are written in the ledger, and how people read them."""

from __future__ import annotations

NO_COMMIT = "none"
_SHORT_COMMIT = 12
_DIRTY = "-dirty"


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
