"""The ladder as Terraform wrote it into a function's environment, so that an execution's input can't skip a rung."""

from __future__ import annotations

import json
import os
from typing import NotRequired, TypedDict


class LadderRung(TypedDict):
    """One environment: its function, its alias, the environments of the rung below, and whether it is elsewhere.

    `elsewhere` stands for another account or region.
    """

    alias: str
    below: list[str]
    function: str
    elsewhere: NotRequired[bool]


def read() -> dict[str, LadderRung]:
    """Return the environments of the ladder by name."""
    environments: dict[str, LadderRung] = json.loads(os.environ["LADDER"])
    return environments
