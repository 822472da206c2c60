"""`FROM` and `ARG`, which decide about a Dockerfile before anything of it is built."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stepladder.core.errors import BadInputError
from stepladder.images.parsers import words
from stepladder.images.parsers.dockerfile import Instruction

_STAGE = r"[a-z][a-z0-9-_.]*"
OF_BUILDKIT = r"\b(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)\b"


def image_of(instruction: Instruction, known: Mapping[str, str], where: str) -> tuple[str, str, str]:
    """Return a FROM's image, the stage's name and its platform."""
    at = f"{where}:{instruction.number}"
    parts = instruction.rest.split()
    if len(parts) not in {1, 3} or (len(parts) == 3 and parts[1].lower() != "as"):  # noqa: PLR2004 - image AS name
        raise BadInputError(
            f"{at}: {instruction.text} is no FROM",
            kind="bad-dockerfile",
            hint="write `FROM image`, or `FROM image AS stage`",
        )
    if len(parts) > 1 and not re.fullmatch(_STAGE, parts[-1].lower()):
        raise BadInputError(
            f"{at}: {parts[-1]} can't be the name of a stage",
            kind="bad-dockerfile",
            hint="write `AS build`: a letter first, then letters, digits, `-`, `_` and `.` only",
        )
    try:
        image = words.expand(parts[0], known, instruction.escape)
        platform = next((flag for flag in instruction.flags if flag.startswith("--platform=")), "")
        platform = words.expand(platform.partition("=")[2], known, instruction.escape)
    except words.WordError as error:
        raise BadInputError(f"{at}: {instruction.text}: {error}", kind="bad-dockerfile") from None
    if not image:
        raise BadInputError(
            f"{at}: {parts[0]} has no value", kind="bad-dockerfile", hint="give the `ARG` before `FROM` a default"
        )
    return image, parts[-1] if len(parts) > 1 else "", platform


def take_argument(
    instruction: Instruction,
    into: dict[str, str],
    overrides: Mapping[str, str],
    known: Mapping[str, str],
    where: str,
    inherited: Mapping[str, str] | None = None,
) -> None:
    """Take an ARG: the build argument, else its default, else what an ARG before the first FROM said."""
    at, known = f"{where}:{instruction.number}", dict(known)
    listed = words.split(instruction.rest, instruction.escape)
    if not listed:
        raise BadInputError(f"{at}: ARG needs a name", kind="bad-dockerfile")
    for item in listed:
        name, sign, default = item.partition("=")
        try:
            name, value = (words.expand(part, known, instruction.escape) for part in (name, default))
        except words.WordError as error:
            raise BadInputError(
                f"{at}: {instruction.text}: {error}", kind="bad-dockerfile", hint=f"fix `{at}`"
            ) from None
        if re.fullmatch(OF_BUILDKIT, name):
            raise BadInputError(
                f"{at}: {name} has a value with BuildKit only", kind="needs-engine", hint="take the `ARG` out"
            )
        if name in overrides:
            into[name] = overrides[name]
        elif sign:
            into[name] = value
        elif inherited and name in inherited:
            into[name] = inherited[name]
