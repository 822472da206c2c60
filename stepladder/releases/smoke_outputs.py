"""Outputs of an environment's Terraform in smoke cases: `${output.orders_url}` in what is sent or expected.

Standard library only: the pipeline's verify function carries this file beside `smoke_case`. A text that is one such
reference and nothing else becomes the output's value, of whatever type; inside a longer text it becomes text. `$${`
stands for the text `${`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stepladder.releases.smoke_case import Case

BUNDLED = "outputs"
"""The entry of a bundle that holds the outputs, by environment; all others are files of cases, which end in .json."""
_OUTPUT = re.compile(r"(\$?)\$\{output\.([A-Za-z_][\w-]*)\}")


class UnknownOutputsError(ValueError):
    """Cases name outputs that aren't known; `names` are those."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"there is no output {', '.join(names)} to put into the smoke cases")
        self.names = tuple(names)


def used(cases: Sequence[Case]) -> tuple[str, ...]:
    """Return the names of the outputs that cases use."""
    names = (name for case in cases for part in (case.payload, case.expect) for name in _names(part))
    return tuple(sorted(set(names)))


def filled(cases: Sequence[Case], outputs: Mapping[str, Any]) -> tuple[Case, ...]:
    """Return the cases with the outputs' values. Raises `UnknownOutputsError` with those that are missing."""
    missing = [name for name in used(cases) if name not in outputs]
    if missing:
        raise UnknownOutputsError(missing)
    return tuple(
        replace(case, payload=_fill(case.payload, outputs), expect=_fill(case.expect, outputs)) for case in cases
    )


def bundle(documents: Mapping[str, str], outputs: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return what the verify function reads: the cases' files, and the outputs by environment where cases use any."""
    given = {BUNDLED: json.dumps(outputs, sort_keys=True)} if outputs else {}
    return json.dumps({**documents, **given}, sort_keys=True).encode()


def opened(bundled: bytes, environment: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the cases' files of a bundle, and the outputs of an environment."""
    documents: dict[str, str] = json.loads(bundled)
    outputs: dict[str, dict[str, Any]] = json.loads(documents.pop(BUNDLED, "{}"))
    return documents, outputs.get(environment, {})


def cases_of(key: str) -> str:
    """Return what a bundle's key says of the cases alone, without the outputs."""
    return key.removesuffix(".json").partition("-")[0]


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (match[2] for match in _OUTPUT.finditer(value) if not match[1])
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _names(key)
            yield from _names(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _names(each)


def _fill(value: Any, outputs: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        whole = _OUTPUT.fullmatch(value)
        return outputs[whole[2]] if whole and not whole[1] else _OUTPUT.sub(lambda match: _text(match, outputs), value)
    if isinstance(value, Mapping):
        return {_key(key, outputs): _fill(each, outputs) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fill(each, outputs) for each in value]
    return value


def _key(key: Any, outputs: Mapping[str, Any]) -> str:
    return _OUTPUT.sub(lambda match: _text(match, outputs), str(key))


def _text(match: re.Match[str], outputs: Mapping[str, Any]) -> str:
    if match[1]:  # an escape
        return match[0][1:]
    value = outputs[match[2]]
    return value if isinstance(value, str) else json.dumps(value)
