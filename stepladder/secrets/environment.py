"""The secrets of an environment in their stores: what is set, and setting one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stepladder.core.clock import Clock
from stepladder.secrets.parameters import ParameterStore
from stepladder.secrets.secrets_manager import SecretsManager
from stepladder.secrets.store import REMOTE, TERRAFORM, SecretState, SecretStore
from stepladder.settings import secrets as settings_of_secrets
from stepladder.settings.load import Settings
from stepladder.settings.secrets import SECRETS_MANAGER, SSM, Secret


class EnvironmentSecrets:
    """The secrets that one environment's settings name. `aws` makes its clients."""

    def __init__(self, settings: Settings, environment: str, aws: Any, clock: Clock) -> None:
        self._settings = settings
        self._environment = settings.environment(environment)
        self._aws = aws
        self._clock = clock
        self.secrets = settings_of_secrets.of(settings, environment)

    def store(self, name: str) -> SecretStore:
        """Return a store."""
        if name == SSM:
            return ParameterStore(self._aws.client("ssm"), self._clock)
        return SecretsManager(self._aws.client("secretsmanager"), self._clock)

    def read(self, secrets: Sequence[Secret] | None = None) -> list[SecretState]:
        """Return the states of these secrets, of all by default. One that only others know of is marked so."""
        wanted = self.secrets if secrets is None else tuple(secrets)
        states = {secret.name: SecretState(secret, state) for secret in wanted if (state := self._unknown(secret))}
        for name in (SSM, SECRETS_MANAGER):
            own = [secret for secret in wanted if secret.store == name and secret.name not in states]
            if own:
                states |= {state.secret.name: state for state in self.store(name).read(own)}
        return [states[secret.name] for secret in wanted]

    def _unknown(self, secret: Secret) -> str:
        """Return what a secret is that isn't asked for; empty for one that is."""
        if secret.of_terraform:
            return TERRAFORM
        return REMOTE if secret.is_remote(self._environment.account, self._environment.region) else ""

    @property
    def tags(self) -> dict[str, str]:
        """What a secret that we make is tagged with: the same as what Terraform makes."""
        return {
            "environment": self._environment.name,
            "managed-by": "stepladder",
            "project": self._settings.project,
        }
