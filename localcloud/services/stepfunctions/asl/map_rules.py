"""What is wrong with a distributed Map.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

LABEL = re.compile(r"[^\s?*<>{}\[\]:;,\\|^~$#%&`\"\x00-\x1f\x7f-\x9f/]{1,40}")
_NOT_OFFERED = ("ItemReader", "ResultWriter")
_QUANTITIES = {"MaxConcurrency": None, "ToleratedFailureCount": None, "ToleratedFailurePercentage": 100}


def distributed_problems(
    state: Mapping[str, Any], config: Mapping[str, Any], wrong: Callable[..., Any]
) -> Iterator[Any]:
    """Yield what is wrong with a distributed Map, by `wrong(message, field)`."""
    if config.get("ExecutionType") not in ("STANDARD", "EXPRESS"):
        yield wrong("ExecutionType must be STANDARD or EXPRESS", "ItemProcessor/ProcessorConfig/ExecutionType")
    for key in _NOT_OFFERED:
        if key in state:
            yield wrong(f"the local cloud offers no {key}: its distributed Maps take items from the state's input", key)
    label = state.get("Label", "label")
    if not isinstance(label, str) or not LABEL.fullmatch(label):
        yield wrong("A Label has 1 to 40 characters, without whitespace, brackets, wildcards and special ones", "Label")
    for key, most in _QUANTITIES.items():
        value = state.get(key, 0)
        if key in state and f"{key}Path" in state:
            yield wrong(f"A Map has either {key} or {key}Path", key)
        elif isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or (most and value > most):
            yield wrong(f"{key} must be a number from 0{f' to {most}' if most else ' on'}", key)
    batcher = state.get("ItemBatcher")
    if batcher is not None and not (
        isinstance(batcher, dict)
        and any(
            key in batcher for size in ("MaxItemsPerBatch", "MaxInputBytesPerBatch") for key in (size, f"{size}Path")
        )
    ):
        yield wrong("An ItemBatcher needs MaxItemsPerBatch or MaxInputBytesPerBatch", "ItemBatcher")


def label_problems(definition: Any, at: str, seen: set[str] | None = None) -> Iterator[tuple[str, str]]:
    """Yield labels that two Maps of a definition share, with their places."""
    seen = set() if seen is None else seen
    if isinstance(definition, list):
        for number, each in enumerate(definition):
            yield from label_problems(each, f"{at}/{number}", seen)
    if not isinstance(definition, dict):
        return
    label = definition.get("Label") if definition.get("Type") == "Map" else None
    if isinstance(label, str):
        if label in seen:
            yield f"The Label '{label}' stands twice", f"{at}/Label"
        seen.add(label)
    for key, value in definition.items():
        if key in ("States", "Branches", "ItemProcessor", "Iterator") or at.endswith("/States"):
            yield from label_problems(value, f"{at}/{key}", seen)
