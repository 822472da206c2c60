"""Resolve requirements with a cooldown: packages that are younger on their index are left alone.

A package that was taken over is mostly noticed within days. uv leaves out files by their time of upload. It also leaves
out every file of an index that gives no such times, so that those packages are resolved without a cooldown, and named.
https://docs.astral.sh/uv/concepts/resolution/#reproducible-resolutions
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stepladder.core import process
from stepladder.core.errors import BadInputError
from stepladder.core.process import Completed
from stepladder.images.requirements.read import normal

_UNDATED = r"warning: `(?P<file>[^`]+)` is missing an upload date"
_FILTERED = r"`(?P<name>[\w.-]+)` was filtered by `exclude-newer`"
_ORIGIN = r"\n    # from (?P<origin>\S+)(?=\n|$)"
_PINNED = r"(?m)^(?P<name>[\w.-]+)=="
_ROUNDS = 50
"""Times that packages without a date are met: each round goes on to what those need."""


@dataclass(frozen=True)
class Cooldown:
    """How many days a package must have been on its index, and the packages for which that doesn't hold. 0 is none."""

    days: int = 0
    exceptions: tuple[str, ...] = ()

    def cutoff(self, now: datetime) -> str:
        """Return the time before which a file must have been uploaded, as uv takes it."""
        return (now - timedelta(days=self.days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Resolution:
    """What uv did.

    `undated` are packages for which the cooldown couldn't hold, `too_young` those of which nothing else is asked for.
    """

    done: Completed
    undated: tuple[str, ...] = ()
    too_young: tuple[str, ...] = ()


def resolve(argv: Sequence[str], folder: Path, lock: Path, cooldown: Cooldown, timeout: float) -> Resolution:
    """Run `uv pip compile` into `lock` with a cooldown, again for packages whose index gives no times of upload.

    What the file holds before is what uv prefers, so each run begins with that.
    """
    if not cooldown.days:
        return Resolution(process.run([*argv, "--quiet"], cwd=folder, timeout=timeout))
    base = [*argv, "--exclude-newer", cooldown.cutoff(datetime.now(UTC))]
    exempt = [normal(name) for name in cooldown.exceptions]
    undated: list[str] = []
    preferred = lock.read_bytes()
    for _ in range(_ROUNDS):
        lock.write_bytes(preferred)
        flags = [word for name in (*exempt, *undated) for word in ("--exclude-newer-package", f"{name}=false")]
        done = process.run([*base, *flags], cwd=folder, timeout=timeout)
        named = {package_of(file) for file in re.findall(_UNDATED, done.err)}
        new = sorted(named.difference(exempt, undated))
        if not new:
            break
        undated += new
    young = tuple(sorted({normal(name) for name in re.findall(_FILTERED, done.err)})) if done.code else ()
    return Resolution(done, tuple(sorted(undated)), young)


def package_of(file: str) -> str:
    """Return the package of a file's name: of a wheel what stands before its version, of an archive all of that."""
    if file.endswith(".whl"):
        return normal(file.partition("-")[0])
    return normal(re.sub(r"\.(tar\.\w+|zip|tgz)$", "", file).rpartition("-")[0])


def take_origins(lock: Path) -> dict[str, str]:
    """Take uv's comments on the index of each package out of a lock, and return them by package."""
    text = lock.read_text(encoding="utf-8")
    origins: dict[str, str] = {}
    names = list(re.finditer(_PINNED, text))
    ends = [match.start() for match in names[1:]]
    for match, end in zip(names, [*ends, len(text)], strict=False):
        block = text[match.start() : end]
        if origin := re.search(_ORIGIN, block):
            origins[normal(match["name"])] = origin["origin"]
    lock.write_text(re.sub(_ORIGIN, "", text), encoding="utf-8")
    return origins


def from_folders(origins: dict[str, str], undated: Sequence[str]) -> tuple[str, ...]:
    """Return the packages that uv took out of a folder: no cooldown holds for those, and uv doesn't say so."""
    return tuple(sorted(n for n, origin in origins.items() if origin.startswith("file:") and n not in undated))


def refusal(young: Sequence[str], cooldown: Cooldown) -> BadInputError:
    """Return the error for packages of which no version that fits is old enough."""
    names = ", ".join(young)
    return BadInputError(
        f"no version of {names} that is asked for has been on its index for {cooldown.days} days",
        kind="too-young",
        hint=f"wait, ask for an older one in `requirements.in`, or name {young[0]} in "
        "`stepladder.supply_chain.cooldown_exceptions`",
    )


def went_back(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return which packages are locked in an older version than before, in words. Versions by package."""
    from packaging.version import InvalidVersion, Version

    lines = []
    for name in sorted(before.keys() & after.keys()):
        try:
            if Version(after[name]) < Version(before[name]):
                lines.append(f"{name} {before[name]} -> {after[name]}")
        except InvalidVersion:
            continue
    return lines
