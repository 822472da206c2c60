"""What a person sees of a promotion on a terminal: every frame of its drawing, as text and as a picture."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from stepladder.promotion.render import picture


class Recorder:
    """A drawing that keeps each new frame, at several widths."""

    def __init__(self, *widths: int) -> None:
        self.frames: dict[int, list[Any]] = {width: [] for width in widths or (80,)}
        self.times: list[float] = []

    def update(self, view: Any) -> None:
        """Keep the picture of a view."""
        self.times.append(time.monotonic())
        for width, frames in self.frames.items():
            frames.append(picture(view, width))

    def close(self) -> None:
        """Leave the frames."""

    def lines(self, width: int = 80) -> list[str]:
        """Every line of every frame."""
        return [line for frame in self.frames[width] for line in frame.plain.split("\n")]

    def save(self, path: Path, frame: Any, width: int) -> None:
        """Save a frame as SVG."""
        console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
        console.print(frame)
        console.save_svg(str(path), title="inv promote")
