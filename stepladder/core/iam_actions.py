"""The actions of AWS services that IAM knows, for what people mistype.

`iam_actions.json` lists those services that the local cloud authorises; `docs/generate.py` writes it from the same
reference.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("iam_actions.json")


def of(service: str) -> tuple[str, ...]:
    """Return the names of a service's actions by its prefix; nothing for a service that isn't listed."""
    return _all().get(service.lower(), ())


def is_unknown(action: str) -> bool:
    """Say whether an action without a wildcard isn't among those of its service, which is listed."""
    service, _, name = action.partition(":")
    names = of(service)
    wild = "*" in name or "?" in name
    return bool(names) and not wild and name.lower() not in {each.lower() for each in names}


@cache
def _all() -> dict[str, tuple[str, ...]]:
    return {service: tuple(names) for service, names in json.loads(FILE.read_text("utf-8")).items()}
