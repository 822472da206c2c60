"""What ECR's actions share: the store, the tokens, and Moto's repositories."""

from __future__ import annotations

import base64
import fnmatch
from typing import Any

from localcloud.authorization.model import AccessRequest
from localcloud.cloud import AwsRequest, Cloud
from localcloud.protocol.codec import ServiceError
from localcloud.services.ecr.store import RepositoryKey, store_of
from localcloud.services.ecr.tokens import Tokens
from stepladder.core.names import partition_of


class EcrService:
    """The ECR service of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.store = store_of(cloud)
        self.tokens = Tokens()
        self.settings: dict[tuple[str, str], str] = {}  # of accounts: (account, name) -> value

    def repository(self, key: RepositoryKey) -> Any:
        """Return Moto's repository, or None."""
        from moto.ecr.models import ecr_backends

        try:
            return ecr_backends[key.account][key.region].repositories.get(key.name)
        except KeyError:  # no such region
            return None

    def key(self, request: AwsRequest) -> RepositoryKey:
        """Return the repository that a request names. Raises RepositoryNotFoundException."""
        params = request.params
        account = params.get("registryId") or request.account
        key = RepositoryKey(account, request.region, params["repositoryName"])
        if self.repository(key) is None:
            raise ServiceError(
                "RepositoryNotFoundException",
                f"The repository with name '{key.name}' does not exist in the registry with id '{key.account}'",
            )
        return key

    def immutable(self, key: RepositoryKey, tag: str) -> bool:
        """Say whether a tag, once set, stays."""
        repository = self.repository(key)
        mode = getattr(repository, "image_tag_mutability", "MUTABLE")
        mode = str(getattr(mode, "value", mode))
        filters = getattr(repository, "image_tag_mutability_exclusion_filters", None) or []
        excluded = mode.endswith("_WITH_EXCLUSION") and any(fnmatch.fnmatchcase(tag, f["filter"]) for f in filters)
        return mode.startswith("IMMUTABLE") != excluded

    def refusal(self, action: str, key: RepositoryKey, holder: Any) -> str:
        """Return why the holder of a registry's token may not do something in a repository; an empty text if it may."""
        arn = f"arn:{partition_of(key.region)}:ecr:{key.region}:{key.account}:repository/{key.name}"
        return self.cloud.access.refusal(AccessRequest(action, arn), holder, key.account)

    def mounts(self, account: str) -> bool:
        """Say whether the account lets blobs be mounted from one repository into another (off by default)."""
        return self.settings.get((account, "BLOB_MOUNTING")) == "ENABLED"


def credentials(cloud: Cloud, account: str, region: str) -> dict[str, str]:
    """Return username and password for the registry, for those who pull from inside."""
    token = cloud.call("ecr", "GetAuthorizationToken", account=account, region=region)
    data = token["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(data).decode().partition(":")
    return {"username": user, "password": password}
