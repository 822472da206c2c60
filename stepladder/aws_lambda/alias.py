"""The alias: what serves traffic. Read it, move it under its RevisionId, and know what it serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.clock import Clock, is_throttled, retrying
from stepladder.core.errors import RefusedError
from stepladder.core.records import dataclass

_THROTTLED = 60.0  # seconds that a read is made again while it is turned away
NOT_FOUND = "ResourceNotFoundException"
PRECONDITION = "PreconditionFailedException"
ALIAS_CHANGED = "alias-changed"  # the kind of `changed`
DESCRIPTION = "What callers get; moved by releases only"
"""As in terraform/modules/service/alias.tf, so that a plan finds nothing to change (a test compares)."""


@dataclass(frozen=True)
class Alias:
    """An alias as Lambda shows it. `weights` are the additional versions' shares, 0 to 1."""

    version: str
    revision: str
    arn: str
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The account that the alias lives in, from its ARN."""
        return self.arn.split(":")[4]

    def serves(self, version: str) -> bool:
        """Say whether all traffic goes to a version."""
        return self.version == version and not self.weights


def read(client: Any, function: str, name: str = names.ALIAS, *, clock: Clock | None = None) -> Alias | None:
    """Read an alias; None when it or its function isn't there. While Lambda throttles, it is read again."""

    def once() -> Alias:
        return _alias(client.get_alias(FunctionName=function, Name=name))

    try:
        return retrying(once, clock or Clock(), timeout=_THROTTLED, passes=is_throttled)
    except Exception as error:
        if error_code(error) == NOT_FOUND:
            return None
        raise


def create(client: Any, function: str, version: str, name: str = names.ALIAS) -> Alias:
    """Make an alias again as Terraform made it, but on a version."""
    return _alias(
        client.create_alias(FunctionName=function, Name=name, FunctionVersion=version, Description=DESCRIPTION)
    )


def move(
    client: Any,
    function: str,
    version: str,
    *,
    revision: str,
    clock: Clock,
    timeout: float = 60.0,
    name: str = names.ALIAS,
) -> Alias:
    """Point the alias at a version, all traffic, if it is still the one that was read.

    Weights are cleared explicitly: UpdateAlias leaves out what isn't said. Raises `RefusedError` when somebody moved
    the alias since (412). Our own request, sent twice because its first answer was lost, isn't somebody.
    """
    try:
        return _alias(
            retrying(
                lambda: client.update_alias(
                    FunctionName=function,
                    Name=name,
                    FunctionVersion=version,
                    RoutingConfig={"AdditionalVersionWeights": {}},
                    RevisionId=revision,
                ),
                clock,
                timeout=timeout,
            )
        )
    except Exception as error:
        if error_code(error) != PRECONDITION:
            raise
        now = read(client, function, name)
        if now and now.serves(version):
            return now
        raise changed(function, now, name) from error


def changed(function: str, now: Alias | None, name: str = names.ALIAS) -> RefusedError:
    """Return the error of an alias that isn't as it was read; `now` is what it is."""
    serves = f"now serves version {now.version}{weighted(now)}" if now else "is gone"
    return RefusedError(
        f"alias {name} of {function} was changed by somebody else during this release and {serves}",
        kind="alias-changed",
        hint="nothing was moved; see what it serves with `inv status`, then run the same command again",
    )


def described(alias: Alias | None) -> str:
    """Describe what an alias that was just read serves."""
    return f"it serves version {alias.version}{weighted(alias)}" if alias else "it is gone"


def weighted(alias: Alias) -> str:
    """Describe an alias's weights, for example ` with 10% on version 8`; nothing without any."""
    return "".join(f" with {weight:.0%} on version {version}" for version, weight in sorted(alias.weights.items()))


def _alias(answer: Mapping[str, Any]) -> Alias:
    routing = answer.get("RoutingConfig") or {}
    return Alias(
        version=answer["FunctionVersion"],
        revision=answer.get("RevisionId") or "",
        arn=answer["AliasArn"],
        weights={v: float(w) for v, w in (routing.get("AdditionalVersionWeights") or {}).items()},
    )
