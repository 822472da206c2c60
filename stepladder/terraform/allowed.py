"""What a person allows to be applied: the resources that `--allow-destroy` names, and the plan that `--plan` names."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from stepladder.core.errors import BadInputError
from stepladder.core.similar import did_you_mean

Allowed = bool | Sequence[str]
"""What a plan may destroy: everything, nothing, or the resources of these addresses."""

AUTO, REVIEWED, NEW = WANTED = ("auto", "reviewed", "new")
"""What is applied: what was reviewed, in CI and if anything was; nothing else than that; whatever is planned now."""


def named(typed: Iterable[bool | str]) -> bool | tuple[str, ...]:
    """Return what the values of `--allow-destroy` allow: True for a flag without a value, which names nothing.

    One value may name several resources, with commas between them. An empty one names none: a forge's input that was
    left out.
    """
    typed = list(typed)
    if any(value is True for value in typed):
        return True
    return tuple(name for value in typed for name in _split(str(value)))


def _split(value: str) -> list[str]:
    """Split at commas, but not at those of an index: `aws_sqs_queue.this["a,b"]`."""
    names, depth = [""], 0
    for character in value:
        depth += (character == "[") - (character == "]")
        if character == "," and not depth:
            names.append("")
        else:
            names[-1] += character
    return [name.strip() for name in names if name.strip()]


def names_only(typed: Iterable[str] | None) -> tuple[str, ...]:
    """Return the addresses that the values of a flag name which can't be typed without one."""
    return tuple(name for value in typed or () for name in _split(value))


def flags(addresses: Iterable[str]) -> str:
    """Return the flags that allow the resources of these addresses to be destroyed, as a shell takes them."""
    return " ".join(f"--allow-destroy {shlex.quote(address)}" for address in addresses)


def check_wanted(wanted: str) -> str:
    """Return what `--plan` says. `BadInputError` for anything else."""
    if wanted not in WANTED:
        hint = f"{did_you_mean(wanted, WANTED)} allowed: {', '.join(WANTED)}".strip()
        raise BadInputError(f"--plan is {wanted!r}", kind="bad-arguments", hint=hint)
    return wanted
