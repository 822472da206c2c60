"""AWS's service authorization reference, of the services that the map of calls knows.

The files are written by `docs/iam_reference.py`. https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("reference")


@dataclass(frozen=True)
class ActionReference:
    """One action: the resource types that a policy may name for it, and the condition keys that a request may have.

    `required` are those of the types that every request for the action has.
    """

    name: str
    resources: tuple[str, ...]
    required: tuple[str, ...]
    keys: tuple[str, ...]


@cache
def actions(prefix: str) -> Mapping[str, ActionReference]:
    """Return the actions of a service by their names in lower case, or nothing for one that isn't in the reference."""
    path = FOLDER / f"{prefix}.json"
    if not path.is_file():
        return {}
    document = json.loads(path.read_text("utf-8"))
    return {
        name.lower(): ActionReference(
            name=name,
            resources=tuple(each.rstrip("*") for each in resources),
            required=tuple(each.rstrip("*") for each in resources if each.endswith("*")),
            keys=tuple(keys),
        )
        for name, (resources, keys) in document.items()
    }
