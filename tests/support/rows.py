"""Rows of a fault table: every state meets every kind of error in the long form, two kinds in the default run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from _pytest.mark.structures import ParameterSet

FINAL = ("denied", "access_denied")
"""The kinds that nothing retries; the others are retried first. These are the two ways that a state can fail."""
LONG_FORM = pytest.mark.long("the same state meets an error that is retried and one that isn't; kinds take turns")


def of_faults(names: Iterable[str], kinds: Sequence[str]) -> list[ParameterSet]:
    """Return rows of a name and a kind. By default each name has one of the retried kinds, by turns."""
    retried = [kind for kind in kinds if kind not in FINAL]
    return [
        pytest.param(name, kind, marks=() if kind in (*FINAL, retried[number % len(retried)]) else LONG_FORM)
        for number, name in enumerate(names)
        for kind in kinds
    ]
