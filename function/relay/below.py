"""The rung below must run the digest, wherever it is: a place can't read another one's, so home looks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from shared.errors import RefusedError


def check(environment: str, digest: str, runs: Callable[[str], dict[str, Any]]) -> None:
    """Refuse a digest that the rung below doesn't run. `runs` tells what an environment serves."""
    for name in json.loads(os.environ["LADDER"])[environment]["below"]:
        served = runs(name)
        if not served["whole"]:
            raise RefusedError(f"{name}, the rung below, is being shifted")
        if served["digest"] != digest:
            raise RefusedError(f"{name}, the rung below, runs {served['digest'] or 'an unknown image'}, not {digest}")
