"""Match names, ARNs and texts against patterns with `*` and `?`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

import re
from functools import lru_cache

ARN_PARTS = 6
"""arn, partition, service, region, account, and the resource, which may have colons of its own."""

ANY = "\ue000"
ONE = "\ue001"
"""Stand for `*` and `?` where those are wildcards: what a policy variable gives has the characters themselves."""


def with_wildcards(text: str) -> str:
    """Mark the wildcards of a pattern, which its variables are then put into."""
    return text.replace("*", ANY).replace("?", ONE)


@lru_cache(maxsize=8192)
def _expression(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    first, *others = (".".join(map(re.escape, piece.split(ONE))) for piece in pattern.split(ANY))
    text = first
    if others:
        # The first place where a piece fits leaves most to the others: no other one is tried, so that many wildcards
        # cost no more than the text is long.
        text += "".join(f"(?>.*?{piece})" for piece in others[:-1] if piece) + ".*" + others[-1]
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Compare a text with a pattern whose wildcards are marked."""
    return bool(_expression(pattern, ignore_case).fullmatch(text))


def without_marks(pattern: str) -> str:
    """Return a pattern as it was written."""
    return pattern.replace(ANY, "*").replace(ONE, "?")


class IncompleteArnError(Exception):
    """A condition's ARN has fewer parts than an ARN. IAM completes one in Resource; of conditions no page says it."""


def matches_whole_arn(pattern: str, arn: str) -> bool:
    """Compare an ARN with a condition's pattern. Raises `IncompleteArnError`."""
    if pattern.count(":") < ARN_PARTS - 1:
        raise IncompleteArnError(pattern)
    return matches_arn(pattern, arn)


def matches_arn(pattern: str, arn: str) -> bool:
    """Compare an ARN with a pattern, part by part: a wildcard reaches over no colon but in the last part.

    `*` alone matches every resource. An ARN that is cut short has `*` for what it lacks.
    """
    if pattern == ANY:
        return True
    patterns = pattern.split(":", ARN_PARTS - 1)
    patterns += [ANY] * (ARN_PARTS - len(patterns))
    parts = arn.split(":", ARN_PARTS - 1)
    if len(parts) < ARN_PARTS or not arn.startswith("arn:"):
        return False
    return all(matches(each, part) for each, part in zip(patterns, parts, strict=True))
