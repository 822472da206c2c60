"""Promotions that were recorded from a local cloud, and the machine that reads them again without one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cassette

from stepladder.core.clock import Clock
from stepladder.core.console import Console
from stepladder.promotion.executions import StateMachine
from stepladder.releases.rung import Rung, clients
from stepladder.settings import locations
from stepladder.settings.load import load

RECORDED = cassette.load(Path(__file__).resolve().parents[1] / "unit" / "data" / "reported.json.gz")
NAMES = tuple(RECORDED)


@contextmanager
def played(
    name: str, root: Path, *, change: Callable[[dict[str, Any]], object] = lambda _: None, as_json: bool = False
) -> Iterator[tuple[StateMachine, io.StringIO]]:
    """Yield the machine of a recorded promotion and what is printed; `change` edits the recording first.

    The environment has to point at a local cloud, as it did when it was recorded.
    """
    recorded = json.loads(json.dumps(RECORDED[name]))
    change(recorded)
    settings, printed = load(recorded["settings"], root), io.StringIO()
    primary = locations.representatives(settings)[0]
    console = Console(err=printed, out=printed, live=False, as_json=as_json)
    own = settings.of_function("")
    rung = Rung(own, primary, clients(settings, primary), console, "a test", Clock(now=lambda: recorded["now"]))
    with cassette.playing(recorded["calls"], recorded["items"]):
        yield StateMachine(rung), printed
