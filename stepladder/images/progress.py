"""How far an engine is with the layers of a push or a pull, from the events that it streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_EXISTING = ("Layer already exists", "Already exists", "Mounted from")


class Layers:
    """Sums the progress of all layers and says it in one line: `sent 12.3 of 40.0 MB, 2 of 5 layers there already`."""

    def __init__(self, verb: str, progress: Callable[[str], None]) -> None:
        self._verb, self._progress = verb, progress
        self._layers: dict[str, tuple[int, int]] = {}  # bytes done, and in all
        self._existing: set[str] = set()

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event of the engine's stream."""
        name, detail = str(event.get("id", "")), event.get("progressDetail") or {}
        if name and str(event.get("status", "")).startswith(_EXISTING):
            self._existing.add(name)
        elif name and "total" in detail:
            total = int(detail["total"])
            self._layers[name] = (min(int(detail.get("current", 0)), total), total)
        else:
            return
        done, total = (sum(layer[column] for layer in self._layers.values()) for column in (0, 1))
        existing, known = len(self._existing), len(self._layers | dict.fromkeys(self._existing))
        self._progress(
            f"{self._verb} {done / 1e6:.1f} of {total / 1e6:.1f} MB, {existing} of {known} layers there already"
        )


def follow(events: Iterator[Mapping[str, Any]], verb: str, progress: Callable[[str], None]) -> str:
    """Show the layers' progress; return the engine's error, or an empty string."""
    layers = Layers(verb, progress)
    message = ""
    for event in events:  # to its end, also after an error: so the connection is closed
        message = message or str(event.get("error", ""))
        layers.take(event)
    return message
