"""ECR as a registry: its authorization token, its endpoint, and one cheap check whether an image is there."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stepladder.core.aws import Aws, error_code
from stepladder.core.errors import RefusedError, RepositoryMissingError
from stepladder.core.names import Names, is_preview
from stepladder.images.registry.client import RegistryClient

_BATCH = 100  # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html
VARIABLE = "STEPLADDER_REGISTRY"
"""The address of the registry in place of the one that ECR names: an emulator may name one that leads nowhere."""


@dataclass(frozen=True)
class Repository:
    """The project's repository: the registry to talk to, and the host by which Lambda names it."""

    registry: RegistryClient
    host: str
    name: str
    login: Callable[[], tuple[str, str]]
    """Asks for user and password."""
    credentials: Callable[[], tuple[str, str]]
    """Returns those that were asked for last."""

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """Every name of this registry."""
        return (self.host, self.registry.host)


def connect(aws: Aws, names: Names) -> Repository:
    """Get an authorization token (one `ecr:GetAuthorizationToken`) and return the repository it opens.

    The token is asked for again when the registry stops taking it; it never leaves this process.
    """
    last = _authorization(aws)
    endpoint = os.environ.get(VARIABLE) or str(last["proxyEndpoint"])
    _check_account(endpoint, names)
    is_used = False

    def credentials() -> tuple[str, str]:
        nonlocal is_used
        is_used = True
        user, _, password = base64.b64decode(last["authorizationToken"]).decode().partition(":")
        return user, password

    def login() -> tuple[str, str]:
        nonlocal last
        if is_used:
            last = _authorization(aws)
        return credentials()

    return Repository(RegistryClient(endpoint, login=login), names.registry, names.repository, login, credentials)


def _check_account(endpoint: str, names: Names) -> None:
    """Refuse to push to another account's registry; a local cloud's endpoint names none."""
    host = urlsplit(endpoint).hostname or ""
    account = host.split(".")[0]
    if ".dkr.ecr" in host and account != names.account:
        raise RefusedError(
            f"the credentials are for the registry of account {account}, and {names.environment} is in {names.account}",
            kind="wrong-account",
            hint="use credentials of that account (`AWS_PROFILE`), or fix `stepladder.environments`",
        )


def holds(aws: Aws, names: Names, digest: str) -> bool:
    """Say whether the repository holds a digest (one `ecr:BatchGetImage`)."""
    return bool(held(aws, names, [digest]))


def held(aws: Aws, names: Names, digests: Sequence[str]) -> set[str]:
    """Return which digests the repository holds: one `ecr:BatchGetImage` for each hundred."""
    present = set[str]()
    for start in range(0, len(digests), _BATCH):
        image_ids = [{"imageDigest": digest} for digest in digests[start : start + _BATCH]]
        try:
            answer = aws.client("ecr").batch_get_image(
                registryId=names.account, repositoryName=names.repository, imageIds=image_ids
            )
        except Exception as error:
            if error_code(error) == "RepositoryNotFoundException":
                raise missing(names) from None
            raise
        present |= {str(image["imageId"]["imageDigest"]) for image in answer.get("images", ())}
    return present


def missing(names: Names) -> RepositoryMissingError:
    """Return the error for a repository that nobody has made yet, or that somebody deleted."""
    where = f"--env {names.environment} --root foundation"
    alone = f"`inv tf.plan {where}`, then `inv tf.apply {where}`"
    hint = f"make it (again): `inv deploy --env {names.environment} --infra always`; or it alone: {alone}"
    if is_preview(names.environment):
        hint = f"the foundation makes it for all previews, and a person applies that: {alone}"
    return RepositoryMissingError(
        f"there is no ECR repository {names.repository} in {names.account}, {names.region}", hint=hint
    )


def _authorization(aws: Aws) -> dict[str, Any]:
    answer = aws.client("ecr").get_authorization_token()
    return dict(answer["authorizationData"][0])
