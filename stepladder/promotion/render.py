"""Render the ladder: redrawn in place on a terminal, otherwise one line for each change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from stepladder.core.console import Console
from stepladder.core.display import cut
from stepladder.promotion import render_many
from stepladder.promotion.history import APPROVAL, SHIFTING, LadderView, Target
from stepladder.promotion.render_many import Piece
from stepladder.settings.shift import WIDTHS, Shift

_BAR = 20
_HEIGHT = 40  # lines of a terminal that is not known
_INDENT = " " * 6
_MINUTE, _HOUR = 60, 3600
_ENDS = {"Succeeded": "promoted", "Failed": "not promoted", "Aborted": "cut off", "TimedOut": "cut off: out of time"}
_ANSWER = "answer it with `inv promote.approve` or `inv promote.reject`"
_SHORT = {
    "publishing a version": "publish",
    "rolling back": "rollback",
    "shifting traffic": "shift",
    "testing the version": "test",
    "updating the code": "code",
    "validating": "validate",
    "verifying": "verify",
    "verifying the alias": "verify",
    "verifying the rollback": "verify",
    "waiting for approval": "approval",
    "waiting for the update": "update",
    "waiting for the version": "version",
}


class Renderer(Protocol):
    """Shows a view of the ladder each time it changes."""

    def update(self, view: LadderView) -> None:
        """Show the view as it is now."""

    def close(self) -> None:
        """Leave the last picture on the screen."""


def renderer(console: Console) -> Renderer:
    """Return the renderer for the console: live on a terminal, lines otherwise."""
    return LiveRenderer() if console.live and not console.as_json else LineRenderer(console)


class LineRenderer:
    """One line for each change of a target: its phase, the new version's share, its first errors, an alarm."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: dict[str, set[tuple[float, str]]] = {}
        self._summaries = render_many.Summaries()
        self._note = ""
        self._is_simulated = False
        self._shown = 0.0

    def update(self, view: LadderView) -> None:
        """Print what changed since the last time."""
        if view.simulated and not self._is_simulated:
            self._console.line(f"times are simulated: {pace(view)}")
        self._is_simulated = view.simulated
        wide = _wide(view)
        for rung in view.rungs:
            if len(rung) > render_many.MANY:
                for text in self._summaries.changes(rung, view.now):
                    self._line(view, text)
        for target in (each for rung in view.rungs if len(rung) <= render_many.MANY for each in rung):
            for change in _changes(target):
                known = self._printed.setdefault(target.environment, set())
                if change not in known:
                    known.add(change)
                    self._line(view, f"{target.environment:<{wide}} {change[1]}")
        if view.note and view.note != self._note:
            self._line(view, view.note)
        self._note = view.note

    def _line(self, view: LadderView, text: str) -> None:
        unit = "s sim" if view.simulated else "s"
        self._shown = max(self._shown, view.seconds(view.started))  # the end's own time may lie before the last read
        self._console.line(f"{self._shown:7.1f} {unit}  {text}")

    def close(self) -> None:
        """Leave nothing behind."""


def _changes(target: Target) -> Iterator[tuple[float, str]]:
    """Yield what is known of a target as changes: the time that distinguishes two alike, and the text."""
    if not target.phase:
        return
    yield target.since, f"{target.phase}: {_ANSWER}" if target.phase == APPROVAL else target.phase
    if target.is_shifting and target.share:
        yield 0, f"{SHIFTING}: version {target.version} has {target.share:.0%}"
    if target.asks:
        yield target.moved, f"no judgement: {_ANSWER}"
    if target.errors:
        yield 0, f"version {target.version} has raised errors"
    yield from ((0, f"alarm {name} fires") for name in target.alarms)


class LiveRenderer:
    """The ladder, redrawn in place, highest rung on top."""

    def __init__(self, console: Any = None) -> None:
        from rich.console import Console as RichConsole
        from rich.live import Live as RichLive

        self._console = console or RichConsole(stderr=True, highlight=False)
        self._live = RichLive(console=self._console, refresh_per_second=8, transient=False)
        self._live.start()

    def update(self, view: LadderView) -> None:
        """Redraw."""
        self._live.update(picture(view, self._console.width, self._console.height))

    def close(self) -> None:
        """Stop redrawing; the last picture stays."""
        self._live.stop()


def picture(view: LadderView, width: int, height: int = _HEIGHT) -> Any:
    """Return the picture for a terminal of `width` columns: no line is longer.

    Of rungs with many targets it has no more lines than `height` allows.
    """
    from rich.text import Text

    lines = []
    for line in rows(view, height):
        text, room = Text(no_wrap=True), width
        for part, colour in line:
            shown = cut(part, room)
            text.append(shown, style=colour or None)
            room -= len(shown)
        lines.append(text)
    return Text("\n").join(lines)


def _named(view: LadderView) -> list[str]:
    """Return the targets that are shown by name."""
    return [target.environment for rung in view.rungs if len(rung) <= render_many.MANY for target in rung]


def _wide(view: LadderView) -> int:
    return max([12, *map(len, _named(view))])


