"""A moment as people type it: how long ago (`15m`, `2h30m`), or when (`2026-11-26`, `2026-11-26T08:15:00Z`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from stepladder.core.errors import BadInputError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = r"(?:[0-9]{1,9}[smhdw])+"
_PART = r"([0-9]+)([smhdw])"
_ALLOWED = "how long ago, such as 15m, 2h or 1d, or a time in UTC such as 2026-11-26T08:15"


def seconds(text: str, now: float, *, flag: str = "--since") -> float:
    """Return the moment in seconds since the epoch. A time without an offset is in UTC, as all that we print.

    Raises `BadInputError` for anything else, and for a moment that is still to come.
    """
    typed = text.strip()
    if re.fullmatch(_AGO, typed.lower()):
        ago = sum(int(count) * _UNITS[unit] for count, unit in re.findall(_PART, typed.lower()))
        return max(0.0, now - ago)
    try:
        moment = datetime.fromisoformat(typed)
        value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadInputError(
            f"{flag} is {text!r}; allowed: {_ALLOWED}", kind="bad-arguments", hint=f"for example `{flag} 15m`"
        ) from None
    if value > now:
        raise BadInputError(
            f"{flag} is {text!r}, which is still to come", kind="bad-arguments", hint=f"for example `{flag} 15m`"
        )
    return max(0.0, value)
