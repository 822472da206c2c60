"""Whether the times in a token let it be used now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SKEW = 300  # seconds that clocks may differ


def when(claims: Mapping[str, Any], now: float) -> str:
    """Say why a token can't be used at a time; empty where it can, or has no such claims."""
    ends, begins = claims.get("exp"), claims.get("nbf")
    if isinstance(ends, int) and ends <= now:
        return f"this job's token expired {_long(now - ends)} ago"
    if isinstance(begins, int) and begins > now + _SKEW:
        return f"this job's token isn't valid before {_long(begins - now)} from now: this machine's clock may be wrong"
    return ""


def _long(seconds: float) -> str:
    return f"{int(seconds)} s" if seconds < 120 else f"{int(seconds // 60)} min"  # noqa: PLR2004 - two minutes