def rows(view: LadderView, height: int = _HEIGHT) -> Iterator[list[Piece]]:
    """Yield the picture's lines, each as pieces of one colour."""
    named = _named(view)
    wide = _wide(view)
    barred = [rung for rung in view.rungs if len(rung) > render_many.MANY]
    room = max(2, (height - len(named) - 4 * len(view.rungs)) // max(1, len(barred)))
    for index, rung in reversed(list(enumerate(view.rungs))):
        if len(rung) > render_many.MANY:
            began = [target.began for target in rung if target.began]
            ended = max(target.ended for target in rung) if all(target.ended for target in rung) else view.now
            passed = duration(max(0.0, ended - min(began))) if began and view.last_event[0] else ""
            yield from render_many.rung(rung, wide, passed, room, _ANSWER)
        elif len(view.targets) > render_many.FEW:
            for target in rung:
                yield render_many.line(target, wide, duration(view.elapsed(target)) if target.began else "")
            if any(target.phase == APPROVAL or target.asks for target in rung):
                yield [(f"{_INDENT}{_ANSWER}", "")]
        else:
            for target in rung:
                yield from _target(view, target, wide)
        if index:
            yield [("║ ║", "dim")]
    yield [(f"{_INDENT}{_foot(view)}", "dim")]


def _target(view: LadderView, target: Target, wide: int) -> Iterator[list[Piece]]:
    symbol, colour = render_many.mark([target])
    tries = f", try {target.tries}" if target.tries > 1 and not target.ended else ""
    passed = duration(view.elapsed(target)) if target.began else ""
    yield [
        (f"╟{symbol}╢ ", colour),
        (f"{target.environment:<{wide}}  ", ""),
        (f"{target.phase or 'not reached yet'}{tries}".ljust(38), colour),
        (passed.rjust(12), "dim"),
    ]
    if target.phase == APPROVAL:
        yield [(f"{_INDENT}{_ANSWER}", "")]
    if target.share is not None and (target.is_shifting or target.shifted or target.ended):
        yield [(f"{_INDENT}{bar(target.share)}", "cyan"), (f"  {progress(view, target)}", "")]
    if target.asks:
        yield [(f"{_INDENT}no judgement: {_ANSWER}", "yellow")]
    if target.version and (target.is_shifting or target.errors or target.alarms):
        yield [(_INDENT, ""), *_health(target)]
    if past := phases(target, 70 - len(_INDENT)):
        yield [(f"{_INDENT}{past}", "dim")]


def phases(target: Target, width: int) -> str:
    """Return how long each earlier phase took, oldest first. The oldest are left out beyond `width` characters."""
    text = ""
    for phrase, seconds in reversed(target.past):
        if seconds >= 1:
            longer = f"{_SHORT.get(phrase, phrase)} {duration(seconds)}{', ' if text else ''}{text}"
            if len(longer) > width:
                break
            text = longer
    return text


def _health(target: Target) -> Iterator[Piece]:
    """Yield the errors of the new version, and its alarms."""
    counted = f"version {target.version}: {target.errors} errors in {target.calls} calls{_p99(target.p99)}"
    yield counted, "red" if target.errors else "dim"
    if target.compares and target.old.version:
        old = target.old
        yield f"   version {old.version}: {old.errors} in {old.calls}{_p99(old.p99)}", "dim"
    if target.alarms:
        yield f"   alarm: {', '.join(target.alarms)}", "red"
    elif target.is_shifting:
        yield "   no alarm", "dim"


def _p99(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f", p99 {milliseconds:,.0f} ms"


def bar(share: float) -> str:
    """Return the share of the new version as a bar. It is full, or empty, only for all or no traffic."""
    full = round(share * _BAR)
    full = min(max(full, 1), _BAR - 1) if 0 < share < 1 else full
    return f"{'█' * full}{'░' * (_BAR - full)}"


def progress(view: LadderView, target: Target) -> str:
    """Return how far the shift is, for example `10% for 3 of 5 min`."""
    share = target.share or 0.0
    shown = f"{share:.0%}"
    if not target.is_shifting:
        return f"{shown} on the new version"
    passed = (view.now - target.shifted) / _MINUTE if target.shifted else 0.0
    if share >= 1:
        since = target.moved or target.baked
        if since and target.bake_seconds:
            total = target.bake_seconds / _MINUTE
            return f"{shown}, watched for {min((view.now - since) / _MINUTE, total):.0f} of {total:.0f} min"
        return f"{shown}, watched{'' if target.moved else ' until CodeDeploy is done'}"
    return f"{shown}{_kept(view, target, share, passed)}" if share else f"{shown} on the new version"


def _kept(view: LadderView, target: Target, share: float, passed: float) -> str:
    """Return for how long a share is kept, of a shift that has begun."""
    shift = target.shift
    if shift.kind == WIDTHS:
        return f" for {_width(shift, share, (view.now - (target.moved or view.now)) / _MINUTE)}"
    if shift.kind == "canary":
        return f" for {min(int(passed), shift.minutes)} of {shift.minutes} min"
    if shift.kind == "linear":
        every = f"{shift.minutes} min" if shift.minutes > 1 else "minute"
        return f", {shift.percent}% more every {every}"
    return " on the new version"


def _width(shift: Shift, share: float, passed: float) -> str:
    """Return how long a width has had, of the minutes that it is kept for; beyond them it lacks a judgement."""
    minutes = dict(shift.widths).get(round(share * 100), 0)
    return f"{int(passed)} of {minutes} min" if passed <= minutes else f"{passed:.0f} min, without a judgement"


def pace(view: LadderView) -> str:
    """Return how fast the clock of the cloud runs."""
    return "the clock was set forward" if view.speed == 1 else f"the clock runs at {view.speed:g}x real time"


def _foot(view: LadderView) -> str:
    state = _ENDS.get(view.end, "under way")
    text = f"{state}, {duration(view.seconds(view.started))}"
    if view.simulated:
        text += f" simulated ({pace(view)})"
    return f"{text}   {view.note}".rstrip()


def duration(seconds: float) -> str:
    """Return a duration as people read it, for example `3 min 5 s`."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
