"""ECR: repositories are Moto's, images are ours, shared with the registry behind `/v2/`.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from localcloud.cloud import AwsRequest, Cloud
from localcloud.protocol.codec import ServiceError
from localcloud.services.ecr import images, layer_uploads, referrers
from localcloud.services.ecr.registry import DistributionApi
from localcloud.services.ecr.service import EcrService
from localcloud.services.ecr.store import RepositoryKey
from localcloud.services.ecr.tokens import LIFETIME, USER


def install(cloud: Cloud) -> None:
    """Take over images, layers, tokens and scans. Serve the registry."""
    ecr = EcrService(cloud)
    cloud.registry_bytes = lambda: ecr.store.received
    cloud.route("/v2/", DistributionApi(ecr.store, ecr.tokens, ecr, ecr.refusal))
    cloud.on_save("ecr-settings", lambda: ecr.settings)
    cloud.on_load("ecr-settings", ecr.settings.update)
    _registry(cloud, ecr)
    _repositories(cloud, ecr)
    images.install(cloud, ecr)
    layer_uploads.install(cloud, ecr)
    referrers.install(cloud, ecr)


def _registry(cloud: Cloud, ecr: EcrService) -> None:
    @cloud.action("ecr", "GetAuthorizationToken")
    def token(request: AwsRequest) -> dict[str, Any]:
        accounts = request.params.get("registryIds") or [request.account]
        holder = cloud.access.named(request.caller) if request.caller else None
        expires = datetime.fromtimestamp(datetime.now(UTC).timestamp() + LIFETIME, UTC)
        return {
            "authorizationData": [
                {
                    "authorizationToken": base64.b64encode(
                        f"{USER}:{ecr.tokens.password(account, request.region, holder=holder)}".encode()
                    ).decode(),
                    "expiresAt": expires,
                    "proxyEndpoint": request.origin,
                }
                for account in accounts
            ]
        }

    @cloud.action("ecr", "PutAccountSetting")
    def put_setting(request: AwsRequest) -> dict[str, Any]:
        name, value = request.params["name"], request.params["value"]
        ecr.settings[request.account, name] = value
        return {"name": name, "value": value}

    @cloud.action("ecr", "GetAccountSetting")
    def get_setting(request: AwsRequest) -> dict[str, Any]:
        name = request.params["name"]
        return {"name": name, "value": ecr.settings.get((request.account, name), "DISABLED")}


def _repositories(cloud: Cloud, ecr: EcrService) -> None:
    @cloud.action("ecr", "CreateRepository")
    def create(request: AwsRequest) -> dict[str, Any]:
        answer = request.forward()
        repository = answer["repository"]
        ecr.store.clear(RepositoryKey(repository["registryId"], request.region, repository["repositoryName"]))
        return answer

    @cloud.action("ecr", "DeleteRepository")
    def delete(request: AwsRequest) -> dict[str, Any]:
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
