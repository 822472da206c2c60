"""The template's example account: fine for the local cloud, nobody's on AWS."""

from __future__ import annotations

from collections.abc import Iterable

from stepladder.core import aws
from stepladder.core.errors import BadInputError
from stepladder.core.names import EXAMPLE_ACCOUNT
from stepladder.settings.load import Settings


def refuse(settings: Settings, environments: Iterable[str]) -> None:
    """Refuse to change anything on AWS for environments whose account is still the template's example."""
    if not aws.is_real():
        return
    unchanged = [name for name in environments if settings.environment(name).account == EXAMPLE_ACCOUNT]
    if unchanged:
        keys = ", ".join(f"stepladder.environments.{name}.account" for name in unchanged)
        raise BadInputError(
            f"the account of {' and '.join(unchanged)} is {EXAMPLE_ACCOUNT}, the template's example",
            kind="example-account",
            hint=f"set {keys} in {settings.root / 'invoke.yaml'} to your account's id, "
            'or work on a local cloud: `inv local.up` and `eval "$(inv local.env)"`',
        )
