"""The secrets of an environment: those that `inv secrets.set` made for it and that no other environment names.

One that somebody else made, or that another environment's settings name too, stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stepladder.destroy.report import Asset
from stepladder.releases.rung import Rung
from stepladder.secrets.environment import EnvironmentSecrets
from stepladder.secrets.store import SecretState
from stepladder.settings import secrets as settings_of_secrets
from stepladder.settings.secrets import TITLES


def split(targets: Sequence[Rung]) -> tuple[list[tuple[EnvironmentSecrets, SecretState]], list[Asset]]:
    """Return the secrets that are the environment's own, and those that stay, each with the reason."""
    own: dict[str, tuple[EnvironmentSecrets, SecretState]] = {}
    kept: dict[str, Asset] = {}
    for rung in targets:
        if rung.settings.name_of_function not in rung.settings.whole.function_names:
            continue  # the settings lost the function, and with it what its secrets are
        of_others = _of_others(rung)
        of_function = EnvironmentSecrets(rung.settings, rung.environment, rung.aws, rung.clock)
        for state in of_function.read():
            reference = state.secret.reference
            if not state.exists:
                continue
            if reference in of_others:
                why = f"{of_others[reference]} has it too"
            else:
                tags = of_function.store(state.secret.store).tags(state)
                if all(tags.get(key) == value for key, value in of_function.tags.items()):
                    own[reference] = of_function, state
                    continue
                why = f"not made by `inv secrets.set --env {rung.environment}`"
            kept[reference] = Asset(f"secret in {TITLES[state.secret.store]}", state.secret.id, why)
    return list(own.values()), [part for reference, part in kept.items() if reference not in own]


def part(state: SecretState) -> Asset:
    """Return a secret as it is shown: its name and version, never its value."""
    return Asset(f"secret in {TITLES[state.secret.store]}", state.secret.id, f"version {state.version}")


def _of_others(rung: Rung) -> dict[str, str]:
    """Return the references of all other environments at this location, each with the environment's name."""
    whole = rung.settings.whole
    at = whole.environment(rung.environment)
    others = [e for e in whole.environments.values() if (e.account, e.region) == (at.account, at.region)]
    return {reference: name for name, reference in _references(rung, [e.name for e in others])}


def _references(rung: Rung, environments: Sequence[str]) -> Iterator[tuple[str, str]]:
    whole = rung.settings.whole
    for environment in environments:
        if environment == rung.environment:
            continue
        for name in whole.function_names:
            for secret in settings_of_secrets.of(whole.of_function(name), environment):
                yield environment, secret.reference
