"""What uv says when it can't install packages, turned into what to do about it. It has no codes: its text is all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from stepladder.core.errors import BadInputError, StepladderError
from stepladder.images.requirements.read import Requirement, normal

if TYPE_CHECKING:
    from stepladder.images.requirements.dependencies import WheelTarget

_SHOWN = 8  # lines of uv's
_ONE = r"`?([A-Za-z0-9][\w.-]*?)(==[^\s,`]+|)`?"
_OTHER_VERSION = (
    "take a version that has one (see its files on the package index), or set `stepladder.image.builder` to docker "
    "and build it in the `Dockerfile`"
)
_FAILURES = (
    (
        rf"Hash mismatch for {_ONE}(?=\s)",
        "the file of {names} has none of the hashes that are locked",
        "`inv lock` takes the index's own hashes. If nobody changed the lock, find out who changed the file first",
    ),
    (
        rf"{_ONE} has no (?:usable )?wheels?(?=[\s,.])",
        "{names} has no wheel for {fits}",
        _OTHER_VERSION,
    ),
    (
        r"dependency is incompatible with the current platform: (\S+)()",
        "{names} is no wheel for {fits}",
        _OTHER_VERSION,
    ),
    (
        rf"(?:no version of|no versions of) {_ONE}(?=[\s,.])",
        "the package index has no {names}",
        "see which versions there are on the package index, then change requirements.in and run `inv lock`",
    ),
    (
        rf"{_ONE} was not found in",
        "the package index has no {names}",
        "see how its name is spelled on the package index, then change requirements.in and run `inv lock`",
    ),
    (
        r"(?:Distribution not found at|failed to open file)[: ] ?`?(\S+?)`?()(?=\s|$)",
        "there is no wheel {names}",
        "put it there, or name a released version in requirements.in, then run `inv lock`",
    ),
    (
        r"No solution found when resolving()()",
        "no versions fit all that is asked for{names}",
        "change requirements.in, then run `inv lock`",
    ),
    (
        r"Couldn't parse requirement in()()",
        "a requirement can't be read{names}",
        "fix the line that is shown, then run `inv lock`",
    ),
)
"""By what uv says: what it means for a person, and what to do."""


def explained(output: str, requirements: Iterable[Requirement], target: WheelTarget) -> StepladderError:
    """Turn what uv said into what to do about it, with each requirement in the spelling that it is asked for in."""
    spelled = {requirement.key: requirement.name for requirement in requirements if requirement.name}
    flat = re.sub(r"\s+", " ", output)
    lines = [line.strip() for line in output.splitlines() if line.strip(" ^") and not line.startswith("Using ")]
    for pattern, message, hint in _FAILURES:
        named = list(dict.fromkeys(re.findall(pattern, flat)))
        if named:
            names = ", ".join(f"{spelled.get(normal(name), name)}{version}" for name, version in named)
            fits = f"Python {target.python} on {target.platform or 'this machine'}"
            problems = tuple(line for line in lines if not line.startswith(("error: No sol", "hint: ")))[:_SHOWN]
            return BadInputError(
                message.format(names=names, fits=fits), kind="bad-requirements", hint=hint, problems=problems
            )
    return StepladderError(
        "the packages can't be installed: " + (lines[-1][:200] if lines else "uv said nothing"),
        kind="bad-requirements",
        hint="; ".join(lines[:4])[:600],
    )
