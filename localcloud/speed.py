"""How fast a local cloud's clock runs, as `inv local.*` takes and shows it."""

from __future__ import annotations

from localcloud import clock
from localcloud.daemon import CloudInfo
from stepladder.core.errors import BadInputError

_DAY, _HOUR, _MINUTE = 86400.0, 3600.0, 60.0
_CANARY = 300.0


def parse(text: str) -> float:
    """Return the speed that a person typed, or 0 for nothing typed. Raises `BadInputError` for a wrong one."""
    if not text:
        return 0.0
    try:
        return clock.check(float(text.removesuffix("x")))
    except ValueError:
        raise BadInputError(
            f"{text!r} is no speed: a number over 0 and at most {clock.FASTEST:.0f} is",
            kind="bad-arguments",
            hint="real time is `inv local.speed 1`; a five-minute canary in 5 seconds is `inv local.speed 60`",
        ) from None


def show(info: CloudInfo) -> str:
    """Print how fast a cloud's clock runs."""
    return describe(float(info.request("clock")["speed"]))


def change(info: CloudInfo, speed: float) -> str:
    """Let a cloud's clock run at another speed from now on, and print it."""
    return describe(float(info.request("clock", "POST", {"speed": speed})["speed"]))


def describe(speed: float) -> str:
    """Say in a sentence what a speed means, for example of a five-minute canary."""
    if speed == 1:
        return "1 (real time)"
    return f"{speed:g} (a canary of 5 minutes takes {_duration(_CANARY / speed)})"


def _duration(seconds: float) -> str:
    for unit, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= unit * 2:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"  # noqa: PLR2004 - digits that are read
