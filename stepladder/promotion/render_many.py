"""Render rungs of many targets: a line each for about ten, beyond that a bar with counts, and lines for a few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from stepladder.core.names import split_target
from stepladder.promotion.history import APPROVAL, FAILED, RELEASED, RESTORED, ROLLING_BACK, SHIFTING, Target

FEW = 6
"""Targets of a ladder that get several lines each."""
MANY = 10
"""Targets of a rung that get a line each."""
NOT_REACHED = "not reached yet"
GOOD = frozenset({RELEASED, "verified", "unchanged"})
BAD = FAILED | {RESTORED}
_ORDER = (RELEASED, "unchanged", "verified", SHIFTING)
_BAR = 20
_INDENT = " " * 6

Piece = tuple[str, str]
"""A text and its colour, empty for none."""


def mark(targets: Sequence[Target]) -> Piece:
    """Return the sign of some targets together: good, bad, under way or not begun."""
    if not any(target.phase for target in targets):
        return "───", "dim"
    if any(target.phase in BAD or target.phase == ROLLING_BACK for target in targets):
        is_over = all(target.ended for target in targets)
        return ("━✗━", "red") if is_over or len(targets) > 1 or targets[0].phase in BAD else ("━▶━", "yellow")
    return ("━✓━", "green") if all(target.phase in GOOD for target in targets) else ("━▶━", "yellow")


def line(target: Target, wide: int, passed: str) -> list[Piece]:
    """Return the one line of a target among several."""
    sign, colour = mark([target])
    return [
        (f"╟{sign}╢ ", colour),
        (f"{target.environment:<{wide}}  ", ""),
        (_phase(target).ljust(38), colour),
        (passed.rjust(12), "dim"),
    ]


def _phase(target: Target) -> str:
    text = target.phase or NOT_REACHED
    if target.is_shifting and target.share:
        text += f" {target.share:.0%}"
    if target.tries > 1 and not target.ended:
        text += f", try {target.tries}"
    if target.asks:
        text += ", no judgement"
    if target.errors:
        text += f", {target.errors} errors"
    return text + (", alarm" if target.alarms else "")


def rung(targets: Sequence[Target], wide: int, passed: str, room: int, answer: str) -> Iterator[list[Piece]]:
    """Yield the lines of a rung of many targets: two of all together, and at most `room` of those that matter now."""
    sign, colour = mark(targets)
    done = sum(target.phase in GOOD for target in targets)
    full = done * _BAR // len(targets)
    yield [
        (f"╟{sign}╢ ", colour),
        (f"{targets[0].rung:<{wide}}  ", ""),
        (f"{'█' * full}{'░' * (_BAR - full)} {done} of {len(targets)}".ljust(38), colour),
        (passed.rjust(12), "dim"),
    ]
    yield [(f"{_INDENT}{counts(targets)}", "dim")]
    if any(target.phase == APPROVAL for target in targets):
        yield [(f"{_INDENT}{answer}", "")]
        return
    if any(target.asks for target in targets):
        yield [(f"{_INDENT}{answer}", "yellow")]
    shown = notable(targets)
    for target in shown[: room if len(shown) <= room else room - 1]:
        name = split_target(target.environment)[1] or target.environment
        yield [(f"{_INDENT}{name:<{wide}}  ", ""), (_phase(target), mark([target])[1])]
    if len(shown) > room:
        yield [(f"{_INDENT}and {len(shown) - room + 1} more", "dim")]


def counts(targets: Sequence[Target]) -> str:
    """Return how many targets are in each phase, those that are furthest first."""
    phases = Counter(target.phase or NOT_REACHED for target in targets)
    known = [phase for phase in _ORDER if phase in phases]
    rest = sorted((phase for phase in phases if phase not in _ORDER), key=lambda phase: (phase == NOT_REACHED, phase))
    return ", ".join(f"{phases[phase]} {phase}" for phase in (*known, *rest))


def notable(targets: Sequence[Target]) -> list[Target]:
    """Return the targets that a person wants to see: what failed first, what raises errors or asks, what shifts."""
    failed = sorted((target for target in targets if target.turned), key=lambda target: target.turned)
    ill = [target for target in targets if not target.turned and (target.errors or target.alarms or target.asks)]
    shifting = [target for target in targets if target.is_shifting and not target.turned and target not in ill]
    return [*failed, *ill, *shifting]


class Summaries:
    """Lines of many targets without a terminal: how far each rung is, now and then, and each failure by itself."""

    EVERY = 15.0
    """Seconds of the execution between two lines of a rung, but for its begin and its end."""
    FAILURES = 10
    """Failures of a rung that get a line each: when one fails, all are put back."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[str, float]] = {}
        self._failed: dict[str, set[str]] = {}

    def changes(self, targets: Sequence[Target], now: float) -> Iterator[str]:
        """Yield the texts of what changed on a rung."""
        name = targets[0].rung
        known = self._failed.setdefault(name, set())
        for target in notable(targets):
            is_notable = target.turned or target.errors or target.alarms or target.asks
            if is_notable and target.environment not in known and len(known) < self.FAILURES:
                known.add(target.environment)
                yield f"{target.environment}: {_phase(target)}"
        text, (before, when) = counts(targets), self._shown.get(name, ("", 0.0))
        is_over = all(target.ended for target in targets)
        if any(target.phase for target in targets) and text != before and (is_over or now - when >= self.EVERY):
            self._shown[name] = (text, now)
            yield f"{name}: {text}"
