"""Outputs of an environment's Terraform in smoke cases: `${output.orders_url}` in what is sent or expected.

Standard library only: the pipeline's verify function carries this file beside `smoke_case`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from stepladder.releases import smoke_references
from stepladder.releases.smoke_case import Case, SmokeStep

BUNDLED = "outputs"
"""The entry of a bundle that holds the outputs, by target; all others are files of cases, which end in .json."""
_OUTPUT = "output"


class UnknownOutputsError(ValueError):
    """Cases name outputs that aren't known; `names` are those."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"there is no output {', '.join(names)} to put into the smoke cases")
        self.names = tuple(names)


def used(cases: Sequence[Case]) -> tuple[str, ...]:
    """Return the names of the outputs that cases use."""
    parts = [part for case in cases for call in case.calls for part in (call.payload, call.expect)]
    return tuple(sorted(set(smoke_references.names(_OUTPUT, parts))))


def filled(cases: Sequence[Case], outputs: Mapping[str, Any]) -> tuple[Case, ...]:
    """Return the cases with the outputs' values. Raises `UnknownOutputsError` with those that are missing."""
    missing = [name for name in used(cases) if name not in outputs]
    if missing:
        raise UnknownOutputsError(missing)
    return tuple(
        replace(
            case,
            payload=smoke_references.fill(_OUTPUT, case.payload, outputs),
            expect=smoke_references.fill(_OUTPUT, case.expect, outputs),
            steps=tuple(_filled(step, outputs) for step in case.steps),
        )
        for case in cases
    )


def _filled(step: SmokeStep, outputs: Mapping[str, Any]) -> SmokeStep:
    return replace(
        step,
        payload=smoke_references.fill(_OUTPUT, step.payload, outputs),
        expect=smoke_references.fill(_OUTPUT, step.expect, outputs),
    )


def bundle(documents: Mapping[str, str], outputs: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return what the verify function reads: the cases' files, and the outputs by environment where cases use any."""
    given = {BUNDLED: json.dumps(outputs, sort_keys=True)} if outputs else {}
    return json.dumps({**documents, **given}, sort_keys=True).encode()


def opened(bundled: bytes, target: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the cases' files of a bundle, and the outputs of a target.

    `target` is its key, or the name of its Lambda function, which ends with the key. A bundle is one function's: no two
    of its keys end alike.
    """
    documents: dict[str, str] = json.loads(bundled)
    outputs: dict[str, dict[str, Any]] = json.loads(documents.pop(BUNDLED, "{}"))
    key = next((key for key in outputs if target == key or target.endswith(f"-{key}")), target)
    return documents, outputs.get(key, {})


def cases_of(key: str) -> str:
    """Return what a bundle's key says of the cases alone, without the outputs."""
    return key.removesuffix(".json").partition("-")[0]
