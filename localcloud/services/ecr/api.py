"""ECR: repositories are Moto's, images are ours, shared with the registry behind `/v2/`.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import base64
import fnmatch
from datetime import UTC, datetime
from typing import Any

from localcloud.cloud import Cloud, Request
from localcloud.protocol.codec import ServiceError
from localcloud.services.ecr import images, layer_uploads
from localcloud.services.ecr.registry import DistributionApi
from localcloud.services.ecr.store import Key, store_of
from localcloud.services.ecr.tokens import LIFETIME, USER, Tokens


class Ecr:
    """What the handlers share: store, tokens, and Moto's repositories."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.store = store_of(cloud)
        self.tokens = Tokens()
        self.settings: dict[tuple[str, str], str] = {}  # of accounts: (account, name) -> value

    def repository(self, key: Key) -> Any:
        """Return Moto's repository, or None."""
        from moto.ecr.models import ecr_backends

        try:
            return ecr_backends[key.account][key.region].repositories.get(key.name)
        except KeyError:  # no such region
            return None

    def key(self, request: Request) -> Key:
        """Return the repository that a request names. Raises RepositoryNotFoundException."""
        params = request.params
        account = params.get("registryId") or request.account
        key = Key(account, request.region, params["repositoryName"])
        if self.repository(key) is None:
            raise ServiceError(
                "RepositoryNotFoundException",
                f"The repository with name '{key.name}' does not exist in the registry with id '{key.account}'",
            )
        return key

    def immutable(self, key: Key, tag: str) -> bool:
        """Say whether a tag, once set, stays."""
        repository = self.repository(key)
        mode = getattr(repository, "image_tag_mutability", "MUTABLE")
        mode = str(getattr(mode, "value", mode))
        filters = getattr(repository, "image_tag_mutability_exclusion_filters", None) or []
        excluded = mode.endswith("_WITH_EXCLUSION") and any(fnmatch.fnmatchcase(tag, f["filter"]) for f in filters)
        return mode.startswith("IMMUTABLE") != excluded

    def mounts(self, account: str) -> bool:
        """Say whether the account lets blobs be mounted from one repository into another (off by default)."""
        return self.settings.get((account, "BLOB_MOUNTING")) == "ENABLED"


def install(cloud: Cloud) -> None:
    """Take over images, layers, tokens and scans; serve the registry."""
    ecr = Ecr(cloud)
    cloud.route("/v2/", DistributionApi(ecr.store, ecr.tokens, ecr))
    cloud.on_save("ecr-settings", lambda: ecr.settings)
    cloud.on_load("ecr-settings", ecr.settings.update)
    _registry(cloud, ecr)
    _repositories(cloud, ecr)
    images.install(cloud, ecr)
    layer_uploads.install(cloud, ecr)


def credentials(cloud: Cloud, account: str, region: str) -> dict[str, str]:
    """Return username and password for the registry, for those who pull from inside."""
    token = cloud.call("ecr", "GetAuthorizationToken", account=account, region=region)
    data = token["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(data).decode().partition(":")
    return {"username": user, "password": password}


def _registry(cloud: Cloud, ecr: Ecr) -> None:
    @cloud.action("ecr", "GetAuthorizationToken")
    def token(request: Request) -> dict[str, Any]:
        accounts = request.params.get("registryIds") or [request.account]
        expires = datetime.fromtimestamp(datetime.now(UTC).timestamp() + LIFETIME, UTC)
        return {
            "authorizationData": [
                {
                    "authorizationToken": base64.b64encode(
                        f"{USER}:{ecr.tokens.password(account, request.region)}".encode()
                    ).decode(),
                    "expiresAt": expires,
                    "proxyEndpoint": request.origin,
                }
                for account in accounts
            ]
        }

    @cloud.action("ecr", "PutAccountSetting")
    def put_setting(request: Request) -> dict[str, Any]:
        name, value = request.params["name"], request.params["value"]
        ecr.settings[request.account, name] = value
        return {"name": name, "value": value}

    @cloud.action("ecr", "GetAccountSetting")
    def get_setting(request: Request) -> dict[str, Any]:
        name = request.params["name"]
        return {"name": name, "value": ecr.settings.get((request.account, name), "DISABLED")}


def _repositories(cloud: Cloud, ecr: Ecr) -> None:
    @cloud.action("ecr", "CreateRepository")
    def create(request: Request) -> dict[str, Any]:
        answer = request.forward()
        made = answer["repository"]
        ecr.store.clear(Key(made["registryId"], request.region, made["repositoryName"]))
        return answer

    @cloud.action("ecr", "DeleteRepository")
    def delete(request: Request) -> dict[str, Any]:
        key = ecr.key(request)
        if ecr.store.index(key).images and not request.params.get("force"):
            raise ServiceError(
                "RepositoryNotEmptyException",
                f"The repository with name '{key.name}' in registry with id '{key.account}' cannot be deleted "
                "because it still contains images",
            )
        answer = request.forward()
        ecr.store.clear(key)
        return answer
