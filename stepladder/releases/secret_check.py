"""Refuse a release whose secrets have no value, before anything is applied: its first call would fail, or its second.

Validate, in a promotion, doesn't check it: the pipeline's roles know of no secrets (docs/decisions). A secret that is
deleted meanwhile fails the smoke cases of the new version, before it has callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from stepladder.core.errors import RefusedError
from stepladder.core.names import flags_of
from stepladder.releases.rung import Rung
from stepladder.secrets.environment import EnvironmentSecrets
from stepladder.settings import secrets
from stepladder.settings.secrets import Secret


def of(rung: Rung) -> EnvironmentSecrets:
    """Return the secrets of a rung's environment."""
    return EnvironmentSecrets(rung.settings, rung.environment, rung.aws, rung.clock)


def missing(rung: Rung) -> tuple[Secret, ...]:
    """Return the secrets of an environment that have no value. Without secrets in its settings no call is made."""
    if not secrets.of(rung.settings, rung.environment):
        return ()
    lacking = tuple(state.secret for state in of(rung).read() if not state.has_value)
    if lacking:
        rung.check_caller()
    return lacking


def check(rungs: Sequence[Rung]) -> None:
    """Raise `RefusedError` that names each secret without a value, of each environment.

    Functions of one environment that have the same secrets are read once.
    """
    unique = {(rung.environment, secrets.of(rung.settings, rung.environment)): rung for rung in rungs}
    lacking: dict[str, list[Secret]] = {}
    listed: dict[str, set[Secret]] = {}
    with ThreadPoolExecutor(8, thread_name_prefix="secrets") as pool:
        for rung, names in zip(unique.values(), pool.map(missing, unique.values()), strict=True):
            known = listed.setdefault(rung.environment, set())
            new = [secret for secret in names if secret not in known]
            known.update(new)
            lacking |= {rung.target: new} if new else {}
    if not lacking:
        return
    commands = [
        f"`inv secrets.set {each.name} {flags_of(name)}`" for name, several in lacking.items() for each in several
    ]
    what = "; ".join(
        f"{name} has no value for {', '.join(f'{each.name} ({each.reference})' for each in several)}"
        for name, several in lacking.items()
    )
    raise RefusedError(what, kind="secret-missing", hint=f"set it: {', '.join(commands)}")
