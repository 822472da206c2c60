"""The rung below must run the digest, wherever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import RefusedError


def check(name: str, served: Mapping[str, Any], digest: str) -> None:
    """Refuse a digest that an environment below doesn't run; `served` is what `serving.runs` says of it, there."""
    if not served["whole"]:
        raise RefusedError(f"{name}, the rung below, is being shifted")
    if served["digest"] != digest:
        raise RefusedError(f"{name}, the rung below, runs {served['digest'] or 'no release'}, not {digest}")
