"""The state machine of many targets, as the delivery module makes it of the same file: a test compares the two."""

import copy
from typing import Any

LABELS = {"ReleaseTargets": ("release", 100), "FinishTargets": ("finish", 20)}
"""The Maps that run each target as an execution of its own: label, and how many at once."""


def distributed(definition: dict[str, Any]) -> dict[str, Any]:
    """Return a definition with both Maps over targets distributed."""
    made = copy.deepcopy(definition)
    states = made["States"]["PromoteRungs"]["ItemProcessor"]["States"]
    for name, (label, at_once) in LABELS.items():
        states[name] |= {"Label": label, "MaxConcurrency": at_once}
        states[name]["ItemProcessor"]["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    return made
