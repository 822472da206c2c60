"""What an alias serves, and which image a version runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared import aws
from shared.errors import TransientError
from stepladder.core.release_facts import LATEST, NOT_FOUND, config_hash, frozen
from stepladder.promotion.requests.relay import Served


@dataclass(frozen=True)
class ServedAlias:
    """An alias as Lambda has it. `weights` are the shares of additional versions, 0 to 1."""

    version: str
    weights: Mapping[str, float]
    revision: str

    def serves_only(self, version: str) -> bool:
        """Say whether all traffic goes to a version."""
        return self.version == version and not self.weights

    def serves(self, version: str) -> bool:
        """Say whether any traffic goes to a version."""
        return self.version == version or version in self.weights

    def is_split(self, first: str, second: str, percent: int) -> bool:
        """Say whether the second version has so many percent of the traffic, and the first one all the rest."""
        if percent in (0, 100):
            return self.serves_only(second if percent else first)
        shares = {number: round(share * 100) for number, share in self.weights.items()}
        return (self.version, shares) == (first, {second: percent})

    def __str__(self) -> str:
        shares = "".join(f" and {share:.0%} version {other}" for other, share in sorted(self.weights.items()))
        return f"version {self.version}{shares}"


def alias(function: str, name: str) -> ServedAlias:
    """Read an alias."""
    answer = aws.client("lambda").get_alias(FunctionName=function, Name=name)
    routing = answer.get("RoutingConfig") or {}
    weights = {v: float(share) for v, share in (routing.get("AdditionalVersionWeights") or {}).items() if share}
    return ServedAlias(answer["FunctionVersion"], weights, answer.get("RevisionId", ""))


def served(function: str, name: str) -> Served:
    """Return the `digest` that an alias serves, and whether it is the `whole` of its traffic.

    The digest is empty where nothing was released yet, whatever image $LATEST has.
    """
    try:
        current = alias(function, name)
    except Exception as error:
        if aws.code(error) != NOT_FOUND:
            raise
        return {"digest": "", "whole": True}
    digest = "" if current.version == LATEST else version(function, current.version)[0]
    return {"digest": digest, "whole": not current.weights}


def version(function: str, number: str) -> tuple[str, dict[str, Any]]:
    """Return a version's image digest (empty when Lambda doesn't say) and its configuration."""
    answer = aws.client("lambda").get_function(FunctionName=function, Qualifier=number)
    return _pinned(answer).rpartition("@")[2], answer["Configuration"]


def image_uri(function: str, number: str) -> str:
    """Return a version's image by its digest. Raises `TransientError` when Lambda doesn't name it."""
    uri = _pinned(aws.client("lambda").get_function(FunctionName=function, Qualifier=number))
    if not uri:
        raise TransientError(f"Lambda names no image of version {number} of {function}")
    return uri


def _pinned(answer: Mapping[str, Any]) -> str:
    """Return the image of GetFunction's answer with its digest; empty when Lambda doesn't say."""
    code = answer.get("Code") or {}
    for uri in (code.get("ResolvedImageUri"), code.get("ImageUri")):
        if "@sha256:" in str(uri or ""):
            return str(uri)
    return ""


def configuration(answer: Mapping[str, Any]) -> str:
    """Hash what a version freezes besides its image, of a FunctionConfiguration: hex digits, as the ledger has them."""
    return config_hash(frozen(answer))
