"""What a person may have meant by a name that doesn't exist."""

from __future__ import annotations

from collections.abc import Iterable

_LIKE = 0.6  # difflib's own measure: most slips of the finger reach it, other words rarely
_SHORTEST = 3  # letters of a name that a longer one may begin with: --environment for --env


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like `name`, else one that it goes on from; an empty text when none is."""
    from difflib import get_close_matches

    by_lower, given = {each.lower(): each for each in known}, name.lower()
    matches = get_close_matches(given, by_lower, n=1, cutoff=_LIKE)
    begun = [each for each in by_lower if len(each.strip("-")) >= _SHORTEST and given.startswith(each)]
    return by_lower[next(iter(matches or begun))] if matches or begun else ""


def did_you_mean(name: object, known: Iterable[str], *, before: str = "") -> str:
    """Return "did you mean `...`?" for the nearest known name, or an empty text; `before` stands in front of it."""
    candidate = nearest(str(name), known)
    return f"did you mean `{before}{candidate}`?" if candidate else ""
