"""What was called for each recorded answer of AWS: a scenario for each recording, in the words of this suite."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

SCENARIOS: dict[str, Callable[[Any], None]] = {}
MODULES = ("functions", "images", "versions", "aliases", "options", "policies", "limits", "sources", "tags", "machines")


def scenario(name: str, *given: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register what was called for the recording `name`; `given` are further arguments of it."""

    def register(call: Callable[..., None]) -> Callable[..., None]:
        SCENARIOS[name] = lambda recorder: call(recorder, *given)
        return call

    return register


def every() -> dict[str, Callable[[Any], None]]:
    """Return all scenarios by the name of the recording."""
    for module in MODULES:
        importlib.import_module(f"recorded.{module}")
    return SCENARIOS
