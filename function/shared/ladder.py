"""The ladder as Terraform wrote it into a function's environment, so that an execution's input can't skip a rung.

It names the environments. Of their functions it says which there are: the project's own one, named ones, or both.
"""

from __future__ import annotations

import json
import os
from typing import NotRequired, TypedDict

from stepladder.core.names import split_target, target_key

_OWN, _ALL, _NAMED = "own", "all", "named"


class LadderRung(TypedDict):
    """One target: its function, its alias, the targets of the rung below, and whether it is elsewhere.

    `elsewhere` stands for another account or region.
    """

    alias: str
    below: list[str]
    function: str
    elsewhere: NotRequired[bool]


def find(key: str) -> LadderRung | None:
    """Return a target by its key; None for one that Terraform doesn't know.

    A named function's is called like its environment's own function and itself, and so is the rung below.
    """
    environments: dict[str, LadderRung] = json.loads(os.environ["LADDER"])
    environment, name = split_target(key)
    rung = environments.get(environment)
    if rung is None or (_OWN if not name else _NAMED) not in _functions():
        return None
    if not name:
        return rung
    target = rung.copy()
    target["function"] = f"{rung['function']}-{name}"
    target["below"] = [target_key(each, name) for each in rung["below"]]
    return target


def lower(rung: LadderRung) -> dict[str, LadderRung]:
    """Return the targets of the rung below by their keys."""
    below = {key: find(key) for key in rung["below"]}
    return {key: each for key, each in below.items() if each is not None}


def _functions() -> tuple[str, ...]:
    """Return which functions are targets: FUNCTIONS is missing for the own one alone, `all`, or `named`."""
    kind = os.environ.get("FUNCTIONS", _OWN)
    return (_OWN, _NAMED) if kind == _ALL else (kind,)
