"""Whether credentials are of the account that an environment is in: another one shows that nothing is there."""

from __future__ import annotations

from stepladder.core.errors import RefusedError
from stepladder.core.names import Names

WRONG = "wrong-account"


def check(account: str, names: Names) -> None:
    """Refuse to work in another account than the settings name."""
    if account != names.account:
        raise RefusedError(
            f"these credentials reach account {account}, but {names.environment} is account {names.account}",
            kind="wrong-account",
            hint=f"use credentials of {names.account}, or fix the account under `stepladder.environments`",
        )
