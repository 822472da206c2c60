"""Distributed Maps: what each child execution gets, and how many may fail.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from localcloud.services.stepfunctions.asl import intrinsics
from localcloud.services.stepfunctions.asl.errors import runtime_error
from localcloud.services.stepfunctions.asl.paths import Scope, template
from localcloud.services.stepfunctions.asl.states import DATA_LIMIT, Branch, quantity

if TYPE_CHECKING:
    from localcloud.services.stepfunctions.asl.interpreter import Interpreter
    from localcloud.services.stepfunctions.model import MachineExecution

UNLIMITED = 10_000
"""Child executions that a Map Run without MaxConcurrency runs at once."""


@dataclass(frozen=True)
class ChildInput:
    """What one child execution gets, and how many items that is."""

    data: Any
    items: int = 1


@dataclass(frozen=True)
class MapSettings:
    """What a distributed Map says beside its items."""

    name: str
    processor: Mapping[str, Any]
    inputs: list[ChildInput]
    label: str
    express: bool
    max_concurrency: int
    tolerated_count: int
    tolerated_percentage: float


class Distributor(Protocol):
    """What runs the child executions of distributed Maps."""

    def distribute(self, run: Interpreter, branch: Branch, settings: MapSettings) -> list[Any]:
        """Run the children and return their outputs. `StateError` when too many fail, `Aborted` when it must stop."""

    def abort_of(self, execution: MachineExecution) -> None:
        """Stop what an execution still runs that has failed or was stopped."""


class NoDistributor:
    """Stands in where only the states of one execution are interpreted."""

    def distribute(self, _run: Interpreter, _branch: Branch, settings: MapSettings) -> list[Any]:
        """Refuse."""
        raise runtime_error(f"nothing runs the child executions of {settings.name}")

    def abort_of(self, execution: MachineExecution) -> None:
        """Do nothing: no child runs."""


def is_distributed(state: Mapping[str, Any]) -> bool:
    """Say whether a Map runs its items as executions of their own."""
    processor = state.get("ItemProcessor") or state.get("Iterator") or {}
    return bool(processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")


def settings_of(name: str, state: Mapping[str, Any], scope: Scope, selected: list[Any]) -> MapSettings:
    """Return what a state says, with its paths read in the parent's scope. `selected` are the items' inputs."""
    processor = state.get("ItemProcessor") or state["Iterator"]
    percentage = quantity(state, "ToleratedFailurePercentage", scope) or 0.0
    if not 0 <= percentage <= 100:  # noqa: PLR2004 - per cent
        raise runtime_error(f"ToleratedFailurePercentage must be from 0 to 100, not {percentage:g}")
    return MapSettings(
        name=name,
        processor=processor,
        inputs=_batches(state, scope, selected) if "ItemBatcher" in state else [ChildInput(each) for each in selected],
        label=str(state.get("Label", "")),
        express=processor["ProcessorConfig"].get("ExecutionType") == "EXPRESS",
        max_concurrency=int(quantity(state, "MaxConcurrency", scope) or 0),
        tolerated_count=int(quantity(state, "ToleratedFailureCount", scope) or 0),
        tolerated_percentage=percentage,
    )


def _batches(state: Mapping[str, Any], scope: Scope, items: list[Any]) -> list[ChildInput]:
    batcher = state["ItemBatcher"]
    most = int(quantity(batcher, "MaxItemsPerBatch", scope) or len(items) or 1)
    size = int(quantity(batcher, "MaxInputBytesPerBatch", scope) or DATA_LIMIT)
    shared = (
        {"BatchInput": template(batcher["BatchInput"], scope, intrinsics.evaluate)} if "BatchInput" in batcher else {}
    )
    batches: list[list[Any]] = []
    for item in items:
        larger = {**shared, "Items": [*batches[-1], item]} if batches else {}
        if not batches or len(batches[-1]) >= most or len(json.dumps(larger)) > size:
            batches.append([])
        batches[-1].append(item)
    return [ChildInput({**shared, "Items": batch}, len(batch)) for batch in batches]


def exceeds(failed: int, total: int, count: int, percentage: float) -> bool:
    """Say whether too many items failed. Without a threshold one is too many; of two, either counts."""
    if not count and not percentage:
        return failed > 0
    return bool((count and failed > count) or (percentage and failed * 100 > percentage * total))
