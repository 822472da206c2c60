"""Rows of a fault table: by default a state meets one or two kinds of error, in the long form every kind."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import pytest
from _pytest.mark.structures import ParameterSet

FINAL = ("denied", "access_denied")
"""The kinds that nothing retries; the others are retried first. These are the two ways that a state can fail."""
LONG_FORM = pytest.mark.long("the same state meets other kinds; they take turns, those that are retried and those not")


def of_faults(names: Iterable[str], kinds: Sequence[str], *, alike: Collection[str] = ()) -> list[ParameterSet]:
    """Return rows of a name and a kind. By default each name has the final kind, and one of the retried kinds by turns.

    Names that are `alike` have one kind each by default, all kinds by turns.
    """
    retried = [kind for kind in kinds if kind not in FINAL]
    return [
        pytest.param(name, kind, marks=() if kind in _by_default(number, name in alike, kinds, retried) else LONG_FORM)
        for number, name in enumerate(names)
        for kind in kinds
    ]


def _by_default(number: int, is_alike: bool, kinds: Sequence[str], retried: Sequence[str]) -> tuple[str, ...]:
    return (kinds[number % len(kinds)],) if is_alike else (*FINAL, retried[number % len(retried)])
