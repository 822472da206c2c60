"""Draw the ladder: live on a terminal, a line for each change elsewhere."""

from __future__ import annotations

from typing import Any, Protocol

from stepladder.console import Console
from stepladder.promotion.history import Target, View

_GOOD = ("released", "verified", "unchanged")
_BAD = ("refused", "failed, nothing moved", "rolled back", "put back", "ROLLBACK FAILED")
_BAR = 20


class Drawing(Protocol):
    """What a watcher tells the view to."""

    def update(self, view: View) -> None:
        """Show the view as it is now."""

    def close(self) -> None:
        """Leave the last picture standing."""


def drawing(console: Console, link: str) -> Drawing:
    """Return the drawing that fits where the console prints."""
    return Live(link) if console.live and not console.as_json else Lines(console)


class Lines:
    """One line for each target's change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[str, tuple[str, str]] = {}

    def update(self, view: View) -> None:
        """Print what changed since the last time."""
        for target in view.targets:
            now = (target.phase, target.share)
            if target.phase and self._told.get(target.environment) != now:
                self._told[target.environment] = now
                passed = view.seconds(view.started)
                share = f": {target.share}" if target.share else ""
                self._console.line(f"{passed:7.1f} s  {target.environment:<12} {target.phase}{share}")

    def close(self) -> None:
        """Leave nothing behind."""


class Live:
    """The ladder, redrawn in place, highest rung on top."""

    def __init__(self, link: str) -> None:
        from rich.console import Console as RichConsole
        from rich.live import Live as RichLive

        self._link = link
        self._live = RichLive(console=RichConsole(stderr=True), refresh_per_second=8, transient=False)
        self._live.start()

    def update(self, view: View) -> None:
        """Redraw."""
        self._live.update(self._picture(view))

    def close(self) -> None:
        """Stop redrawing; the last picture stays."""
        self._live.stop()

    def _picture(self, view: View) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, padding=(0, 1))
        for place, rung in reversed(list(enumerate(view.rungs))):
            for target in rung:
                symbol, colour = self._mark(target)
                seconds = f"{view.seconds(target.since):.0f} s" if target.since and not view.end else ""
                phase = Text(target.phase or "not reached yet", style=colour)
                table.add_row(
                    Text(f"╟{symbol}╢", style=colour), target.environment, phase, Text(_bar(target), "cyan"), seconds
                )
            if place:
                table.add_row(Text("║ ║", style="dim"))
        passed = f"{view.seconds(view.started):.0f} s"
        state = view.end.lower() or "climbing"
        return Group(table, Text(f"  {state}, {passed}   {view.last}", style="dim"), Text(f"  {self._link}", "dim"))

    @staticmethod
    def _mark(target: Target) -> tuple[str, str]:
        if not target.phase:
            return "───", "dim"
        if target.phase in _GOOD:
            return "━✓━", "green"
        return ("━✗━", "red") if target.phase in _BAD else ("━▶━", "yellow")


def _bar(target: Target) -> str:
    """Draw the share of traffic as a bar, for example `██░░░░ 10% on version 8`."""
    if not target.share:
        return ""
    percent = int(target.share.partition("%")[0])
    full = round(percent * _BAR / 100)
    return f"{'█' * full}{'░' * (_BAR - full)} {target.share}"
