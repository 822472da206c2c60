"""The rung below a target must serve the digest, in whichever location it is."""

from __future__ import annotations

from shared.errors import RefusedError
from stepladder.promotion.requests.relay import Served


def check(environment: str, served: Served, digest: str) -> None:
    """Refuse a digest that an environment of the rung below doesn't serve."""
    if not served["whole"]:
        raise RefusedError(f"{environment}, the rung below, is being shifted")
    if served["digest"] != digest:
        raise RefusedError(f"{environment}, the rung below, runs {served['digest'] or 'no release'}, not {digest}")
