"""How far the run is: the table and the round under way, on standard error."""

from __future__ import annotations

from collections.abc import Iterator

from stepladder.core.step import Step

_steps: list[Step] = []


def follow(step: Step) -> None:
    """Show what comes on this step: at once on a terminal, elsewhere in a line now and then."""
    _steps[:] = [step]


def show(text: str) -> None:
    """Say what is under way. Nothing is shown where nobody follows, as when a module is run alone."""
    for step in _steps:
        step.progress(text)


def counted(rounds: int, what: str) -> Iterator[int]:
    """Yield the numbers of the rounds from 1, and show each."""
    for number in range(1, rounds + 1):
        show(f"{what}, round {number} of {rounds}")
        yield number
