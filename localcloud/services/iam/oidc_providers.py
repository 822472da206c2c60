"""Identity providers of IAM that speak OpenID Connect: Moto's, with what it lacks.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from localcloud.protocol.codec import ServiceError

if TYPE_CHECKING:
    from localcloud.cloud import AwsRequest, Cloud

_MOST_CLIENTS = 100


def install(cloud: Cloud) -> None:
    """Register the actions."""
    cloud.action("iam", "CreateOpenIDConnectProvider")(create)
    cloud.action("iam", "AddClientIDToOpenIDConnectProvider")(add_client_id)
    cloud.action("iam", "RemoveClientIDFromOpenIDConnectProvider")(remove_client_id)


def create(request: AwsRequest) -> dict[str, Any]:
    """Make a provider. Its URL is kept as it is given: one that ends in a slash is another issuer's.

    IAM reads the thumbprint from the issuer's certificate unless one is given; here it is made of the host's name.
    """
    url = str(request.params.get("Url", ""))
    parts = urlsplit(url)
    try:
        plain = parts.scheme == "https" and parts.hostname and not (parts.port or parts.query or parts.fragment)
    except ValueError:  # a port that is no number
        plain = False
    if not plain:
        raise ServiceError("ValidationError", "Invalid Open ID Connect Provider URL", 400)
    prints = request.params.get("ThumbprintList") or [hashlib.sha1(parts.netloc.encode()).hexdigest()]  # noqa: S324 - AWS's
    try:
        return request.forward({**request.params, "ThumbprintList": prints})
    except ServiceError as error:
        if error.code == "EntityAlreadyExists":
            raise ServiceError(error.code, f"Provider with url {url} already exists.", error.status) from None
        raise


def add_client_id(request: AwsRequest) -> None:
    """Let tokens for one more audience in. One that is let in already stays."""
    clients, wanted = _clients(request), str(request.params["ClientID"])
    if wanted not in clients and len(clients) >= _MOST_CLIENTS:
        message = f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {_MOST_CLIENTS}"
        raise ServiceError("LimitExceeded", message, 409)
    if wanted not in clients:
        clients.append(wanted)


def remove_client_id(request: AwsRequest) -> None:
    """Let tokens for an audience in no more. One that isn't let in changes nothing."""
    clients, unwanted = _clients(request), str(request.params["ClientID"])
    if unwanted in clients:
        clients.remove(unwanted)


def _clients(request: AwsRequest) -> Any:
    """Return a provider's list of audiences, to be changed. Raises NoSuchEntity."""
    from moto.iam.models import iam_backends

    arn = str(request.params["OpenIDConnectProviderArn"])
    provider = iam_backends[request.account][arn.split(":")[1]].open_id_providers.get(arn)
    if provider is None:
        raise ServiceError("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404)
    return provider.client_id_list
