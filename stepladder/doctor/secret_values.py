"""Secrets of the settings: each has a value, or the first call of the function fails."""

from __future__ import annotations

from collections.abc import Iterator

from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, NOTE, Finding
from stepladder.releases import secret_check
from stepladder.releases.rung import Rung


def values(context: DoctorContext) -> Iterator[Finding]:
    """Yield which secret has no value, in an environment that has a foundation."""
    if not context.has_foundation:
        return
    deployed = {rung.target for rung in context.deployed()}
    for rung in context.functions():
        level = ERROR if rung.target in deployed else NOTE
        yield from (Finding(level, rung.target, *each) for each in _missing(rung))


def _missing(rung: Rung) -> Iterator[tuple[str, str]]:
    for secret in secret_check.missing(rung):
        text = f"the secret {secret.name} has no value ({secret.reference})"
        yield text, f"`inv secrets.set {secret.name} {rung.flags}`"
